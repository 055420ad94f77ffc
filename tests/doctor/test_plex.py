"""The doctor and Plex: every way not to reach it, wrong clocks, proxies, and everybody's token."""

import re
import socket
from pathlib import Path

import certifi
import pytest

from tests.support.examinations import (
    PASSWORD,
    answering,
    assert_only_error,
    at,
    certificate_for,
    examine,
    marks,
    settings_for,
)
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.processes import free_port
from wishlist_service.doctor.errors import Error

pytestmark = pytest.mark.slow


def test_plex_that_is_not_found_by_name_is_one_fault_and_tokens_are_not_checked(household: Household) -> None:
    household.add("Ann")

    result = examine(settings_for(household, **at("https://plex.invalid")))

    assert_only_error(result, Error.NAME_NOT_FOUND, "plex.invalid:443 is not found by name")
    assert {("skip", "clock"), ("skip", "token")} <= set(marks(result[1]))


def test_plex_that_refuses_connections_or_never_answers(household: Household) -> None:
    refused = examine(settings_for(household, **at(f"http://127.0.0.1:{free_port()}")))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        unanswered = examine(settings_for(household, PLEX_TIMEOUT_SECONDS="1", **at(url)))

    assert_only_error(refused, Error.NO_CONNECTION, "Connection refused")
    assert_only_error(unanswered, Error.NO_CONNECTION, "does not answer")


def test_server_that_speaks_no_tls(household: Household) -> None:
    url = household.plex.url.replace("http:", "https:")

    assert_only_error(examine(settings_for(household, **at(url))), Error.NO_SECURE_CONNECTION, "wrong version number")


def test_certificate_nobody_vouches_for(household: Household, tmp_path: Path) -> None:
    certificate = certificate_for("127.0.0.1", tmp_path)

    with answering(certificate=certificate) as url:
        refused = examine(settings_for(household, **at(url)))

    assert_only_error(refused, Error.NO_SECURE_CONNECTION, "self-signed certificate")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificate_that_the_environment_names_is_trusted(household: Household, tmp_path: Path, variable: str) -> None:
    certificate = certificate_for("127.0.0.1", tmp_path)

    with answering(certificate=certificate) as url:
        code, output = examine(settings_for(household, **at(url), **{variable: str(certificate)}))
        other_name = url.replace("127.0.0.1", "localhost")
        refused = examine(settings_for(household, **at(other_name), **{variable: str(certificate)}))

    assert code == 0
    assert "over a verified secure connection" in output
    assert_only_error(refused, Error.NO_SECURE_CONNECTION, "Hostname mismatch")


def test_bundle_for_requests_replaces_all_other_certificates(household: Household, tmp_path: Path) -> None:
    certificate = certificate_for("127.0.0.1", tmp_path)
    named = {"SSL_CERT_FILE": str(certificate), "REQUESTS_CA_BUNDLE": certifi.where()}

    with answering(certificate=certificate) as url:
        refused = examine(settings_for(household, **at(url), **named))
        missing = examine(settings_for(household, **at(url), REQUESTS_CA_BUNDLE=str(tmp_path / "none.pem")))

    assert_only_error(refused, Error.NO_SECURE_CONNECTION, "self-signed certificate")
    assert_only_error(missing, Error.NO_SECURE_CONNECTION, "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that")


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (200, "text/html; charset=utf-8", "HTTP 200 with 'text/html'"),
        (200, "application/xhtml+xml", "HTTP 200 with 'application/xhtml+xml'"),
        (302, "application/json", "HTTP 302"),
        (503, "application/json", "has an error: HTTP 503"),
    ],
)
def test_answer_that_is_not_plex_s(household: Household, code: int, kind: str, text: str) -> None:
    with answering(code, kind) as url:
        assert_only_error(examine(settings_for(household, **at(url))), Error.OTHER_ANSWER, text)


def test_plex_that_asks_to_slow_down_is_no_fault(household: Household) -> None:
    with answering(429, "text/html") as url:
        assert examine(settings_for(household, **at(url)))[0] == 0


@pytest.mark.parametrize(("ahead", "text"), [(3600, "behind"), (-3600, "ahead of")])
def test_clock_that_is_an_hour_off(household: Household, ahead: float, text: str) -> None:
    with answering(clock=ahead) as url:
        result = examine(settings_for(household, **at(url)))

    assert_only_error(result, Error.CLOCK, f"s {text} Plex's")


def test_clock_that_is_half_a_minute_off_is_told_but_no_fault(household: Household) -> None:
    with answering(clock=30) as url:
        code, output = examine(settings_for(household, **at(url)))

    assert code == 0
    assert re.search(r"ok +clock +(2\d|30) s behind Plex's\.", output)


