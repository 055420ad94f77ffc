"""People before the pages, signed in or not, whose browser says where its forms come from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from flask.testing import FlaskClient

from tests.support.household import API_KEY, Household
from wishlist_service.app import close_app, create_app, open_app

READ_KEY = "test-read-key-0123456789"
HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}"


@contextmanager
def visitor(household: Household, *, key: str = "", **settings: Any) -> Iterator[FlaskClient]:
    """A browser before the service with these settings, signed in with the key."""
    app = create_app(replace(household.config, **settings))
    open_app(app)
    client = app.test_client()
    client.environ_base["HTTP_ORIGIN"] = "http://localhost"
    try:
        if key:
            base = settings.get("url_base", "")
            assert client.post(f"{base}/sign-in", data={"key": key}).status_code == 303
        yield client
    finally:
        close_app(app)


def keeping(household: Household, **settings: Any) -> Any:
    """One who may do everything."""
    return visitor(household, key=API_KEY, **settings)


def reading(household: Household) -> Any:
    """One who may look."""
    return visitor(household, key=READ_KEY, read_api_key=READ_KEY)
