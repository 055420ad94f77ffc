"""Sessions: what the cookie is, how long it works, what ends it, and what others cannot do with it."""

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.clients import MakeClient
from tests.support.fake_pins import Pins
from tests.support.front_door import OURS, come_back, go_to_plex, sign_in_with_plex
from tests.support.household import API_KEY, Household
from tests.support.readers import PrepareOnce
from tests.support.slow import slow
from wishlist_service.web.recent import MAXIMUM_SIGN_INS

READ_KEY = "test-read-key-0123456789"
COOKIE = "wishlist_session"
KEY = {"X-API-Key": API_KEY}


def add_two(household: Household) -> None:
    """Ann is an admin, Ben is not."""
    household.add("Ann")
    household.add("Ben")
    household.conn.execute("UPDATE plex_users SET admin = name = 'Ann'")


@pytest.fixture(scope="module")
def two_template(prepare_once: PrepareOnce) -> str:
    return prepare_once(add_two)


@pytest.fixture
def pins(household: Household, two_template: str) -> Pins:
    return Pins(household.plex)


def cookie_of(client: FlaskClient) -> str:
    found = client.get_cookie(COOKIE, path=client.application.extensions["wishlist"].config.url_base or "/")
    return found.value if found else ""


def who(client: FlaskClient) -> Any:
    """The name of the person who is signed in, or else the role."""
    me = client.get("/api/me").json
    return me["user"]["name"] if me["user"] else me["role"]


def test_cookie_is_a_random_id_and_the_database_has_its_hash(
    client: FlaskClient, household: Household, pins: Pins
) -> None:
    reply = sign_in_with_plex(client, pins, "ann")

    [cookie] = [each for each in reply.headers.getlist("Set-Cookie") if each.startswith(f"{COOKIE}=")]
    value = cookie_of(client)
    assert re.fullmatch(r"[\w-]{43}", value)
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"} <= set(cookie.split("; "))
    [row] = household.conn.execute("SELECT * FROM sessions").fetchall()
    assert row["id_hash"] == hashlib.sha256(value.encode()).hexdigest()
    assert (row["role"], row["user_id"], row["key_mac"]) == ("member", 1, None)
    assert value not in str(row)


@pytest.mark.parametrize("secure", [True, False])
def test_cookie_is_secure_behind_tls(make_client: MakeClient, pins: Pins, secure: bool) -> None:
    client = make_client(trusted_proxies=1, url_base="/plex-wishlist")
    headers = {"X-Forwarded-Proto": "https" if secure else "http"}
    started = client.post("/plex-wishlist/sign-in/plex", headers=OURS | headers)
    [pin] = pins.made.values()
    pins.agree_as(pin.code, "ann")

    back = client.get("/plex-wishlist/sign-in/plex/back", headers=headers)

    assert back.status_code == 303
    for cookie in [*started.headers.getlist("Set-Cookie"), *back.headers.getlist("Set-Cookie")]:
        parts = cookie.split("; ")
        assert ("Secure" in parts) is secure
        assert {"HttpOnly", "SameSite=Lax", "Path=/plex-wishlist"} <= set(parts)


def test_id_changes_at_each_sign_in_and_the_old_one_ends(
    make_client: MakeClient, household: Household, pins: Pins
) -> None:
    client, thief = make_client(), make_client()
    seen: list[str] = []
    for sign_in in (
        lambda: sign_in_with_plex(client, pins, "ann"),
        lambda: sign_in_with_plex(client, pins, "ann"),
        lambda: client.post("/sign-in", data={"key": API_KEY}, headers=OURS),
        lambda: sign_in_with_plex(client, pins, "ben"),
    ):
        sign_in()
        seen.append(cookie_of(client))

    assert len(set(seen)) == 4
    for old in seen[:-1]:
        thief.set_cookie(COOKIE, old)
        assert who(thief) == "reader"
    assert household.conn.execute("SELECT count(*) AS n FROM sessions").fetchall() == [{"n": 1}]


def test_id_that_somebody_planted_signs_in_nobody(make_client: MakeClient, pins: Pins) -> None:
    victim, attacker = make_client(), make_client()
    planted = "A" * 43
    for client in (victim, attacker):
        client.set_cookie(COOKIE, planted)

    sign_in_with_plex(victim, pins, "ann")

    assert (who(victim), who(attacker)) == ("Ann", "reader")
    assert cookie_of(victim) != planted


def test_form_of_another_site_starts_no_sign_in(client: FlaskClient, pins: Pins) -> None:
    for headers in ({}, {"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"} | OURS):
        reply = client.post("/sign-in/plex", headers=headers)
        assert reply.status_code == 403
        assert "Set-Cookie" not in reply.headers
    assert pins.made == {}


def test_sign_ins_of_one_address_are_limited_so_that_plex_is_not_flooded(client: FlaskClient, pins: Pins) -> None:
    for _ in range(MAXIMUM_SIGN_INS):
        go_to_plex(client)

    reply = client.post("/sign-in/plex", headers=OURS)

    assert (reply.status_code, "Too many sign-ins" in reply.text) == (429, True)
    assert len(pins.made) == MAXIMUM_SIGN_INS
    go_to_plex(client, environ_base={"REMOTE_ADDR": "192.168.1.20"})


