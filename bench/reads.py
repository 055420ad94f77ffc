"""Reads: requests a second compared with the reference and a constant, and the time to the first reply."""

from collections import defaultdict

from bench import figures, paths
from bench.content import copy_to_reference
from bench.figures import Figure, Table
from bench.load import load
from bench.postgres import settle
from bench.services import Bench, constant, our_api, our_database, reference, reference_database
from bench.syncs import PEOPLE, TITLES

CLIENTS = 16


def start_figures(bench: Bench) -> list[Figure | Table]:
    """Measure from the start of the program to the first 200 of /health, with an existing database."""
    ours, theirs = our_database(bench, "ours"), reference_database(bench, "reference")
    seconds: dict[str, list[float]] = {"reference": [], "ours": []}
    for _ in range(bench.rounds(7)):
        with reference(bench, theirs) as served:
            seconds["reference"].append(served.seconds)
        with our_api(bench, ours) as served:
            seconds["ours"].append(served.seconds)
    return [figures.faster("start to the first 200 of /health", None, **seconds)]


def read_figures(bench: Bench) -> list[Figure | Table]:
    """Measure requests a second for the same synced lists: reference, ours and a constant in turn."""
    people, titles = (2, 200) if bench.quick else (PEOPLE, TITLES)
    bench.plex.prepare(people=people, titles=titles)
    ours, theirs = our_database(bench, "ours"), reference_database(bench, "reference")
    with our_api(bench, ours) as served:
        served.add_people(people, titles)
        served.sync()
    settle(ours)
    copy_to_reference(ours, theirs)

    sample = paths.draw_sample(ours)
    compared = {
        "GET /api/wishlist?limit=50 with who wants what": ([paths.LIST], 25),
        "search": (paths.searches(sample), 5),
        "year": (paths.years(sample), 5),
        "one item": (paths.items(sample), None),
        "stats": ([paths.STATS], None),
    }
    pages, health = paths.front_pages(titles), ["/health"]
    found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    with (
        reference(bench, theirs) as reference_served,
        our_api(bench, ours) as our_served,
        constant(bench, ours) as constant_served,
    ):

        def measure(whose: str, address: str, what: str, asked: list[str]) -> None:
            given = load(address, asked, bench.directory, clients=CLIENTS, seconds=1 if bench.quick else 3)
            found[whose, what].append(given.per_second)

        for _ in range(bench.rounds(3)):
            for what, (asked, _) in compared.items():
                measure("reference", reference_served.address, what, asked)
                measure("ours", our_served.address, what, asked)
            measure("constant", constant_served.address, "constant", health)
            measure("ours", our_served.address, "pages", pages)
            measure("constant", constant_served.address, "constant", health)

    first = next(iter(compared))
    ceiling = found["constant", "constant"]
    return [
        *(
            figures.more(what, goal, reference=found["reference", what], ours=found["ours", what])
            for what, (_, goal) in compared.items()
        ),
        figures.share("the list of 50, every request for another page", constant=ceiling, ours=found["ours", "pages"]),
        figures.share("the list of 50, always the same request", constant=ceiling, ours=found["ours", first]),
    ]
