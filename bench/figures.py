"""The rows of the result: what was measured, its goal, and whether that is met."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

NOTHING = ""


@dataclass(frozen=True)
class Figure:
    """One row of the table. `met` is None if there is no goal."""

    what: str
    ours: str
    goal: str = NOTHING
    reference: str = NOTHING
    ratio: str = NOTHING
    met: bool | None = None


@dataclass(frozen=True)
class Table:
    """More figures of one measurement, for below the table of goals."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def faster(what: str, goal: float | None, *, reference: Sequence[float], ours: Sequence[float]) -> Figure:
    """Return seconds, and how many times faster ours is than the reference."""
    ratio = median(reference) / median(ours)
    return Figure(
        what,
        seconds(median(ours)),
        goal=NOTHING if goal is None else f"≥ {goal:g} × faster",
        reference=seconds(median(reference)),
        ratio=f"{ratio:.1f} ×",
        met=None if goal is None else ratio >= goal,
    )


def more(what: str, goal: float | None, *, reference: Sequence[float], ours: Sequence[float]) -> Figure:
    """Compare requests a second: how many times more ours serves."""
    ratio = median(ours) / median(reference)
    return Figure(
        what,
        rate(median(ours)),
        goal=NOTHING if goal is None else f"≥ {goal:g} × the requests",
        reference=rate(median(reference)),
        ratio=f"{ratio:.1f} ×",
        met=None if goal is None else ratio >= goal,
    )


def share(what: str, *, constant: Sequence[float], ours: Sequence[float]) -> Figure:
    """Return requests a second, and their share of what the same gunicorn serves of a constant. It has no goal."""
    return Figure(
        what,
        rate(median(ours)),
        reference=f"constant: {rate(median(constant))}",
        ratio=f"{median(ours) / median(constant):.0%}",
    )


def at_most(what: str, limit: float, value: float, unit: str) -> Figure:
    """Compare a value with its maximum."""
    return Figure(what, f"{value:.3g} {unit}", goal=f"≤ {limit:g} {unit}", met=value <= limit)


def true(what: str, goal: str, value: str, *, met: bool) -> Figure:
    """Return a row for a yes or no."""
    return Figure(what, value, goal=goal, met=met)


def seconds(value: float) -> str:
    """Return a duration with three digits."""
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"


def rate(value: float) -> str:
    """Return requests a second."""
    return f"{value:,.0f}/s"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with numbers aligned to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def goals_table(figures: Sequence[Figure]) -> str:
    """Return all figures with their goals."""
    verdicts = {True: "met", False: "**MISSED**", None: NOTHING}
    return markdown(
        ["what", "goal", "reference", "ours", "ratio", "goal met"],
        [[each.what, each.goal, each.reference, each.ours, each.ratio, verdicts[each.met]] for each in figures],
    )