def test_each_of_two_hosts_has_its_line(household: Household) -> None:
    household.add("Ann")

    result = examine(settings_for(household, PLEX_DISCOVER_URL="http://plex.invalid"))

    assert_only_error(result, Error.NAME_NOT_FOUND, "plex.invalid:80 is not found by name")
    assert {("ERROR", "plex"), ("ok", "plex"), ("ok", "clock"), ("ok", "token")} <= set(marks(result[1]))


def test_proxy_that_is_not_there(household: Household) -> None:
    port = free_port()
    proxied = settings_for(household, HTTP_PROXY=f"http://user:{PASSWORD}@127.0.0.1:{port}")

    assert_only_error(examine(proxied), Error.PROXY, f"The proxy 127.0.0.1:{port} for 127.0.0.1 cannot be connected to")
    assert examine(proxied | {"NO_PROXY": "127.0.0.1"})[0] == 0


@pytest.mark.parametrize(
    ("scheme", "proxy", "text"),
    [
        ("http", f"http://user:{PASSWORD}@proxy.invalid:3128", "proxy.invalid:3128 for plex.invalid is not found"),
        ("http", f"http://user:{PASSWORD}@127.0.0.1:none", "of the environment for plex.invalid has an address"),
        ("http", "{answering}", "wants a user and a password"),
        ("http", "socks5:{answering}", "is of a kind that is not supported"),
        ("https", "{answering}", "does not let the request through"),
    ],
)
def test_proxy_that_does_not_help(household: Household, scheme: str, proxy: str, text: str) -> None:
    with answering(407, "text/html") as refusing:
        address = proxy.replace("socks5:{answering}", refusing.replace("http:", "socks5:"))
        env = settings_for(household, **at(f"{scheme}://plex.invalid"))
        env[f"{scheme.upper()}_PROXY"] = address.replace("{answering}", refusing)

        assert_only_error(examine(env), Error.PROXY, text)


def test_proxy_that_helps_is_named(household: Household) -> None:
    household.add("Ann")
    proxy = household.plex.url.replace("//", f"//user:{PASSWORD}@")

    code, output = examine(settings_for(household, HTTP_PROXY=proxy, **at("http://plex.invalid")))

    assert code == 0
    assert f"through the proxy {household.plex.url.removeprefix('http://')}, answers" in output
    assert ("ok", "token") in marks(output)


def test_token_that_plex_refuses(household: Household) -> None:
    household.add("Ann")
    household.add("Ben")
    del household.plex.people["token-of-ann-0123456789"]

    result = examine(settings_for(household))

    assert_only_error(result, Error.TOKEN_REFUSED, "Ann: Plex no longer accepts this token.")
    assert "Ben: accepted, account ben." in result[1]


def test_tokens_of_another_key(household: Household) -> None:
    household.add("Ann")
    household.add("Ben")

    result = examine(settings_for(household, TOKEN_ENCRYPTION_KEY="another-passphrase-0123456789"))

    assert_only_error(result, Error.TOKEN_UNREADABLE, "Ann: The stored token cannot be decrypted", lines=2)


def test_token_of_another_account_or_of_somebody_else_here(household: Household) -> None:
    ann = household.add("Ann")
    ben = household.add("Ben")
    ann.uuid = "0123456789abcdef"
    other = examine(settings_for(household))
    ann.uuid = ben.uuid
    same = examine(settings_for(household))

    assert_only_error(other, Error.OTHER_ACCOUNT, "Ann: This token is of the Plex account ann, but")
    assert_only_error(same, Error.OTHER_ACCOUNT, "which already belongs to Ben")


def test_account_told_in_another_way_is_a_fault_but_plex_in_trouble_is_not(household: Household) -> None:
    ann = household.add("Ann")
    household.add("Ben")
    ann.account_faults.append(status(200, body=b"[]", kind="application/json"))
    changed = examine(settings_for(household))
    ann.account_status = 503
    away = examine(settings_for(household))

    assert_only_error(changed, Error.OTHER_ANSWER, "Ann: Plex described the account in a way")
    assert away[0] == 0
    assert "Ann: not checked, Plex does not answer now." in away[1]
    assert "Ben: not checked, Plex does not answer now." in away[1]


def test_tokens_of_inactive_people_are_left_alone(household: Household) -> None:
    household.add("Ann")
    household.conn.execute("UPDATE plex_users SET active = false")

    assert examine(settings_for(household))[0] == 0
    assert household.plex.requests_for("token-of-ann-0123456789", "/api/v2/user") == []


def test_token_of_a_paused_person_that_cannot_be_read(household: Household) -> None:
    household.add("Ann")
    household.conn.execute("UPDATE plex_users SET active = false")

    well = examine(settings_for(household))
    result = examine(settings_for(household, TOKEN_ENCRYPTION_KEY="another-passphrase-0123456789"))

    assert well[0] == 0
    assert_only_error(result, Error.TOKEN_UNREADABLE, "Ann (paused)")
