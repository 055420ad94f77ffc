"""Who may change things: whoever sends the API key."""

import hmac
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from wishlist_service.api.parts import parts

Params = ParamSpec("Params")
Result = TypeVar("Result")


def needs_api_key(view: Callable[Params, Result]) -> Callable[Params, Result]:
    """Let a view answer only requests with the right X-API-Key; 401 otherwise."""

    @wraps(view)
    def checked(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        sent = request.headers.get("X-API-Key", "")
        # bytes: compare_digest takes no text beyond ASCII, and a header may hold any
        if not hmac.compare_digest(sent.encode(), parts().config.api_key.encode()):
            what = "The X-API-Key header is wrong." if sent else "This needs the X-API-Key header."
            raise Unauthorized(what, www_authenticate=WWWAuthenticate("ApiKey", {"header": "X-API-Key"}))
        return view(*args, **kwargs)

    return checked
