"""python -m bench: measure, print the tables, and exit with status 1 if a goal is missed."""

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench import figures
from bench.figures import Figure, Table
from bench.hostile import hostile_figures
from bench.idle import idle_figures
from bench.memory import memory_figures
from bench.postgres import Postgres, postgres
from bench.programs import BenchError, simulated_plex
from bench.reads import read_figures, start_figures
from bench.schedulers import scheduler_figures
from bench.services import Bench
from bench.sizes import size_figures
from bench.syncs import growth_figures, health_figures, sync_figures

PARTS: dict[str, Callable[[Bench], list[Figure | Table]]] = {
    "start": start_figures,
    "sync": sync_figures,
    "health": health_figures,
    "growth": growth_figures,
    "reads": read_figures,
    "memory": memory_figures,
    "hostile": hostile_figures,
    "schedulers": scheduler_figures,
    "idle": idle_figures,
    "sizes": size_figures,
}


def main() -> None:
    """Measure the parts named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", metavar="PART,…", default=",".join(PARTS), help=f"of: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="little data, one round: only to see that it runs")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {', '.join(unknown)}")
    # so that SIGTERM stops and removes everything, like Ctrl-C
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    try:
        missed = measure(chosen, quick=arguments.quick)
    except BenchError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(1 if missed else 0)


def measure(chosen: list[str], *, quick: bool) -> bool:
    """Measure these parts and print the results. Return True if a goal was missed."""
    started, load_before = time.monotonic(), os.getloadavg()
    found: list[Figure | Table] = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as directory,
        postgres(Path(directory)) as server,
        simulated_plex(Path(directory)) as plex,
    ):
        bench = Bench(server, plex, Path(directory), quick)
        for name in chosen:
            print(f"{datetime.now():%H:%M:%S} measuring: {name}", file=sys.stderr, flush=True)
            try:
                found += PARTS[name](bench)
            except BenchError as error:
                print(error, file=sys.stderr)
                found.append(figures.true(name, "measured", "not measured, see above", met=False))
        machine = describe(server)
    goals = [figure for figure in found if isinstance(figure, Figure)]
    print(f"{machine}\n")
    if quick:
        print("**Quick: one round over little data. These figures mean nothing.**\n")
    print(figures.goals_table(goals))
    for table in found:
        if isinstance(table, Table):
            print(f"\n{table.heading}:\n\n{figures.markdown(table.columns, table.rows)}")
    print(
        f"\nTook {(time.monotonic() - started) / 60:.0f} minutes; load of the machine "
        f"{load_before[0]:.1f} before, {os.getloadavg()[0]:.1f} after."
    )
    missed = [figure.what for figure in goals if figure.met is False]
    print(f"Missed: {'; '.join(missed)}." if missed else "Every goal is met.")
    return bool(missed)


def describe(server: Postgres) -> str:
    """Return date, versions and machine."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("Flask", "gunicorn", "psycopg"))
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; Python {platform.python_version()}, {packages}, "
        f"PostgreSQL {server.version}; {os.cpu_count()} cores of {model}"
    )


if __name__ == "__main__":
    main()
