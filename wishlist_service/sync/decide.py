"""Decides what a complete read changes in one person's wishes. Uses no clock, database or network."""

import hashlib
from collections.abc import Collection

from wishlist_service.models import Change, Watchlist


def decide(
    present: Collection[int],
    shown: Collection[int],
    read: Watchlist,
    *,
    unreadable: Collection[int] = frozenset[int](),
    held_removals: str | None,
    kept: Collection[int] = frozenset[int](),
    missed_before: Collection[int] = frozenset[int](),
    odd_rows_block: bool = True,
) -> Change:
    """Return what to add to and remove from the `present` titles to match the read. Titles are given by their ids.

    If a read removes too much, its removals are held until the next complete read removes exactly the same.
    shown: the titles of the entries of the read.
    unreadable: titles of rows that could not be read, which stay.
    held_removals: the digest of the removals that the last read left held.
    kept: present titles that stay, since this service took them off the watchlist.
    missed_before: what the last read missed while rows did not say which title they are.
    odd_rows_block: whether such rows still hold all removals; after that, what was missed before is removed.
    Nothing is removed while Plex counts other titles than it shows.
    """
    add = frozenset(shown) - frozenset(present)
    listed = frozenset(present) - frozenset(kept)
    missing = listed - frozenset(shown) - frozenset(unreadable)

    if read.miscount:
        return Change(add=add, remove=frozenset())
    if missing and read.unidentified:
        remove = frozenset() if odd_rows_block else missing & frozenset(missed_before)
        waiting = len(missing - remove)
        held = _unidentified_sentence(read.unidentified, waiting) if waiting else None
        return Change(add=add, remove=remove, held=held, missed=missing - remove)
    if not _takes_too_much(len(listed), len(missing), nothing_read=not read.entries):
        return Change(add=add, remove=missing)
    digest = hashlib.sha256("\n".join(map(str, sorted(missing))).encode()).hexdigest()
    if digest == held_removals:
        return Change(add=add, remove=missing)
    return Change(add=add, remove=frozenset(), held=_held_sentence(len(listed), len(missing)), held_removals=digest)


def describe(read: Watchlist) -> str | None:
    """Return what to tell about a list that was read without waiting removals, or None."""
    sentences: list[str] = []
    if read.miscount:
        sentences.append(f"{read.miscount}. Removals wait until they agree.")
    odd = len(read.unreadable_keys) + read.unidentified
    if odd == 1:
        sentences.append("1 row of the list is not a movie or show that can be read. It is left out.")
    elif odd:
        sentences.append(f"{odd} rows of the list are not movies or shows that can be read. They are left out.")
    return " ".join(sentences) or None


def _takes_too_much(present: int, missing: int, *, nothing_read: bool) -> bool:
    emptied = nothing_read and missing > 0 and present > 5
    halved = present >= 10 and missing * 2 > present
    return emptied or halved


def _held_sentence(present: int, missing: int) -> str:
    return (
        f"{missing} of {present} titles are missing from the watchlist at once. They are kept for now; "
        "if the next full read shows the same, they are removed."
    )


def _unidentified_sentence(unidentified: int, missing: int) -> str:
    return (
        f"{unidentified} {'row' if unidentified == 1 else 'rows'} of the watchlist could not be read, so it is "
        f"not certain what was removed. {missing} missing {'title is' if missing == 1 else 'titles are'} kept."
    )
