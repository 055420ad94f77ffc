"""The first start: who may begin, from where, for how long, and what the others are told."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.clients import MakeClient
from tests.support.fake_friends import Friends
from tests.support.fake_home import Home
from tests.support.fake_pins import Pins
from tests.support.fake_plex import row
from tests.support.front_door import OURS, come_back, come_back_together, go_to_plex, sign_in_with_plex
from tests.support.household import API_KEY, Household, context, token_of
from tests.support.processes import descendants, gunicorn, request, settings_for, status_of, wait_until
from tests.support.seen import Seen, browse
from tests.support.slow import first_quick

BEGIN = "Sign in with Plex to begin"


@pytest.fixture
def pins(household: Household) -> Iterator[Pins]:
    ann = household.plex.add(token_of("Ann"), username="ann", rows=[row("1", "Alpha")])
    household.plex.add(token_of("Oz"), username="oz")
    Home(household.plex, ann)
    Friends(household.plex)
    yield Pins(household.plex)


def may_begin(client: FlaskClient, **options: Any) -> bool:
    """Whether the wall offers it and the button leads to Plex, or else both ask for the API_KEY."""
    headers = {"Host": "localhost"} | options.pop("headers", {})
    headers |= {"Origin": f"http://{headers['Host']}"}
    wall = Seen(client.get("/", headers=headers, **options))
    reply = client.post("/sign-in/plex", headers=headers, **options)
    assert wall.one("h1").text == BEGIN
    buttons = [button.text for button in wall.all("button")]
    if reply.status_code == 303:
        assert buttons == ["Sign in with Plex"]
        return True
    page = Seen(reply)
    assert (reply.status_code, page.one("h1").text, buttons) == (403, BEGIN, [])
    assert "API_KEY" in page.one("p", role="alert").text
    assert [button.text for button in page.all("button")] == ["Sign in"]
    return False


def test_first_person_becomes_admin_is_read_at_once_and_lands_on_who_else(
    client: FlaskClient, household: Household, pins: Pins
) -> None:
    assert client.get("/health").json["claimed"] is False
    assert [button.text for button in browse(client).all("button")] == ["Sign in with Plex"]

    reply = sign_in_with_plex(client, pins, "ann")

    assert (reply.status_code, reply.location) == (303, "/people/1/contacts")
    assert browse(client, reply.location).one("h1").text == "Who else?"
    me = client.get("/api/me").json
    assert (me["role"], me["user"]["name"], me["user"]["admin"]) == ("admin", "ann", True)
    assert client.get("/health").json["claimed"] is True
    wait_until(lambda: household.titles("ann") == ["Alpha"])


def test_installation_stays_claimed_when_everybody_is_gone(
    client: FlaskClient, household: Household, pins: Pins
) -> None:
    household.add("Ben")

    client.delete("/api/users/1?purge=true", headers={"X-API-Key": API_KEY})

    assert client.get("/health").json["claimed"] is True
    assert browse(client).one("h1").text == "No one has been added yet"
    assert sign_in_with_plex(client, pins, "oz").status_code == 403


@pytest.mark.parametrize(
    ("address", "near"),
    first_quick(
        3,
        [
            ("127.0.0.1", True),
            ("192.168.1.20", True),
            ("8.8.8.8", False),
            ("127.8.9.10", True),
            ("10.0.0.7", True),
            ("172.16.0.1", True),
            ("172.31.255.254", True),
            ("169.254.3.4", True),
            ("::1", True),
            ("fe80::1%eth0", True),
            ("fd12:3456::1", True),
            ("::ffff:192.168.1.20", True),
            ("172.32.0.1", False),
            ("100.64.0.1", False),
            ("192.0.2.1", False),
            ("2001:db8::1", False),
            ("::ffff:8.8.8.8", False),
            ("fec0::1", False),
            ("", False),
            ("unknown", False),
        ],
    ),
)
def test_whoever_begins_is_on_this_machine_or_in_a_private_network(
    client: FlaskClient, pins: Pins, address: str, near: bool
) -> None:
    assert may_begin(client, environ_base={"REMOTE_ADDR": address}) is near


@pytest.mark.parametrize(
    ("trusted", "headers", "near"),
    first_quick(
        3,
        [
            (0, {"X-Forwarded-For": "192.168.1.20"}, False),
            (1, {"X-Forwarded-For": "192.168.1.20"}, True),
            (2, {"X-Forwarded-For": "192.168.1.20"}, False),
            (0, {}, True),
            (0, {"X-Forwarded-For": ""}, False),
            (0, {"Forwarded": "for=192.168.1.20"}, False),
            (1, {}, True),
            (1, {"X-Forwarded-For": "192.168.1.20", "Forwarded": "for=8.8.8.8"}, True),
            (1, {"X-Forwarded-For": ""}, False),
            (1, {"Forwarded": "for=192.168.1.20"}, False),
            (2, {"X-Forwarded-For": "192.168.1.20, 10.0.0.2"}, True),
            (2, {"Forwarded": "for=192.168.1.20, for=10.0.0.2"}, False),
        ],
    ),
)
def test_address_of_whoever_begins_is_told_by_each_proxy_that_trusted_proxies_counts(
    make_client: MakeClient, pins: Pins, trusted: int, headers: dict[str, str], near: bool
) -> None:
    client = make_client(trusted_proxies=trusted)

    assert may_begin(client, headers=headers, environ_base={"REMOTE_ADDR": "172.17.0.1"}) is near


def test_address_is_the_one_that_the_trusted_proxy_tells(make_client: MakeClient, pins: Pins) -> None:
    client = make_client(trusted_proxies=1)

    assert not may_begin(client, headers={"X-Forwarded-For": "192.168.1.20, 8.8.8.8"})
    assert may_begin(client, headers={"X-Forwarded-For": "8.8.8.8, 192.168.1.20"})


@pytest.mark.parametrize(
    ("host", "ours"),
    first_quick(
        4,
        [
            *((host, host.startswith("n")) for host in ("nas.local", "evil.test", "nas", "192.168.1.5.nip.io")),
            *((host, True) for host in ("192.168.1.5:8000", "[::1]:8000", "nas.lan", "nas.home:80")),
            *((host, True) for host in ("a.home.arpa", "a.internal", "a.localdomain", "a.localhost", "nas.fritz.box")),
            *((host, True) for host in ("nas.tail1234.ts.net", "wishes.example.test")),
            *((host, False) for host in ("ts.net.evil.test", "nas.example.org", "")),
        ],
    ),
)
def test_name_of_the_host_is_one_that_no_stranger_can_own(
    make_client: MakeClient, pins: Pins, host: str, ours: bool
) -> None:
    client = make_client(public_url="https://wishes.example.test", allowed_hosts=("*",), trusted_proxies=1)
    headers = {"Host": host, "X-Forwarded-For": "192.168.1.20", "Sec-Fetch-Site": "same-origin"}

    assert may_begin(client, headers=headers) is ours


def test_hour_is_over_for_those_without_the_key(client: FlaskClient, pins: Pins) -> None:
    shared = context(client)
    asked = go_to_plex(client)
    pins.agree_as(asked["code"], "ann")
    shared.recent.started -= 3600

    reply = come_back(client, asked)

    assert reply.status_code == 403
    assert "started more than an hour ago" in Seen(reply).one("p", role="alert").text
    assert len(pins.signed_out) == 1
    assert not may_begin(client)
    assert client.get("/health").json["claimed"] is False


@pytest.mark.slow
@pytest.mark.parametrize("age", [0, 3600])
def test_hour_goes_on_when_a_worker_is_replaced(household: Household, tmp_path: Path, age: int) -> None:
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text(
        Path("gunicorn.conf.py").read_text() + f"\nwishlist_service.web.recent.SHARED.started -= {age}\n"
    )

    def is_over(address: str) -> bool:
        page = request("GET", f"{address}/sign-in", headers={"Connection": "close"})
        return "started more than an hour ago" in page.body.decode()

    with gunicorn(settings_for(household, WEB_WORKERS="1"), configuration=configuration) as (api, address):
        before = is_over(address)
        [worker] = descendants(api.process.pid)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: set(descendants(api.process.pid)) - {worker})
        wait_until(lambda: status_of(f"{address}/health") == 200)
        after = is_over(address)

    assert (before, after) == (age == 3600, age == 3600)


@pytest.mark.slow
def test_same_account_that_begins_twice_at_once_is_signed_in_twice(
    make_client: MakeClient, household: Household, pins: Pins
) -> None:
    clients = [make_client(), make_client()]
    asked = [go_to_plex(client) for client in clients]
    for each in asked:
        pins.agree_as(each["code"], "ann")

    replies = come_back_together(household, clients, asked)

    assert sorted(reply.status_code for reply in replies) == [303, 303]
    assert [client.get("/api/me").json["user"]["id"] for client in clients] == [1, 1]
    assert pins.signed_out == []


def test_whoever_has_the_key_may_begin_from_anywhere(client: FlaskClient, household: Household, pins: Pins) -> None:
    far = {"environ_base": {"REMOTE_ADDR": "8.8.8.8"}}
    assert not may_begin(client, **far)

    client.post("/sign-in", data={"key": API_KEY}, headers=OURS, **far)
    asked = go_to_plex(client, **far)
    pins.agree_as(asked["code"], "ann")
    reply = come_back(client, asked, **far)

    assert reply.location == "/people/1/contacts"
    assert household.user("ann")["admin"] is True


def test_of_two_at_the_same_moment_one_wins(make_client: MakeClient, household: Household, pins: Pins) -> None:
    one, two = make_client(), make_client()
    asked = {client: go_to_plex(client) for client in (one, two)}
    pins.agree_as(asked[one]["code"], "ann")
    pins.agree_as(asked[two]["code"], "oz")

    replies = come_back_together(household, [one, two], [asked[one], asked[two]])

    [winner] = one.get("/api/users").json["items"]
    assert winner["admin"] is True
    assert sorted(reply.status_code for reply in replies) == [303, 403]
    [stranger] = [Seen(reply) for reply in replies if reply.status_code == 403]
    assert stranger.one("h1").text == f"Ask {winner['name']} for an invitation"


def test_closed_reading_still_lets_somebody_begin(make_client: MakeClient, pins: Pins) -> None:
    client = make_client(reading="closed")

    asked = client.get("/")
    page = browse(client, asked.location)

    assert (asked.status_code, page.one("h1").text) == (303, BEGIN)
    assert sign_in_with_plex(client, pins, "ann").location == "/people/1/contacts"
