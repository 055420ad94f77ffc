"""Telling people: each message once to each address, about new wishes, refused tokens and held lists."""

import threading
import time

import pytest

from tests.support.fake_plex import row
from tests.support.household import PASSPHRASE, Household
from tests.support.processes import free_port, wait_until
from tests.support.receivers import SECRET, Receiver, receiver
from tests.support.slow import slow
from tests.support.tellers import Teller
from wishlist_service.tokens import TokenCipher

SCHEDULER = ("-m", "wishlist_service.scheduler")

ALPHA, BETA, GAMMA = row("a", "Alpha", year=1999), row("b", "Beta", year=None), row("c", "Gamma", year=2001)

MANY = [row(f"{number:x}", f"Film {number}") for number in range(1, 13)]


def test_one_digest_a_sync_and_nothing_on_a_first_import(
    household: Household, webhook: Receiver, teller: Teller
) -> None:
    ann, ben = household.add("Ann", [BETA]), household.add("Ben")
    household.sync()
    teller.look()
    ann.rows, ben.rows = [GAMMA, ALPHA, BETA], [ALPHA]
    household.sync()

    teller.look()
    teller.look()

    assert webhook.bodies == ["Ann wants Gamma (2001) and Alpha (1999); Ben wants Alpha (1999); 3 titles in all."]
    assert webhook.messages[0]["title"] == "3 new wishes"
    assert webhook.messages[0]["type"] == "info"


def test_what_is_here_when_news_are_switched_on_is_not_told(household: Household, webhook: Receiver) -> None:
    ann = household.add("Ann", [ALPHA])
    household.sync()
    ann.rows = [BETA, ALPHA]
    household.sync()

    telling = Teller(household, webhook.address)
    telling.look()
    ann.rows = [GAMMA, BETA, ALPHA]
    household.sync()
    telling.look()

    assert webhook.bodies == ["Ann wants Gamma (2001); 3 titles in all."]


@pytest.mark.slow
def test_what_comes_while_news_are_switched_off_is_not_told(household: Household, webhook: Receiver) -> None:
    ann = household.add("Ann", [ALPHA])
    household.sync()
    Teller(household, webhook.address).look()
    Teller(household).look()
    ann.rows = [BETA, ALPHA]
    household.sync()
    telling = Teller(household, webhook.address)
    telling.look()
    ann.rows = [GAMMA, BETA, ALPHA]
    household.sync()
    telling.look()

    assert webhook.bodies == ["Ann wants Gamma (2001); 3 titles in all."]


@pytest.mark.slow
def test_removed_dismissed_and_paused_are_not_told_and_what_came_back_is(
    household: Household, webhook: Receiver, teller: Teller
) -> None:
    ann, ben = household.add("Ann", [ALPHA]), household.add("Ben", [ALPHA])
    household.sync()
    ann.rows, ben.rows = [BETA, GAMMA], [BETA]
    household.sync()
    ann.rows = [ALPHA, GAMMA]
    household.sync()
    household.conn.execute("UPDATE wishlist_items SET dismissed_at = now() WHERE title = 'Gamma'")
    household.conn.execute("UPDATE plex_users SET active = false WHERE name = 'Ben'")

    teller.look()

    assert webhook.bodies == ["Ann wants Alpha (1999); 1 title in all."]


def test_digest_waits_until_the_sync_is_over(household: Household, webhook: Receiver, teller: Teller) -> None:
    ann, ben = household.add("Ann"), household.add("Ben")
    household.sync()
    ann.rows, ben.rows = [ALPHA], [BETA]
    stored, go_on = threading.Event(), threading.Event()

    def hang(_start: int) -> None:
        stored.set()
        go_on.wait(30)

    ben.before_page = hang
    syncing = threading.Thread(target=household.sync)
    syncing.start()
    wait_until(lambda: stored.is_set() and household.titles("Ann") == ["Alpha"])

    teller.look()
    early = list(webhook.bodies)
    go_on.set()
    syncing.join(30)
    teller.look()

    assert early == []
    assert webhook.bodies == ["Ann wants Alpha (1999); Ben wants Beta; 2 titles in all."]


@pytest.mark.parametrize("code", [500, *slow(404, 429)])
def test_refused_message_is_kept_and_told_later_with_what_came_since(
    household: Household, webhook: Receiver, teller: Teller, code: int
) -> None:
    ann = household.add("Ann")
    household.sync()
    ann.rows = [ALPHA]
    household.sync()
    webhook.statuses.append(code)

    teller.look()
    teller.look()  # put off
    put_off = household.conn.execute(
        "SELECT failures, due_at BETWEEN now() AND now() + interval '1 minute' AS soon FROM news_addresses"
    ).fetchall()
    ann.rows = [BETA, ALPHA]
    household.sync()
    teller.retry()
    teller.retry()

    assert len(webhook.refused) == 1
    assert put_off == [{"failures": 1, "soon": True}]
    assert webhook.bodies == ["Ann wants Beta and Alpha (1999); 2 titles in all."]
    assert household.conn.execute("SELECT failures FROM news_addresses").fetchall() == [{"failures": 0}]


@pytest.mark.slow
def test_pauses_between_tries_grow(household: Household, webhook: Receiver, teller: Teller) -> None:
    ann = household.add("Ann")
    household.sync()
    ann.rows = [ALPHA]
    household.sync()
    webhook.statuses.extend([500] * 12)
    pauses: list[int] = []

    for _ in range(12):
        teller.retry()
        found = household.conn.execute(
            "SELECT round(extract(epoch FROM due_at - now()) / 60)::integer AS minutes FROM news_addresses"
        ).fetchone()
        pauses.append(found["minutes"] if found else 0)

    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]


@pytest.mark.slow
def test_each_address_is_told_once_when_another_cannot_be(household: Household, webhook: Receiver) -> None:
    ann = household.add("Ann")
    household.sync()
    port = free_port()
    telling = Teller(household, f"json://127.0.0.1:{port}/", "no address at all", webhook.address)
    ann.rows = [ALPHA]
    household.sync()

    telling.look()
    telling.retry()
    with receiver(port) as other:
        telling.retry()
        telling.retry()

    assert webhook.bodies == other.bodies == ["Ann wants Alpha (1999); 1 title in all."]


@pytest.mark.slow
def test_slow_service_is_waited_for(household: Household, webhook: Receiver, teller: Teller) -> None:
    ann = household.add("Ann")
    household.sync()
    ann.rows = [ALPHA]
    household.sync()
    webhook.before_answer = lambda: time.sleep(6)  # Apprise by itself gives up after 4

    teller.look()
    teller.retry()

    assert len(webhook.messages) == 1


def test_address_is_stored_nowhere_and_known_again_under_another_key(household: Household, webhook: Receiver) -> None:
    ann = household.add("Ann")
    household.sync()
    Teller(household, webhook.address, "json://127.0.0.1:9/another")
    ann.rows = [ALPHA]
    household.sync()
    rotated = TokenCipher(["another-passphrase-0123456789", PASSPHRASE])

    telling = Teller(household, webhook.address, cipher=rotated)
    telling.look()

    assert webhook.bodies == ["Ann wants Alpha (1999); 1 title in all."]
    stored = household.conn.execute("SELECT * FROM news_addresses").fetchall()
    [fingerprint, _] = rotated.fingerprints(webhook.address, column="news_addresses.fingerprint")
    assert [found["fingerprint"] for found in stored] == [fingerprint]
    assert SECRET not in str(stored)
