"""What a friend's list does not tell is asked with the token of the other, first for feeds. Nothing is written back."""

from datetime import timedelta

import pytest

from tests.support.fake_actions import Actions
from tests.support.fake_plex import row
from tests.support.fake_titles import Titles
from tests.support.neighbours import ANN, Neighbours
from tests.support.questions import look
from tests.support.receivers import receiver
from tests.support.tellers import Teller
from wishlist_service.doctor.database import check_scheduler
from wishlist_service.doctor.plex import check_tokens
from wishlist_service.queries.media_server import list_wishers_of_available
from wishlist_service.queries.wishes import claim_to_keep

DELTA = row("4", "Delta")


def test_missing_facts_are_asked_for_with_the_token_of_the_other(neighbours: Neighbours) -> None:
    titles = Titles(neighbours.plex)
    titles.tell(DELTA, summary="Told.", genres=("Drama",))
    neighbours.add(neighbours.fay)
    neighbours.household.sync()

    look(neighbours.household)

    shown = neighbours.api.get(f"/api/wishlist/{DELTA['ratingKey']}").json
    assert (ANN, DELTA["ratingKey"]) in titles.asked()
    assert {token for token, _key in titles.asked()} == {ANN}
    assert (shown["summary"], shown["tmdb_id"], shown["poster_url"]) == ("Told.", 5, DELTA["thumb"])
    assert shown["released_on"] == "2000-03-31"
    assert shown["plex_url"] == DELTA["publicPagesURL"]


def test_nobody_is_asked_when_a_friend_added_a_title(neighbours: Neighbours) -> None:
    titles = Titles(neighbours.plex)
    neighbours.add(neighbours.fay)
    neighbours.household.sync()

    look(neighbours.household)

    assert (ANN, DELTA["ratingKey"]) not in titles.asked("/userState")


@pytest.mark.slow
def test_titles_whose_ids_feeds_need_come_first(neighbours: Neighbours) -> None:
    titles = Titles(neighbours.plex)
    neighbours.ann.rows = [row(f"b{number}", f"Known {number}") for number in range(5)]
    neighbours.household.sync()
    neighbours.add(neighbours.fay)
    neighbours.household.sync()

    look(neighbours.household)

    assert titles.asked()[0] == (ANN, DELTA["ratingKey"])


def test_feed_of_titles_that_nobody_was_asked_about_waits(neighbours: Neighbours) -> None:
    titles = Titles(neighbours.plex)
    titles.tell(DELTA, summary="Told.")
    neighbours.ann.rows = []
    neighbours.add(neighbours.fay)
    neighbours.household.sync()

    waiting = [neighbours.api.get(f"/feeds/radarr.json{query}") for query in ("", "?user=2")]
    look(neighbours.household)
    ready = neighbours.api.get("/feeds/radarr.json?user=2")

    assert [reply.status_code for reply in waiting] == [503, 503]
    assert "not yet been asked for the ids" in waiting[0].json["detail"]
    assert [title["id"] for title in ready.json] == [5]


@pytest.mark.slow
def test_shows_are_waited_for_though_movies_are_known(neighbours: Neighbours) -> None:
    neighbours.fay.rows = [row("5", "Epsilon", media_type="show")]
    neighbours.add(neighbours.fay)
    neighbours.household.sync()

    movies, shows = (neighbours.api.get(f"/feeds/{name}.json") for name in ("radarr", "sonarr"))

    assert (movies.status_code, len(movies.json)) == (200, 1)
    assert shows.status_code == 503


def test_friends_title_is_one_with_that_of_others(neighbours: Neighbours) -> None:
    neighbours.fay.rows = [row("1", "Alpha")]
    neighbours.add(neighbours.fay)
    neighbours.household.sync()

    found = neighbours.api.get("/api/wishlist").json

    assert [sorted(person["name"] for person in item["wanted_by"]) for item in found["items"]] == [["Ann", "Fay"]]


def test_nothing_is_taken_off_a_friends_list(neighbours: Neighbours) -> None:
    actions = Actions(neighbours.plex)
    neighbours.fay.rows = [row("1", "Alpha")]
    neighbours.add(neighbours.fay)
    neighbours.household.sync()

    dry = neighbours.api.delete(f"/api/wishlist/{1:024x}/watchlists?dry_run=true").json["items"]
    reply = neighbours.api.delete(f"/api/wishlist/{1:024x}/watchlists").json["items"]

    assert [(line["name"], line["outcome"]) for line in dry] == [("Ann", "would_be_removed"), ("Fay", "failed")]
    assert [(line["name"], line["outcome"]) for line in reply] == [("Ann", "removed"), ("Fay", "failed")]
    assert "Only Fay can change this watchlist" in reply[1]["detail"]
    assert actions.done == [("ann", f"{1:024x}")]
    assert neighbours.household.titles("Fay") == ["Alpha"]


@pytest.mark.slow
def test_no_setting_takes_anything_off_a_friends_list(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)
    neighbours.household.sync()
    neighbours.conn.execute(
        """
        UPDATE sync_runs SET times_due = false;
        UPDATE wishlist_item_sources SET first_added_at = now() - interval '9 days';
        UPDATE wishlist_items
           SET available = true, available_sure = true, available_since = now() - interval '9 days'
        """
    )

    with neighbours.api.application.extensions["wishlist"].pool.connection() as conn:
        available = [wisher.name for wisher in list_wishers_of_available(conn, uid=None, grace=timedelta(days=1))]
        kept = [wisher.name for _ in range(3) if (wisher := claim_to_keep(conn, except_ids=[]))]

    assert available == ["Ann"]
    assert set(kept) == {"Ann"}


@pytest.mark.slow
def test_hidden_and_unavailable_lists_call_nobody(neighbours: Neighbours) -> None:
    neighbours.friends.hidden.add(neighbours.fay.uuid)
    neighbours.add(neighbours.fay)
    neighbours.household.sync()
    neighbours.conn.execute("UPDATE plex_users SET created_at = now() - interval '9 days' WHERE name = 'Fay'")
    with receiver() as webhook:
        teller = Teller(neighbours.household, webhook.address)
        neighbours.household.sync()
        neighbours.api.patch("/api/users/1", json={"active": False})
        neighbours.household.sync()
        teller.look()
        teller.close()

    results = [
        *check_scheduler(neighbours.household.config.database_url, interval=timedelta(hours=6)),
        *check_tokens(neighbours.household.config),
    ]

    assert webhook.bodies == []
    assert [result for result in results if result.error] == []
    assert neighbours.household.user("Fay")["sync_state"] == "via_unavailable"
    assert "via_unavailable" in neighbours.api.get("/metrics").text
