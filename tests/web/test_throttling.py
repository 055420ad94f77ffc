"""Who guesses keys is refused for a while, and no one else."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.clients import MakeClient
from tests.support.household import API_KEY, Household
from tests.support.processes import gunicorn, request, settings_for
from tests.support.slow import slow
from wishlist_service.web import recent
from wishlist_service.web.recent import MAXIMUM_WRONG_KEYS, Recent, RecentValues, network_of

READ_KEY = "test-read-key-0123456789"


def guess(client: FlaskClient, *, count: int = MAXIMUM_WRONG_KEYS, way: str = "header", address: str = "") -> set[int]:
    """Try so many different wrong keys, and return the statuses."""
    place = {"environ_overrides": {"REMOTE_ADDR": address}} if address else {}
    if way == "address":
        return {client.get(f"/api/users?apikey=guess-{n}", **place).status_code for n in range(count)}
    return {client.post("/api/sync", headers={"X-API-Key": f"guess-{n}"}, **place).status_code for n in range(count)}


def with_key(client: FlaskClient, **more: Any) -> int:
    return client.post("/api/sync", headers={"X-API-Key": API_KEY}, **more).status_code


def sign_in(client: FlaskClient) -> int:
    return client.post("/sign-in", data={"key": API_KEY}, headers={"Origin": "http://localhost"}).status_code


def test_guesser_is_refused_whatever_the_key(make_client: MakeClient) -> None:
    client = make_client()
    assert guess(client) == {401}

    reply = client.post("/api/sync", headers={"X-API-Key": API_KEY})

    assert reply.status_code == 429
    assert 1 <= int(reply.headers["Retry-After"]) <= recent.WINDOW_SECONDS
    assert sign_in(client) == 429
    assert with_key(client, environ_overrides={"REMOTE_ADDR": "203.0.113.9"}) == 200


def test_wrong_keys_at_sign_in_count_too(make_client: MakeClient) -> None:
    client = make_client()
    for n in range(MAXIMUM_WRONG_KEYS):
        client.post("/sign-in", data={"key": f"guess-{n}"}, headers={"Origin": "http://localhost"})

    assert (sign_in(client), with_key(client)) == (429, 429)


def test_client_with_an_old_key_locks_nobody_out(make_client: MakeClient) -> None:
    client = make_client()
    for _ in range(MAXIMUM_WRONG_KEYS * 3):
        client.post("/api/sync", headers={"X-API-Key": "the-key-of-last-year"})

    assert with_key(client) == 200


def test_wrong_keys_in_addresses_block_only_keys_in_addresses(make_client: MakeClient) -> None:
    client = make_client(read_api_key=READ_KEY)
    assert guess(client, way="address", count=MAXIMUM_WRONG_KEYS * 3) == {401, 429}

    assert client.get(f"/api/users?apikey={READ_KEY}").status_code == 429
    assert client.get("/api/users", headers={"X-API-Key": READ_KEY}).status_code == 200
    assert with_key(client) == 200
    assert sign_in(client) == 303


def test_wrong_keys_in_headers_do_not_block_addresses(make_client: MakeClient) -> None:
    client = make_client(read_api_key=READ_KEY)
    guess(client)

    assert client.get(f"/api/users?apikey={READ_KEY}").status_code == 200


@pytest.mark.parametrize("names", ["all", "hidden"])
@pytest.mark.parametrize("way", ["header", *slow("address")])
def test_reads_that_need_no_key_are_never_refused(make_client: MakeClient, names: str, way: str) -> None:
    client = make_client(names=names)
    for kind in ("header", "address"):
        guess(client, way=kind, count=MAXIMUM_WRONG_KEYS * 2)
    key = {"headers": {"X-API-Key": API_KEY}} if way == "header" else {"query_string": {"apikey": API_KEY}}

    for path in ("/api/users", "/api/wishlist", "/", "/health", "/metrics"):
        assert client.get(path).status_code == 200
        assert client.get(path, **(key if path != "/" else {})).status_code == 200


def test_blocked_key_is_not_looked_at(make_client: MakeClient, household: Household) -> None:
    household.add("Annabella", [])
    client = make_client(names="hidden")
    assert "Annabella" in client.get("/api/users", headers={"X-API-Key": API_KEY}).text
    guess(client)

    right = client.get("/api/users", headers={"X-API-Key": API_KEY})
    wrong = client.get("/api/users", headers={"X-API-Key": "one-more-guess"})

    assert (right.status_code, right.data) == (wrong.status_code, wrong.data)
    assert "Annabella" not in right.text


def test_request_without_a_key_is_asked_for_one_also_from_where_keys_are_guessed(make_client: MakeClient) -> None:
    client = make_client()
    guess(client)

    assert client.post("/api/sync").status_code == 401


def test_guesser_may_try_again_after_a_while() -> None:
    seen = RecentValues(names=8, maximum=2, seconds=0)

    assert [seen.add("x", value) for value in ("a", "b", "c")] == [True, True, True]
    assert seen.seconds_left("x") <= 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5678", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8::ffff:1", "2001:db8::/64"),
        ("[2001:db8::7]:443", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("", ""),
        ("a:b", "a:b"),
        ("[", "["),
    ],
)
def test_forms_of_an_address_are_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_forms_of_an_address_in_a_forwarding_header_guess_together(make_client: MakeClient) -> None:
    client = make_client(trusted_proxies=1)
    forms = ["192.0.2.1", "192.0.2.1:{n}", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:{n}", "::ffff:c000:201"]
    for n in range(MAXIMUM_WRONG_KEYS):
        forwarded = forms[n % len(forms)].format(n=1000 + n)
        client.post("/api/sync", headers={"X-API-Key": f"guess-{n}", "X-Forwarded-For": forwarded})

    assert with_key(client, environ_overrides={"HTTP_X_FORWARDED_FOR": "192.0.2.1"}) == 429
    assert with_key(client, environ_overrides={"HTTP_X_FORWARDED_FOR": "192.0.2.2"}) == 200


def test_an_address_has_one_line_a_minute_in_the_log(make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    client = make_client(read_api_key=READ_KEY)
    for address in ("192.0.2.1", "192.0.2.2"):
        guess(client, address=address)
        guess(client, address=address, way="address")

    lines = [record.message for record in caplog.records if record.message.startswith("wrong key ")]
    assert lines == [f"wrong key address={end} method=POST path='/api/sync'" for end in ("192.0.2.1", "192.0.2.2")]


def test_log_shows_the_rule_of_the_path(make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    make_client().patch("/api/users/17", json={}, headers={"X-API-Key": "a-wrong-key"})

    assert "wrong key address=127.0.0.1 method=PATCH path='/api/users/<id:user_id>'" in caplog.text


def test_memory_is_bounded_however_many_addresses_there_are() -> None:
    seen = Recent().wrong_keys

    for n in range(5000):
        seen.add(f"header 10.0.{n // 250}.{n % 250}", "guess")
    for n in range(MAXIMUM_WRONG_KEYS):
        seen.add("header 192.0.2.1", f"guess-{n}")

    assert seen.seconds_left("header 192.0.2.1") > 0
    assert seen.seconds_left("header 192.0.2.2") == 0


@pytest.mark.slow
def test_all_web_processes_count_together(household: Household) -> None:
    with gunicorn(settings_for(household, WEB_WORKERS="4")) as (api, address):
        statuses = [
            request("POST", f"{address}/api/sync", headers={"X-API-Key": f"guess-{n}", "Connection": "close"}).status
            for n in range(MAXIMUM_WRONG_KEYS * 2)
        ]
        api.end()

    assert statuses == [401] * MAXIMUM_WRONG_KEYS + [429] * MAXIMUM_WRONG_KEYS
    assert api.output.count("wrong key address=") == 1
