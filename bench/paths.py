"""The requests of clients: many different ones, for items of the database."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from bench.postgres import open_database
from bench.programs import BenchError, call

LIST = "/api/wishlist?limit=50"
STATS = "/api/wishlist/stats/summary"
SORTS = ("added_at", "title", "year", "wanted_count", "released_on")


@dataclass(frozen=True)
class Sample:
    """Some items and the people of a database."""

    items: Sequence[tuple[str, str, int | None]]
    """Uid, title and year."""
    people: Sequence[int]


def draw_sample(url: str, *, most: int = 4000) -> Sample:
    """Return items from the whole table, the same every time."""
    with open_database(url) as conn:
        items = conn.execute(
            "SELECT uid, title, year FROM wishlist_items ORDER BY md5(uid) LIMIT %(most)s", {"most": most}
        ).fetchall()
        people = [row[0] for row in conn.execute("SELECT id FROM plex_users WHERE active ORDER BY id")]
    return Sample(items, people)


def front_pages(most: int) -> list[str]:
    """Return different pages near the front in mixed order. No two requests are the same."""
    offsets = list(range(min(most, 900)))
    random.Random(1).shuffle(offsets)
    return [f"{LIST}&offset={offset}" for offset in offsets]


def sorted_pages() -> list[str]:
    """Return front pages in every order."""
    return [
        f"{LIST}&sort={sort}&order={order}&offset={offset}"
        for offset in range(100)
        for sort in SORTS
        for order in ("asc", "desc")
    ]


def searches(sample: Sample) -> list[str]:
    """Return words and parts of words from titles, as often as in titles."""
    chance = random.Random(2)
    return _all_different(f"{LIST}&{urlencode({'search': term(title, chance)})}" for _, title, _ in sample.items)


def years(sample: Sample) -> list[str]:
    """Return several pages of every year."""
    known = sorted({year for _, _, year in sample.items if year})
    return [f"{LIST}&year={year}&offset={offset}" for offset in range(5) for year in known]


def filters(sample: Sample) -> list[str]:
    """Return combinations of two to four filters that probably find something."""
    chance = random.Random(3)
    paths: list[str] = []
    for _, title, year in sample.items:
        person, other = chance.sample(sample.people, 2)
        choices: list[list[tuple[str, str | int]]] = [
            [("search", term(title, chance))],
            [("year", year or 2000)],
            [("media_type", chance.choice(("movie", "show")))],
            [("min_wanted", 2)],
            [("user", person)] if chance.random() < 0.7 else [("user", person), ("user", other), ("match", "all")],
        ]
        chosen = chance.sample(choices, chance.randint(2, 4))
        paths.append(f"{LIST}&{urlencode([pair for pairs in chosen for pair in pairs])}")
    return _all_different(paths)


def items(sample: Sample) -> list[str]:
    """Return paths of single items."""
    return [f"/api/wishlist/{quote(uid, safe='')}" for uid, _, _ in sample.items]


def deep_pages(address: str, items: int) -> list[str]:
    """Return pages about nine tenths down the list, by cursor. Raises BenchError if there is no cursor."""
    row, around = items * 9 // 10, min(500, items // 20)
    cursors: list[str] = []
    for place in range(row - around, row + around, around // 10):
        cursor = call("GET", f"{address}/api/wishlist?limit=1&offset={place}").get("next")
        if not cursor:
            raise BenchError(f"the page at row {place} names no next one")
        cursors.append(cursor)
    return [
        f"/api/wishlist?{urlencode({'limit': limit, 'after': cursor})}" for limit in range(41, 51) for cursor in cursors
    ]


def term(title: str, chance: random.Random) -> str:
    """Return a word of the title, a part of one, or two words, with 3 letters or more."""
    words = title.split()
    kind = chance.random()
    if kind < 0.25 and len(words) > 1:
        at = chance.randrange(len(words) - 1)
        return " ".join(words[at : at + 2])
    word = chance.choice(
        [plain for plain in (each.removesuffix(":").removesuffix("'s") for each in words) if len(plain) >= 3]
    )
    if kind < 0.5 and len(word) > 4:
        length = chance.randint(3, 5)
        at = chance.randint(0, len(word) - length)
        return word[at : at + length].lower()
    return word


def _all_different(paths: Iterable[str]) -> list[str]:
    """Return the paths with other offsets, so that no reply is the same as an earlier one."""
    seen: Counter[str] = Counter()
    different: list[str] = []
    for path in paths:
        different.append(f"{path}&offset={seen[path]}")
        seen[path] += 1
    return different
