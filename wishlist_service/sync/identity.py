"""Decides which records are of one title, from their external ids. Uses no clock, database or network."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """Records that are known to be of one title, and all their ids, like imdb://tt0111161."""

    uids: tuple[str, ...]
    ids: frozenset[str]


def media_type_of(uid: str) -> str:
    """Return the media type that a uid like plex://movie/… names."""
    return uid.split("/")[2]


def differ(one: Set[str], other: Set[str]) -> bool:
    """Return whether there is a kind of id of which both have some and share none."""
    return bool((_kinds(one) & _kinds(other)) - _kinds(one & other))


def same_title(one: Set[str], other: Set[str]) -> bool:
    """Return whether at least one id agrees and none differs."""
    return not one.isdisjoint(other) and not differ(one, other)


def group(titles: Sequence[Known], *, renewed: Mapping[str, str] | None = None) -> list[list[int]]:
    """Return which titles are one, as lists of their places in `titles`. Each list begins with its first place.

    renewed: pairs of uids of which Plex says that they are of one title. They are, unless an id differs.
    """
    groups = {place: [place] for place in range(len(titles))}
    ids_of = {place: set(title.ids) for place, title in enumerate(titles)}
    # the same number is another title among movies than among shows
    places: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for place, title in enumerate(titles):
        for one in title.ids:
            places[media_type_of(title.uids[0]), one].add(place)

    def join(one: int, other: int) -> int:
        first, second = sorted((one, other))
        groups[first] += groups.pop(second)
        for each in ids_of[second]:
            near = places[media_type_of(titles[first].uids[0]), each]
            near.discard(second)
            near.add(first)
        ids_of[first] |= ids_of.pop(second)
        return first

    for pair in (renewed or {}).items():
        one, other = (next(place for place in groups if _holds(titles, groups[place], uid)) for uid in pair)
        if one != other and not differ(ids_of[one], ids_of[other]):
            join(one, other)

    left = deque(groups)
    while left:
        if (place := left.popleft()) not in groups:
            continue
        near = {other for one in ids_of[place] for other in places[media_type_of(titles[place].uids[0]), one]}
        match = next((other for other in sorted(near - {place}) if same_title(ids_of[place], ids_of[other])), None)
        if match is not None:
            left.append(join(place, match))
    return list(groups.values())


def _holds(titles: Sequence[Known], places: Iterable[int], uid: str) -> bool:
    return any(uid in titles[place].uids for place in places)


def _kinds(ids: Iterable[str]) -> set[str]:
    return {one.partition("://")[0] for one in ids}
