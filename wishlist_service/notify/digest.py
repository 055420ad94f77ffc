"""News in sentences. Values in, values out."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final

from wishlist_service.models import Message, NewWish, SignIn, Trouble

MOST_TITLES: Final = 20  # of all people together, as long as there are fewer people than that
LONGEST_TITLE: Final = 80


def compose(
    wishes: Sequence[NewWish], troubles: Sequence[Trouble], sign_ins: Mapping[int, SignIn], total: int
) -> Message:
    """One message of all that is new; `wishes` person by person, `sign_ins` by the troubles' change_id.

    total: how many titles are on the wishlist now.
    """
    # what has to be done comes first: some services cut what is long
    parts = [_trouble(trouble, sign_ins.get(trouble.change_id)) for trouble in troubles]
    if wishes:
        parts.append(_digest(wishes, total))
    return Message(title=_title(wishes, troubles), body="\n\n".join(parts), urgent=bool(troubles))


def _title(wishes: Sequence[NewWish], troubles: Sequence[Trouble]) -> str:
    if len(troubles) > 1:
        return f"{len(troubles)} Plex watchlists need a look"
    if troubles:
        what = "token is refused" if troubles[0].sync_state == "token_rejected" else "list is held"
        return f"{troubles[0].name}'s {what}"
    return "1 new wish" if len(wishes) == 1 else f"{len(wishes)} new wishes"


def _digest(wishes: Sequence[NewWish], total: int) -> str:
    people = [(name, list(titles)) for name, titles in groupby(wishes, attrgetter("name"))]
    told, rest = people[:MOST_TITLES], people[MOST_TITLES:]
    share = MOST_TITLES // len(told)
    sentences = [f"{name} wants {_listed([_named(wish) for wish in titles], maximum=share)}" for name, titles in told]
    if rest:
        titles = sum(len(titles) for _, titles in rest)
        sentences.append(f"{len(rest)} more people want {titles} more")
    sentences.append("1 title in all" if total == 1 else f"{total} titles in all")
    return "; ".join(sentences) + "."


def _listed(texts: list[str], *, maximum: int) -> str:
    """A, B and C; cut after so many."""
    if len(texts) > maximum:
        texts = [*texts[:maximum], f"{len(texts) - maximum} more"]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _named(wish: NewWish) -> str:
    title = wish.title if len(wish.title) <= LONGEST_TITLE else f"{wish.title[: LONGEST_TITLE - 1].rstrip()}…"
    return f"{title} ({wish.year})" if wish.year else title


def _trouble(trouble: Trouble, sign_in: SignIn | None) -> str:
    if trouble.sync_state == "held":
        return f"{trouble.name}'s list is held. {trouble.sync_detail or ''}".rstrip()
    account = f" as {trouble.plex_username}" if trouble.plex_username else ""
    again = f"POST /api/users/{trouble.user_id}/link (docs/api.md, 'Renew a token by link')"
    refused = f"Plex no longer accepts {trouble.name}'s token, so their list is not read; what is known of it stays."
    if sign_in is None:
        return f"{refused} A link to renew it could not be made just now: {again} makes one."
    return (
        f"{refused} To renew it, {trouble.name} signs in{account} here: {sign_in.url}\n"
        f"The link is good until {sign_in.expires_at:%H:%M} UTC on {sign_in.expires_at:%Y-%m-%d}; "
        f"after that, {again} makes a new one."
    )
