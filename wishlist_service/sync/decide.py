"""What a complete read means for one person's wishes. Values in, values out: no clock, database or network."""

import hashlib
from collections.abc import Collection

from wishlist_service.models import Change, Watchlist


def decide(
    present: Collection[str],
    read: Watchlist,
    *,
    held_removals: str | None,
    kept: Collection[str] = frozenset[str](),
    missed_before: Collection[str] = frozenset[str](),
    odd_rows_block: bool = True,
) -> Change:
    """What to add to and remove from the `present` uids so that they are what was read.

    A read that takes too much away is not believed at once: its removals wait until the next
    complete read takes away the very same. `held_removals` is what the last read left waiting.
    Those of the present ones that are `kept` stay, whatever was read: this service took them off the list.
    While rows do not say which title they are, and `odd_rows_block`, nothing is removed; after that, what was
    `missed_before`, too. Nothing is removed while Plex counts other titles than it shows.
    """
    wanted = {entry.uid for entry in read.entries}
    add = frozenset(wanted - set(present))
    listed = [uid for uid in present if uid not in kept]
    missing = frozenset(
        uid for uid in listed if uid not in wanted and uid.rpartition("/")[2] not in read.unreadable_keys
    )

    if read.miscount:
        return Change(add=add, remove=frozenset())
    if missing and read.unidentified:
        remove = frozenset() if odd_rows_block else missing & frozenset(missed_before)
        waiting = len(missing - remove)
        held = _unidentified_sentence(read.unidentified, waiting) if waiting else None
        return Change(add=add, remove=remove, held=held, missed=missing - remove)
    if not _takes_too_much(len(listed), len(missing), nothing_read=not read.entries):
        return Change(add=add, remove=missing)
    digest = hashlib.sha256("\n".join(sorted(missing)).encode()).hexdigest()
    if digest == held_removals:
        return Change(add=add, remove=missing)
    return Change(add=add, remove=frozenset(), held=_held_sentence(len(listed), len(missing)), held_removals=digest)


def describe(read: Watchlist) -> str | None:
    """What there is to say of a list that was read, though nothing waits for it."""
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
        f"{missing} of {present} titles vanished from the list at once. They are kept for now; "
        "if the next read shows the same, they are removed."
    )


def _unidentified_sentence(unidentified: int, missing: int) -> str:
    return (
        f"{unidentified} {'row' if unidentified == 1 else 'rows'} of the list could not be read at all, so it is "
        f"not certain what was removed. {missing} missing {'title is' if missing == 1 else 'titles are'} kept."
    )