def test_nobody_is_signed_in_by_being_led_to_the_way_back(make_client: MakeClient, pins: Pins) -> None:
    attacker, victim = make_client(), make_client()
    asked = go_to_plex(attacker)
    pins.agree_as(asked["code"], "ben")  # with the attacker's own account

    reply = come_back(victim, asked, headers={"Sec-Fetch-Site": "cross-site"})

    assert reply.status_code == 422
    assert "not started in this browser" in reply.text
    assert who(victim) == "reader"
    assert who(attacker) == "reader"


def test_browser_that_has_a_sign_in_of_its_own_does_not_end_another_one(make_client: MakeClient, pins: Pins) -> None:
    one, two = make_client(), make_client()
    of_one, of_two = go_to_plex(one), go_to_plex(two)
    pins.agree_as(of_one["code"], "ann")

    assert come_back(two, of_one).status_code == 422
    assert who(two) == "reader"
    pins.agree_as(of_two["code"], "ben")
    assert come_back(two, of_two).status_code == 303
    assert who(two) == "Ben"
    assert come_back(one, of_one).status_code == 303
    assert who(one) == "Ann"


def test_way_back_works_once(make_client: MakeClient, pins: Pins) -> None:
    client, thief = make_client(), make_client()
    asked = go_to_plex(client)
    carried = client.get_cookie("wishlist_sign_in")
    assert carried is not None
    pins.agree_as(asked["code"], "ann")
    assert come_back(client, asked).status_code == 303
    thief.set_cookie("wishlist_sign_in", carried.value)

    again, stolen = come_back(client, asked), come_back(thief, asked)

    assert (again.status_code, stolen.status_code) == (422, 422)
    assert (who(client), who(thief)) == ("Ann", "reader")
    assert client.get_cookie("wishlist_sign_in") is None


ELSEWHERE = ["https://evil.test/", "//evil.test/", "///evil.test", "/\\evil.test/", "\\\\evil.test", "evil.test"]
ELSEWHERE += ["/\t/evil.test", "/\n/evil.test", "javascript:alert(1)", "/é", ""]


@pytest.mark.parametrize("wanted", [*ELSEWHERE[:4], *slow(*ELSEWHERE[4:])])
def test_sign_in_never_leads_elsewhere(client: FlaskClient, pins: Pins, wanted: str) -> None:
    reply = sign_in_with_plex(client, pins, "ann", query_string={"next": wanted})

    assert (reply.status_code, reply.location) == (303, "/")


def test_address_of_the_way_back_does_not_lead_elsewhere(client: FlaskClient, pins: Pins) -> None:
    asked = go_to_plex(client)
    pins.agree_as(asked["code"], "ann")

    reply = client.get("/sign-in/plex/back?next=https://evil.test/&forwardUrl=//evil.test")

    assert (reply.status_code, reply.location) == (303, "/")


def pause(api: FlaskClient) -> None:
    assert api.patch("/api/users/1", json={"active": False}, headers=KEY).status_code == 200


def pause_by_delete(api: FlaskClient) -> None:
    assert api.delete("/api/users/1", headers=KEY).status_code == 204


def erase(api: FlaskClient) -> None:
    assert api.delete("/api/users/1?purge=true", headers=KEY).status_code == 204


def take_mark(api: FlaskClient) -> None:
    assert api.patch("/api/users/1", json={"admin": False}, headers=KEY).status_code == 200


@pytest.mark.parametrize("end", [pause, pause_by_delete, erase, take_mark])
def test_sessions_of_a_person_end_at_the_next_request_whichever_process_answers(
    make_client: MakeClient, pins: Pins, end: Callable[[FlaskClient], None]
) -> None:
    here, there, ben = make_client(), make_client(), make_client()
    sign_in_with_plex(here, pins, "ann")
    there.set_cookie(COOKIE, cookie_of(here))
    sign_in_with_plex(ben, pins, "ben")
    assert (who(here), who(there), who(ben)) == ("Ann", "Ann", "Ben")

    end(here)

    assert (who(there), who(here), who(ben)) == ("reader", "reader", "Ben")
    assert there.patch("/api/users/2", json={"name": "Bea"}, headers=OURS).status_code == 401


def test_paused_person_who_is_resumed_stays_signed_out(client: FlaskClient, pins: Pins) -> None:
    sign_in_with_plex(client, pins, "ann")
    pause(client)

    client.patch("/api/users/1", json={"active": True}, headers=KEY)

    assert who(client) == "reader"


def test_mark_that_is_given_counts_at_the_next_request(client: FlaskClient, pins: Pins) -> None:
    sign_in_with_plex(client, pins, "ben")
    assert client.get("/api/me").json["role"] == "member"

    client.patch("/api/users/2", json={"admin": True}, headers=KEY)

    assert client.get("/api/me").json["role"] == "admin"
    assert client.patch("/api/users/1", json={"name": "Anna"}, headers=OURS).status_code == 200


