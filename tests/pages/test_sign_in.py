"""Signing in on pages: who gets in, what the cookie is, and what other sites cannot do with it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household
from tests.support.readers import PrepareOnce
from tests.support.seen import Seen
from tests.support.slow import first_quick
from wishlist_service.app import close_app, create_app, open_app
from wishlist_service.web.recent import MAXIMUM_WRONG_KEYS

READ_KEY = "test-read-key-0123456789"
OURS = {"Origin": "http://localhost"}
ELSEWHERE = ["https://evil.test/", "//evil.test/", "///evil.test", "/\\evil.test/", "\\\\evil.test", "evil.test"]
ELSEWHERE += ["/\t/evil.test", "/\n/evil.test", "\t//evil.test", "javascript:alert(1)", "/é", ""]
MakeClient = Callable[..., FlaskClient]


@pytest.fixture(scope="module")
def annabella_template(prepare_once: PrepareOnce) -> str:
    def prepare(household: Household) -> None:
        household.add("Annabella", [row("1", "Alpha")])
        household.sync()

    return prepare_once(prepare)


@pytest.fixture
def make_client(household: Household, annabella_template: str) -> Iterator[MakeClient]:
    """A browser before the service with these settings; Annabella wants Alpha."""
    apps: list[Any] = []

    def make(**settings: Any) -> FlaskClient:
        apps.append(create_app(replace(household.config, **settings)))
        open_app(apps[-1])
        return apps[-1].test_client()

    yield make
    for app in apps:
        close_app(app)


def sign_in(client: FlaskClient, key: str = API_KEY, *, base: str = "", **options: Any) -> TestResponse:
    """Send the form as a browser does."""
    options = {"headers": OURS} | options
    fields = {"key": key, "next": options.pop("wanted", "/")}
    return client.post(f"{base}/sign-in", data=fields, **options)


def test_right_key_signs_in_for_30_days_by_a_cookie_that_no_script_reads(make_client: MakeClient) -> None:
    client = make_client()

    reply = sign_in(client)

    assert (reply.status_code, reply.location) == (303, "/")
    cookie = reply.headers["Set-Cookie"]
    expires = parsedate_to_datetime(re.findall("Expires=(.+?);", cookie)[0])
    assert timedelta(days=29) < expires - datetime.now(UTC) <= timedelta(days=30)
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert API_KEY not in cookie
    assert Seen(client.get("/")).one("button", class_="plain").text == "Sign out"


@pytest.mark.parametrize(("trusted", "secure"), [(1, True), (0, False)])
def test_cookie_goes_by_tls_only_if_it_came_by_tls(make_client: MakeClient, trusted: int, secure: bool) -> None:
    client = make_client(trusted_proxies=trusted)

    cookie = sign_in(client, headers=OURS | {"X-Forwarded-Proto": "https"}).headers["Set-Cookie"]

    assert ("Secure" in cookie.split("; ")) is secure


def test_cookie_is_for_the_service_alone_under_its_path(make_client: MakeClient) -> None:
    client = make_client(url_base="/plex-wishlist")

    reply = sign_in(client, base="/plex-wishlist", wanted="/?year=2000")

    assert reply.location == "/plex-wishlist/?year=2000"
    assert "Path=/plex-wishlist" in reply.headers["Set-Cookie"].split("; ")


@pytest.mark.parametrize("key", first_quick(1, ["", "wrong", API_KEY[:-1], READ_KEY, "\ud800"]))
def test_wrong_key_does_not_sign_in(make_client: MakeClient, key: str) -> None:
    client = make_client()

    reply = sign_in(client, key.encode(errors="replace").decode())

    assert reply.status_code == 403
    assert "Set-Cookie" not in reply.headers
    assert Seen(reply).one("p", role="alert").text in ("The key is wrong.", "Enter a key.")


def test_guesser_is_refused_whatever_the_key(make_client: MakeClient) -> None:
    client = make_client()
    for n in range(MAXIMUM_WRONG_KEYS):
        assert sign_in(client, f"guess-{n}").status_code == 403

    reply = sign_in(client)

    assert reply.status_code == 429
    assert Seen(reply).one("h1").text == "Too many tries"
    assert int(reply.headers["Retry-After"]) > 0


def test_who_is_signed_in_is_not_locked_out_by_a_guesser_beside_them(make_client: MakeClient) -> None:
    client = make_client(read_api_key=READ_KEY)
    sign_in(client)
    for n in range(MAXIMUM_WRONG_KEYS):
        client.get("/api/wishlist", headers={"X-API-Key": f"guess-{n}"})

    assert client.get("/").status_code == 200


def test_wrong_key_is_logged_without_the_key(make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    sign_in(make_client(), "the-key-of-last-year")

    assert "wrong key address=127.0.0.1 method=POST path='/sign-in'" in caplog.text
    assert "the-key-of-last-year" not in caplog.text


def test_signing_out_forgets(make_client: MakeClient) -> None:
    client = make_client()
    sign_in(client)

    reply = client.post("/sign-out", headers=OURS)

    assert (reply.status_code, reply.location) == (303, "/")
    assert Seen(client.get("/")).one("a", class_="sign-in").text == "Sign in"


@pytest.mark.parametrize("path", first_quick(1, ["/", "/?user=1&sort=title", "/title/movie/" + "0" * 23 + "1"]))
def test_reading_key_is_asked_for_and_leads_back(make_client: MakeClient, path: str) -> None:
    client = make_client(read_api_key=READ_KEY)

    asked = client.get(path)
    page = Seen(client.get(asked.location))
    wanted = page.one("input", name="next")["value"]
    reply = sign_in(client, READ_KEY, wanted=wanted)

    assert asked.status_code == 303
    assert reply.location == path
    assert client.get(path).status_code == 200


def test_page_takes_no_key_from_the_address_and_does_not_hand_it_on(make_client: MakeClient) -> None:
    asked = make_client(read_api_key=READ_KEY).get(f"/?apikey={READ_KEY}&search=%C3%A9")

    assert (asked.status_code, asked.location) == (303, "/sign-in?next=%2F%3Fsearch%3D%25C3%25A9")


@pytest.mark.parametrize(
    "change", first_quick(1, [{"api_key": "another-api-key-0123456789"}, {"read_api_key": "another-" + READ_KEY}])
)
def test_changing_a_key_signs_everybody_out(make_client: MakeClient, change: dict[str, str]) -> None:
    before = make_client(read_api_key=READ_KEY)
    sign_in(before)
    cookie = before.get_cookie("wishlist_session")
    assert cookie is not None

    after = make_client(**{"read_api_key": READ_KEY} | change)
    after.set_cookie("wishlist_session", cookie.value)

    assert before.get("/").status_code == 200
    assert after.get("/").status_code == 303


def test_made_up_cookie_is_none(make_client: MakeClient) -> None:
    client = make_client(read_api_key=READ_KEY)

    for made_up in ("x", "eyJyb2xlIjoia2VlcGVyIn0.aaaaaa.bbbbbb", ""):
        client.set_cookie("wishlist_session", made_up)
        assert client.get("/").status_code == 303


@pytest.mark.slow
def test_hidden_names_are_shown_to_who_signed_in_with_the_api_key_alone(make_client: MakeClient) -> None:
    client = make_client(names="hidden", read_api_key=READ_KEY)

    for path in ("/", "/title/movie/" + "0" * 23 + "1"):
        sign_in(client, READ_KEY)
        hidden = client.get(path)
        sign_in(client, API_KEY)
        shown = client.get(path)
        assert "Annabella" not in hidden.text
        assert "Person 1" in hidden.text
        assert "Annabella" in shown.text
    assert "Annabella" not in make_client(names="hidden").get("/").text


@pytest.mark.parametrize(
    "headers",
    first_quick(
        2,
        [
            {},
            {"Origin": "https://evil.test"},
            {"Origin": "null"},
            {"Origin": "http://localhost:8080"},
            {"Origin": "http://localhost.evil.test"},
            {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
            {"Origin": "http://localhost", "Sec-Fetch-Site": "same-site"},
            {"Referer": "http://localhost/"},
        ],
    ),
)
@pytest.mark.parametrize("path", first_quick(2, ["/sign-in", "/sign-out"]))
def test_form_of_another_site_is_refused(make_client: MakeClient, path: str, headers: dict[str, str]) -> None:
    client = make_client()
    sign_in(client)

    reply = client.post(path, data={"key": API_KEY}, headers=headers)

    assert reply.status_code == 403
    assert "Set-Cookie" not in reply.headers
    assert Seen(reply).one("h1").text == "Not allowed"


def test_form_of_ours_is_taken_behind_a_proxy_that_changes_the_host(make_client: MakeClient) -> None:
    headers = {"Origin": "https://wishlist.example.test", "Sec-Fetch-Site": "same-origin"}

    assert sign_in(make_client(), headers=headers).status_code == 303


@pytest.mark.parametrize("wanted", first_quick(1, ELSEWHERE))
@pytest.mark.parametrize("signed_in", [False, True])
def test_signing_in_never_leads_elsewhere(make_client: MakeClient, wanted: str, signed_in: bool) -> None:
    client = make_client()
    if signed_in:
        sign_in(client)
        reply = client.get("/sign-in", query_string={"next": wanted})
    else:
        reply = sign_in(client, wanted=wanted)

    assert (reply.status_code, reply.location) == (303, "/")
