"""The API with settings of a test's own."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.clients import MakeClient
from wishlist_service.app import close_app, create_app, open_app
from wishlist_service.config import Config


@pytest.fixture
def make_client(config: Config) -> Iterator[MakeClient]:
    """The API with other settings."""
    apps: list[Flask] = []

    def make(**settings: Any) -> FlaskClient:
        apps.append(create_app(replace(config, **settings)))
        open_app(apps[-1])
        return apps[-1].test_client()

    yield make
    for app in apps:
        close_app(app)
