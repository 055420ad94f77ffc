"""Every curl example in the README and in docs/ works on the real service, and replies shown have the real form."""

import json
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.api.test_openapi import lived_in  # noqa: F401  (a fixture)
from tests.support.documents import PAGES, read_curl
from tests.support.fake_pins import Pins
from tests.support.fake_plex import FakePlex
from tests.support.household import Household

COMMANDS = sorted(
    {found for text in PAGES.values() for found in re.findall(r"curl [^`\n]*localhost:8000[^`\n]*", text)}
)
REPLIES: dict[str, str] = dict(
    re.findall(r"```sh\n(curl [^\n]*)\n```\n\n(?:Reply|\d{3}):\n\n```json\n(.*?)\n```", PAGES["docs/api.md"], re.S)
)


@pytest.mark.parametrize("command", COMMANDS)
def test_example_gives_a_reply_of_the_form_shown(
    lived_in: Household,  # noqa: F811
    client: FlaskClient,
    plex: FakePlex,
    command: str,
) -> None:
    Pins(plex)
    plex.add("x" * 20)
    method, path, options = read_curl(command)

    reply = client.open(path, method=method, **options)

    assert reply.status_code in (200, 201, 204), reply.text
    if command in REPLIES:
        assert_same_form(reply.json, json.loads(REPLIES[command]))


def test_examples_and_replies_are_found() -> None:
    assert len(COMMANDS) > 40
    assert len(REPLIES) > 25


def assert_same_form(real: Any, shown: Any) -> None:
    """The same keys and types, down to the first entry of each list; what is null or empty has no form."""
    if isinstance(real, dict) and isinstance(shown, dict) and real and shown:
        assert real.keys() == shown.keys()
        for name in real:
            assert_same_form(real[name], shown[name])
    elif isinstance(real, list) and isinstance(shown, list) and real and shown:
        assert_same_form(real[0], shown[0])
    else:
        kinds = {type(value) for value in (real, shown) if value or isinstance(value, bool)}
        assert len(kinds) <= 1, (real, shown)
