"""Addresses of people: who may set which, what is shown of them, and what a test message tells."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from psycopg import connect

from tests.support.addresses import give, sign_in_as
from tests.support.fake_plex import row
from tests.support.household import PASSPHRASE, Household
from tests.support.processes import free_port, wait_until
from tests.support.receivers import SECRET, Receiver, redirecting
from tests.support.slow import slow
from tests.support.visitors import visitor
from wishlist_service.models import NewAddress
from wishlist_service.queries.addresses import replace_addresses
from wishlist_service.tokens import TokenCipher, rotate

OWN, TEST = "/api/me/notifications", "/api/me/notify-test"
PUBLIC = f"jsons://hooks.example.com/{SECRET}"


@contextmanager
def member(household: Household, name: str = "Ben", **settings: str) -> Iterator[FlaskClient]:
    """This person, signed in with Plex."""
    with visitor(household, **settings) as client:
        yield sign_in_as(client, household, name)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        (PUBLIC, "jsons://hooks.example.com"),
        (f"json://user:{SECRET}@127.0.0.1:8080/{SECRET}?x=y", "json://127.0.0.1"),
        (f"ntfy://{SECRET}", "ntfy"),
        *slow(
            (f"ntfys://ntfy.example.com/{SECRET}", "ntfys://ntfy.example.com"),
            (f"discord://123456789012345678/{SECRET}", "Discord"),
            ("tgram://123456789:abcdefg_abcdefghijklmnopqrstuvwxyz/12345/", "Telegram"),
            (f"mailto://ann:{SECRET}@gmail.com", "mailto://gmail.com"),
            (f"gotify://gotify.example.com/{SECRET}", "gotify://gotify.example.com"),
        ),
    ],
)
def test_admins_see_scheme_and_host_or_the_service_and_never_more(
    api: FlaskClient, filled: Household, url: str, masked: str
) -> None:
    given = give(api, filled, "Ann", url)
    shown = api.get(f"/api/users/{filled.user('Ann')['id']}")

    assert (given.status_code, shown.json["notify_urls_masked"]) == (200, [masked])
    assert SECRET not in given.text + shown.text
    stored = filled.conn.execute("SELECT * FROM news_addresses").fetchall()
    assert SECRET not in str(stored)


def test_readers_see_no_address(api: FlaskClient, filled: Household) -> None:
    give(api, filled, "Ann", PUBLIC)

    with visitor(filled) as client:
        shown, all_people = client.get(f"/api/users/{filled.user('Ann')['id']}"), client.get("/api/users")

    assert shown.json
    assert shown.json["notify_urls_masked"] is None
    assert "hooks.example.com" not in shown.text + all_people.text


def test_address_is_encrypted_for_its_own_purpose_and_person(
    api: FlaskClient, filled: Household, cipher: TokenCipher
) -> None:
    give(api, filled, "Ann", PUBLIC)
    ann = filled.user("Ann")["id"]
    stored = filled.conn.execute("SELECT address FROM news_addresses").fetchone()
    assert stored

    assert cipher.decrypt(stored["address"], owner=ann, column="news_addresses.address") == PUBLIC
    with pytest.raises(Exception, match="cannot be decrypted"):
        cipher.decrypt(stored["address"], owner=ann)
    with pytest.raises(Exception, match="another person"):
        cipher.decrypt(stored["address"], owner=ann + 1, column="news_addresses.address")


def test_rotated_key_reads_the_addresses_and_knows_them_again(
    api: FlaskClient, filled: Household, cipher: TokenCipher
) -> None:
    give(api, filled, "Ann", PUBLIC)
    rotated = TokenCipher(["another-passphrase-0123456789", PASSPHRASE])

    with connect(filled.config.database_url, autocommit=True) as conn:
        tokens, unreadable = rotate(conn, rotated)

    stored = filled.conn.execute("SELECT * FROM news_addresses").fetchone()
    assert stored
    only_new = TokenCipher(["another-passphrase-0123456789"])
    ann = filled.user("Ann")["id"]
    assert (tokens, unreadable) == (3, {})
    assert only_new.decrypt(stored["address"], owner=ann, column="news_addresses.address") == PUBLIC
    assert stored["fingerprint"] == only_new.fingerprints(PUBLIC, column="news_addresses.fingerprint")[0]


@pytest.mark.parametrize(
    ("urls", "text"),
    [
        ("x", "must be an array"),
        ([1], "must be an array"),
        *slow(
            ([f"{PUBLIC}/{number}" for number in range(11)], "at most 10"),
            ([PUBLIC, "nosuchservice://x"], "address 2 cannot be used"),
            (["not an address"], "without spaces"),
            ([""], "visible characters"),
        ),
    ],
)
def test_what_is_no_address_is_refused_and_changes_nothing(
    api: FlaskClient, filled: Household, urls: object, text: str
) -> None:
    give(api, filled, "Ann", PUBLIC)

    reply = api.patch(f"/api/users/{filled.user('Ann')['id']}", json={"name": "Anna", "notify_urls": urls})

    assert reply.status_code == 422
    assert text in reply.text
    assert [error["field"] for error in reply.json["errors"]] == ["notify_urls"] * len(reply.json["errors"])
    assert filled.conn.execute("SELECT FROM news_addresses").rowcount == 1
    assert filled.user("Ann")["name"] == "Ann"


@pytest.mark.slow
def test_masked_address_that_is_sent_back_is_refused(api: FlaskClient, filled: Household) -> None:
    give(api, filled, "Ann", PUBLIC, "discord://123456789012345678/abcdefghijklmnop", "json://plain.example.com")
    plain = give(api, filled, "Ann", PUBLIC, "json://plain.example.com")
    masked = give(api, filled, "Ann", "jsons://hooks.example.com")
    named = give(api, filled, "Ann", "Discord")

    assert (plain.status_code, masked.status_code, named.status_code) == (200, 422, 422)
    assert "it is masked" in masked.text
    assert filled.conn.execute("SELECT FROM news_addresses").rowcount == 2


@pytest.mark.parametrize(
    "written", ["JSONS://hooks.example.com", *slow("jsons://HOOKS.example.com", "jsons://hooks.example.com/")]
)
def test_masked_address_is_refused_however_it_is_written(api: FlaskClient, filled: Household, written: str) -> None:
    give(api, filled, "Ann", PUBLIC)

    reply = give(api, filled, "Ann", written)

    assert reply.status_code == 422
    assert "it is masked" in reply.text


def test_masked_addresses_are_refused_although_one_of_them_is_an_address(api: FlaskClient, filled: Household) -> None:
    both = (PUBLIC, "jsons://hooks.example.com")
    first = give(api, filled, "Ann", both[1])
    given = give(api, filled, "Ann", both[1], PUBLIC)
    masked = give(api, filled, "Ann", *given.json["notify_urls_masked"])
    again = give(api, filled, "Ann", *both)

    assert [reply.status_code for reply in (first, given, masked, again)] == [200, 200, 422, 200]
    assert filled.conn.execute("SELECT FROM news_addresses").rowcount == 2


@pytest.mark.slow
def test_two_requests_at_once_with_the_same_new_address_both_succeed(filled: Household, cipher: TokenCipher) -> None:
    ben = filled.user("Ben")["id"]
    fingerprints = cipher.fingerprints(PUBLIC, column="news_addresses.fingerprint")
    address = cipher.encrypt(PUBLIC, owner=ben, column="news_addresses.address")
    new = NewAddress(fingerprints=fingerprints, address=address, masked="jsons://hooks.example.com", anywhere=False)
    waits = (
        "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%INSERT INTO news_addresses%%'"
    )
    with member(filled) as client, connect(filled.config.database_url) as other, ThreadPoolExecutor() as threads:
        replace_addresses(other, user_id=ben, addresses=[new])
        reply = threads.submit(client.put, OWN, json={"urls": [PUBLIC]})
        wait_until(lambda: reply.done() or filled.conn.execute(waits).rowcount == 1)
        other.commit()
        second = reply.result(60)

    assert (second.status_code, second.json["urls"]) == (200, ["jsons://hooks.example.com"])


def test_unknown_person_is_told_so(api: FlaskClient, filled: Household) -> None:
    assert api.patch("/api/users/999", json={"notify_urls": [PUBLIC]}).status_code == 404
    assert api.post("/api/users/999/notify-test").status_code == 404


def test_own_settings_have_defaults_and_what_is_left_out_stays(filled: Household) -> None:
    with member(filled) as client:
        before = client.get(OWN).json
        first = client.put(OWN, json={"urls": [PUBLIC], "trouble": False})
        second = client.put(OWN, json={"new_wishes": True})
        nothing = client.put(OWN, json={})
        unknown = client.put(OWN, json={"nonsense": 1})
        removed = client.put(OWN, json={"urls": []}).json

    assert before == {"urls": [], "available": True, "trouble": True, "new_wishes": False}
    shown = {"urls": ["jsons://hooks.example.com"], "available": True, "trouble": False, "new_wishes": False}
    assert (first.status_code, first.json) == (200, shown)
    assert second.json == nothing.json == shown | {"new_wishes": True}
    assert unknown.status_code == 422
    assert removed == shown | {"urls": [], "new_wishes": True}


def test_only_a_person_has_settings_of_their_own(api: FlaskClient, filled: Household) -> None:
    with visitor(filled) as reader:
        for client in (api, reader):
            replies = [client.get(OWN), client.put(OWN, json={}), client.post(TEST)]
            assert [reply.status_code for reply in replies] == [403] * 3
        assert reader.post(f"/api/users/{filled.user('Ann')['id']}/notify-test").status_code == 401
    with member(filled) as client:
        assert client.post(f"/api/users/{filled.user('Ann')['id']}/notify-test").status_code == 403
        assert client.patch(f"/api/users/{filled.user('Ben')['id']}", json={"notify_urls": []}).status_code == 403


PRIVATE = [
    "json://127.0.0.1/x",
    "json://localhost/x",
    "json://[::1]/x",
    "json://10.1.2.3/x",
    "json://192.168.1.10:8080/x",
    "json://169.254.169.254/latest",
    "json://[::ffff:127.0.0.1]/x",
    "json://0.0.0.0/x",
    "json://2130706433/x",
    "syslog://",
    "json://[fec0::1]/x",
    "json://[::7f00:1]/x",
    "json://[64:ff9b:1::7f00:1]/x",
    "mailto://user:password@example.com?smtp=127.0.0.1",
    "mailtos://user:password@example.com?SMTP=2130706433",
    "mailtos://user:password@example.com?smtp=localhost:25",
    "mailtos://user:password@example.com?smtp=[::1]",
    "discord://123456789012345678/abcdefghijklmnop?avatar_url=http://10.1.2.3/x",
    "ntfys://ntfy.example.com/abcdef?attach=http://192.168.1.10/x",
]


@pytest.mark.parametrize("url", [PRIVATE[0], *slow(*PRIVATE[1:])])
def test_address_of_a_member_may_not_lead_to_this_network_and_an_admin_s_may(
    api: FlaskClient, filled: Household, url: str
) -> None:
    with member(filled) as client:
        own = client.put(OWN, json={"urls": [url]})
        assert filled.conn.execute("SELECT FROM news_addresses").rowcount == 0
    given = give(api, filled, "Ben", url)
    with member(filled, notify_targets="any") as client:
        allowed = client.put(OWN, json={"urls": [url]})

    assert (own.status_code, given.status_code, allowed.status_code) == (422, 200, 200)
    assert "leads to this machine or a private network" in own.text


@pytest.mark.parametrize(
    "url",
    [
        "discord://123456789012345678/abcdefghijklmnop?template={file}",
        *slow(
            "https://discord.com/api/webhooks/123456789012345678/abcdefghijklmnop?Template={file}",
            "workflows://example.com:443/abcdef/abcdef?template={file}",
            "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ?template={file}",
            "tgram://123456789:abcdefg_abcdefghijklmnopqrstuvwxyz/12345/?template=file://{file}",
            "fcm://project@key1234567890/device?keyfile=http://127.0.0.1/x",
            "vapid://x@example.com/y?keyfile={file}",
            "vapid://x@example.com/y?subfile={file}",
            "mailto://user:password@gmail.com?pgp=encrypt&pgppub={file}",
        ),
    ],
)
def test_address_of_a_member_may_not_name_a_file(filled: Household, tmp_path: Path, url: str) -> None:
    file = tmp_path / "secret.json"
    file.write_text('{"content": "a secret of this machine"}')
    with member(filled) as client:
        reply = client.put(OWN, json={"urls": [url.format(file=file)]})

    assert reply.status_code == 422
    assert "names a file" in reply.text
    assert filled.conn.execute("SELECT FROM news_addresses").rowcount == 0


def test_address_of_a_member_reaches_this_network_only_while_that_is_allowed(
    filled: Household, webhook: Receiver
) -> None:
    with member(filled, notify_targets="any") as client:
        client.put(OWN, json={"urls": [webhook.address]})
        allowed = client.post(TEST).json["items"]
    with member(filled) as client:
        refused = client.post(TEST).json["items"]

    assert ([item["ok"] for item in allowed], [item["ok"] for item in refused]) == ([True], [False])
    assert len(webhook.messages) == 1


@pytest.mark.slow
def test_file_is_not_read_once_members_may_no_longer_name_one(filled: Household, tmp_path: Path) -> None:
    url = f"discord://123456789012345678/abcdefghijklmnop?template={tmp_path / 'secret.json'}"
    with member(filled, notify_targets="any") as client:
        given = client.put(OWN, json={"urls": [url]})
    with member(filled) as client:
        tested = client.post(TEST).json["items"]

    assert given.status_code == 200
    assert tested == [
        {"url": "Discord", "ok": False, "detail": "the address names a file that this machine would read"}
    ]


def test_parameters_that_are_no_hosts_are_allowed(filled: Household) -> None:
    url = "ntfys://ntfy.example.com/abcdef?rto=10.0&cto=0.5&click=https://1.1.1.1/x&priority=4&tags=a,b"
    with member(filled) as client:
        assert client.put(OWN, json={"urls": [url]}).status_code == 200


def test_admin_who_signs_in_may_use_their_own_network(filled: Household) -> None:
    filled.conn.execute("UPDATE plex_users SET admin = true WHERE name = 'Ben'")
    with member(filled) as client:
        assert client.put(OWN, json={"urls": ["json://127.0.0.1/x"]}).status_code == 200


@pytest.mark.parametrize("by_redirect", [True, *slow(False)])
def test_message_never_reaches_this_network_by_a_later_name_or_a_redirect(
    api: FlaskClient, filled: Household, webhook: Receiver, by_redirect: bool
) -> None:
    with redirecting(webhook.port) as elsewhere:
        port = elsewhere.port if by_redirect else webhook.port
        give(api, filled, "Ben", f"json://localhost:{port}/{SECRET}")
        reached = api.post(f"/api/users/{filled.user('Ben')['id']}/notify-test").json["items"]
        filled.conn.execute("UPDATE news_addresses SET anywhere = false")
        refused = api.post(f"/api/users/{filled.user('Ben')['id']}/notify-test").json["items"]

    assert reached == [{"url": "json://localhost", "ok": True, "detail": "The service took the message."}]
    assert refused == [
        {"url": "json://localhost", "ok": False, "detail": "the address leads to this machine or a private network"}
    ]
    assert len(webhook.messages) == 1


def test_test_message_tells_what_each_service_answered(filled: Household, webhook: Receiver) -> None:
    silent = f"json://127.0.0.1:{free_port()}/{SECRET}"
    with member(filled, notify_targets="any") as client:
        none = client.post(TEST).json
        client.put(OWN, json={"urls": [webhook.address, silent]})
        both = client.post(TEST)
        webhook.statuses.append(418)
        client.put(OWN, json={"urls": [webhook.address]})
        refused = client.post(TEST)

    assert none == {"items": []}
    assert both.status_code == 200
    assert both.json == {
        "items": [
            {"url": "json://127.0.0.1", "ok": True, "detail": "The service took the message."},
            {"url": "json://127.0.0.1", "ok": False, "detail": "no answer"},
        ]
    }
    assert refused.json == {"items": [{"url": "json://127.0.0.1", "ok": False, "detail": "HTTP 418"}]}
    assert [message["title"] for message in webhook.messages] == ["Test message"]
    assert SECRET not in both.text + refused.text


def test_addresses_of_an_erased_person_are_erased(api: FlaskClient, filled: Household) -> None:
    give(api, filled, "Ann", PUBLIC)
    api.delete(f"/api/users/{filled.user('Ann')['id']}?purge=true")

    assert filled.conn.execute("SELECT FROM news_addresses").rowcount == 0


def test_people_without_addresses_get_none(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])

    assert household.conn.execute("SELECT masked_addresses(1) AS none").fetchone() == {"none": []}
