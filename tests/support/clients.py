"""The API as a test asks it, with settings of its own."""

from collections.abc import Callable

from flask.testing import FlaskClient

MakeClient = Callable[..., FlaskClient]
