"""What is answered before Flask has looked at it: the same as a moment ago, for who may read without a key."""

from collections.abc import Iterable
from typing import Any

from wishlist_service.web.context import question_of
from wishlist_service.web.counting import count
from wishlist_service.web.replies import Replies


class Front:
    """WSGI middleware: sends whole replies again while the wishlist stays as it is, a third quicker than Flask would.

    Only for an app that asks nobody who reads for a key and hides no names: then a reply depends on nothing but what
    question_of() tells. What is conditional is left to the app.
    """

    def __init__(self, wsgi_app: Any, replies: Replies) -> None:
        self._wsgi_app = wsgi_app
        self._replies = replies

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        if environ["REQUEST_METHOD"] == "GET" and "HTTP_IF_NONE_MATCH" not in environ:
            kept = self._replies.find_whole(question_of(environ, True, ""))
            if kept and kept.headers:
                count("GET", kept.route, 200)
                start_response("200 OK", list(kept.headers))
                return [kept.body]
        return self._wsgi_app(environ, start_response)
