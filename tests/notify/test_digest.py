"""News in sentences."""

from datetime import UTC, datetime

from wishlist_service.models import Renewal
from wishlist_service.notify.digest import compose
from wishlist_service.queries.notifications import ListError, NewWish


def wishes(name: str, *titles: str, year: int | None = None) -> list[NewWish]:
    return [NewWish(name=name, title=title, year=year) for title in titles]


def list_error(state: str, *, name: str = "Ann", detail: str | None = None) -> ListError:
    return ListError(
        change_id=7,
        user_id=3,
        name=name,
        plex_username="ann.plex",
        account_known=True,
        sync_state=state,
        sync_detail=detail,
    )


def test_one_wish() -> None:
    message = compose(wishes("Ann", "The Matrix", year=1999), [], {}, 3)

    assert (message.title, message.body) == ("1 new wish", "Ann wants The Matrix (1999); 3 titles in all.")
    assert not message.urgent


def test_several_people_and_titles() -> None:
    news = [*wishes("Ann", "Dune", "Alien", "Her"), *wishes("Ben", "Dune")]

    message = compose(news, [], {}, 1)

    assert message.title == "4 new wishes"
    assert message.body == "Ann wants Dune, Alien and Her; Ben wants Dune; 1 title in all."


def test_long_digest_is_cut() -> None:
    message = compose(wishes("Ann", *(f"Film {number}" for number in range(32))), [], {}, 40)

    assert message.body.endswith("Film 18, Film 19 and 12 more; 40 titles in all.")


def test_long_digest_of_several_is_cut_for_each() -> None:
    titles = [f"Film {number}" for number in range(12)]

    message = compose([*wishes("Ann", *titles), *wishes("Ben", *titles[:2])], [], {}, 12)

    assert "Film 9 and 2 more; Ben wants Film 0 and Film 1; 12 titles in all." in message.body


def test_digest_of_a_crowd_stays_short() -> None:
    news = [wish for number in range(30) for wish in wishes(f"Person {number}", *["x" * 500] * 3)]

    message = compose(news, [], {}, 90)

    assert message.body.endswith(
        "Person 19 wants " + "x" * 79 + "… and 2 more; 10 more people want 30 more; 90 titles in all."
    )
    assert len(message.body) < 2500


def test_refused_token_with_the_invitation_that_renews_it() -> None:
    renewal = Renewal(url="http://nas.local/join/abc", expires_at=datetime(2026, 11, 24, 19, 56, tzinfo=UTC))

    message = compose(wishes("Ben", "Dune"), [list_error("token_rejected")], {7: renewal}, 5)

    assert message.title == "Ann's token is refused"
    assert message.urgent
    assert message.body == (
        "Plex no longer accepts Ann's token, so their watchlist is not read. Their wishes stay. "
        "To renew the token, Ann signs in with Plex as ann.plex here: http://nas.local/join/abc\n"
        "The invitation expires at 19:56 UTC on 2026-11-24. For a new one, open the People page.\n\n"
        "Ben wants Dune; 5 titles in all."
    )


def test_refused_token_without_an_invitation() -> None:
    message = compose([], [list_error("token_rejected")], {}, 5)

    assert message.body.endswith("Their wishes stay. To renew the token, open the People page.")


def test_held_list_and_several_troubles() -> None:
    held = list_error("held", name="Ben", detail="11 of 12 titles vanished.")

    assert compose([], [held], {}, 5).body == "Ben's watchlist is held. 11 of 12 titles vanished."
    assert compose([], [held, list_error("token_rejected")], {}, 5).title == "2 Plex watchlists need attention"
