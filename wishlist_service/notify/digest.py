"""The texts of messages: about what is new on the wishlist, and about what came to the media server."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Final

from wishlist_service.models import Message, Renewal
from wishlist_service.queries.notifications import Arrival, ListError, NewWish

MAXIMUM_TITLES: Final = 20  # shared by all people; with more people than that, one title for each of the first 20
MAXIMUM_LENGTH: Final = 80  # of a title
MAXIMUM_NAMES: Final = 5

_TITLES: Final = {
    "token_rejected": "token is refused",
    "held": "watchlist is held",
    "unread": "watchlist could not be read for a day",
    "read_again": "watchlist is read again",
}


def compose(
    wishes: Sequence[NewWish], errors: Sequence[ListError], renewals: Mapping[int, Renewal], total: int
) -> Message:
    """Return one message about everything new.

    wishes: person by person. renewals: by the errors' change_id. total: how many titles the wishlist has now.
    """
    # errors come first, because some services cut long messages
    parts = [_error(error, renewals.get(error.change_id)) for error in errors]
    if wishes:
        parts.append(_digest(wishes, total))
    return Message(
        title=_title(wishes, errors),
        body="\n\n".join(parts),
        urgent=any(error.sync_state != "read_again" for error in errors),
    )


def compose_arrivals(arrivals: Sequence[Arrival], *, own: bool, link: str) -> Message:
    """Return one message about what came to the media server.

    own: whether it goes to the person who wants it, not to the household. link: where all of it can be seen.
    """
    count = len(arrivals)
    if count > MAXIMUM_TITLES:
        return Message(
            title=f"In the library now: {count} titles",
            body=f"{count} titles that {'you' if own else 'the household'} wanted are in the library now: {link}",
        )
    return Message(
        title=f"In the library now: {_came(arrivals[0]) if count == 1 else f'{count} titles'}",
        body="\n".join(_arrival(arrival, own=own) for arrival in arrivals),
    )


def _arrival(arrival: Arrival, *, own: bool) -> str:
    day = arrival.since.astimezone(UTC)
    year = "" if day.year == datetime.now(UTC).year else f" {day.year}"
    sentences = [
        f"In the library now: {_came(arrival)}.",
        f"{'You have' if own else f'{arrival.name} has'} wanted it since {day.day} {day:%B}{year}.",
    ]
    if arrival.others:
        verb = "wants" if len(arrival.others) == 1 else "want"
        sentences.append(f"{_listed(arrival.others, maximum=MAXIMUM_NAMES)} {verb} it too.")
    return " ".join(sentences)


def _came(arrival: Arrival) -> str:
    title, seasons = _named(arrival), f"{arrival.seasons} season{'' if arrival.seasons == 1 else 's'}"
    if arrival.new_seasons:
        which = "a new season" if arrival.new_seasons == 1 else f"{arrival.new_seasons} new seasons"
        return f"{which} of {title}, {seasons} in all"
    return f"{title}, {seasons}" if arrival.seasons else title


def _title(wishes: Sequence[NewWish], errors: Sequence[ListError]) -> str:
    if len(errors) > 1:
        return f"{len(errors)} Plex watchlists need attention"
    if errors:
        return f"{errors[0].name}'s {_TITLES[errors[0].sync_state]}"
    return "1 new wish" if len(wishes) == 1 else f"{len(wishes)} new wishes"


def _digest(wishes: Sequence[NewWish], total: int) -> str:
    people = [(name, list(titles)) for name, titles in groupby(wishes, attrgetter("name"))]
    named, rest = people[:MAXIMUM_TITLES], people[MAXIMUM_TITLES:]
    share = MAXIMUM_TITLES // len(named)
    sentences = [f"{name} wants {_listed([_named(wish) for wish in titles], maximum=share)}" for name, titles in named]
    if rest:
        sentences.append(f"{len(rest)} more people want {sum(len(titles) for _, titles in rest)} more")
    sentences.append("1 title in all" if total == 1 else f"{total} titles in all")
    return "; ".join(sentences) + "."


def _listed(texts: list[str], *, maximum: int) -> str:
    if len(texts) > maximum:
        texts = [*texts[:maximum], f"{len(texts) - maximum} more"]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _named(wish: NewWish | Arrival) -> str:
    title = wish.title if len(wish.title) <= MAXIMUM_LENGTH else f"{wish.title[: MAXIMUM_LENGTH - 1].rstrip()}…"
    return f"{title} ({wish.year})" if wish.year else title


def _error(error: ListError, renewal: Renewal | None) -> str:
    if error.sync_state == "held":
        return f"{error.name}'s watchlist is held. {error.sync_detail or ''}".rstrip()
    if error.sync_state == "unread":
        return f"{error.name}'s watchlist could not be read for a day. {error.sync_detail or ''}".rstrip()
    if error.sync_state == "read_again":
        return f"{error.name}'s watchlist is read again."
    refused = f"Plex no longer accepts {error.name}'s token, so their watchlist is not read. Their wishes stay."
    if renewal is None:
        why = "" if error.account_known else " Their Plex account was never known, so no invitation is sent here."
        return f"{refused}{why} To renew the token, open the People page."
    account = f" as {error.plex_username}" if error.plex_username else ""
    return (
        f"{refused} To renew the token, {error.name} signs in with Plex{account} here: {renewal.url}\n"
        f"The invitation expires at {renewal.expires_at:%H:%M UTC on %Y-%m-%d}. For a new one, open the People page."
    )