def test_signing_out_ends_this_session_alone(make_client: MakeClient, pins: Pins) -> None:
    here, there = make_client(), make_client()
    sign_in_with_plex(here, pins, "ann")
    sign_in_with_plex(there, pins, "ann")
    value = cookie_of(here)

    reply = here.post("/sign-out", headers=OURS)

    assert (reply.status_code, reply.location) == (303, "/")
    assert here.get_cookie(COOKIE) is None
    here.set_cookie(COOKIE, value)
    assert (who(here), who(there)) == ("reader", "Ann")


@pytest.mark.parametrize(
    ("change", "ends"),
    [({"api_key": "another-api-key-0123456789"}, True), ({"read_api_key": "another-" + READ_KEY}, True), ({}, False)],
)
@pytest.mark.parametrize("key", [API_KEY, *slow(READ_KEY)])
def test_changed_key_ends_the_sessions_of_keys_and_a_restart_ends_none(
    make_client: MakeClient, pins: Pins, key: str, change: dict[str, str], ends: bool
) -> None:
    before, member = make_client(read_api_key=READ_KEY), make_client(read_api_key=READ_KEY)
    before.post("/sign-in", data={"key": key}, headers=OURS)
    sign_in_with_plex(member, pins, "ben")

    after, of_member = (make_client(**{"read_api_key": READ_KEY} | change) for _ in range(2))
    after.set_cookie(COOKIE, cookie_of(before))
    of_member.set_cookie(COOKIE, cookie_of(member))

    assert after.get("/").status_code == (303 if ends else 200)
    assert who(of_member) == "Ben"


def test_stored_session_of_a_key_does_not_help_to_guess_the_key(
    client: FlaskClient, household: Household, pins: Pins
) -> None:
    client.post("/sign-in", data={"key": API_KEY}, headers=OURS)

    [row] = household.conn.execute("SELECT * FROM sessions").fetchall()

    assert (row["role"], row["user_id"]) == ("admin", None)
    for text in (API_KEY, f"{API_KEY}\n", f"{row['id_hash']}\n"):
        assert hashlib.sha256(text.encode()).hexdigest() not in (row["key_mac"], row["id_hash"])


def set_days_left(household: Household, days: float) -> None:
    household.conn.execute("UPDATE sessions SET expires_at = now() + %s", [timedelta(days=days)])


def days_left(household: Household) -> float:
    [row] = household.conn.execute(
        "SELECT extract(epoch FROM expires_at - now()) / 86400 AS d FROM sessions"
    ).fetchall()
    return float(row["d"])


@pytest.mark.parametrize("path", ["/", *slow("/api/me", "/api/wishlist")])
def test_session_is_prolonged_once_a_day_at_most(
    client: FlaskClient, household: Household, pins: Pins, path: str
) -> None:
    sign_in_with_plex(client, pins, "ann")
    set_days_left(household, 29.1)
    early = client.get(path)
    unchanged = days_left(household)
    set_days_left(household, 28.9)

    due = client.get(path)
    prolonged = days_left(household)
    again = client.get(path)

    assert (early.headers.getlist("Set-Cookie"), again.headers.getlist("Set-Cookie")) == ([], [])
    assert 29 < unchanged < 29.2
    assert 29.99 < prolonged <= 30
    [cookie] = due.headers.getlist("Set-Cookie")
    assert cookie.startswith(f"{COOKIE}={cookie_of(client)};")
    assert "Max-Age=2592000" in cookie.split("; ")


def test_session_of_thirty_days_ago_has_ended(client: FlaskClient, household: Household, pins: Pins) -> None:
    sign_in_with_plex(client, pins, "ann")
    set_days_left(household, -0.001)

    assert who(client) == "reader"
    sign_in_with_plex(client, pins, "ben")
    assert household.conn.execute("SELECT user_id FROM sessions").fetchall() == [{"user_id": 2}]


def test_looking_up_a_session_writes_nothing(client: FlaskClient, household: Household, pins: Pins) -> None:
    sign_in_with_plex(client, pins, "ann")
    version = "SELECT xmin::text, ctid::text, * FROM sessions"
    before = household.conn.execute(version).fetchall()

    for path in ("/api/me", "/api/wishlist", "/"):
        assert client.get(path).status_code == 200

    assert household.conn.execute(version).fetchall() == before


def test_database_that_can_only_be_read_keeps_people_signed_in(
    client: FlaskClient, household: Household, pins: Pins
) -> None:
    sign_in_with_plex(client, pins, "ann")
    set_days_left(household, 10)
    household.conn.execute(f"ALTER DATABASE {household.conn.info.dbname} SET default_transaction_read_only = on")
    household.conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'plex-wishlist-api'"
    )

    assert who(client) == "Ann"


def test_made_up_cookies_are_nobodys(client: FlaskClient, pins: Pins) -> None:
    for made_up in ("", "x", "A" * 43, "é" * 43, "A" * 4000, "' OR 1=1 --"):
        client.set_cookie(COOKIE, made_up)
        assert who(client) == "reader"
