"""python -m wishlist_service.doctor: tell whether everything is in order, and if not, what to do.

Looks at settings, database, the way to Plex, clock, everybody's token, media server, scheduler, API and disk.
Changes nothing. Exit status 1 if anything is wrong.
"""

import argparse
import sys
import textwrap
from itertools import groupby
from typing import Final

from wishlist_service.doctor.report import examine
from wishlist_service.process.logs import configure_logging

_WIDTH: Final = 96


def main() -> None:
    """Print the findings, and under each fault what is to be done."""
    argparse.ArgumentParser(prog="python -m wishlist_service.doctor", description=__doc__).parse_args()
    configure_logging("ERROR", stream=sys.stderr)
    sys.stdout.reconfigure(line_buffering=True, errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
    faults = skipped = 0
    try:
        for kind, alike in groupby(examine(), key=lambda finding: finding.fault):
            for finding in alike:
                faults += kind is not None
                skipped += finding.mark == "skip"
                _print(f"{'FAULT' if kind else finding.mark:<6} {finding.subject:<11} ", finding.text)
            if kind:
                _print(f"{'':<19}→ ", f'{kind.cure} (docs/troubleshooting.md, "{kind.heading}")')
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    well = "No faults, but not everything could be checked." if skipped else "All is well."
    print(f"\n{faults} fault{'s' if faults > 1 else ''}." if faults else f"\n{well}")
    sys.exit(1 if faults else 0)


def _print(head: str, text: str) -> None:
    rest = " " * len(head)
    print(
        textwrap.fill(
            text, _WIDTH, initial_indent=head, subsequent_indent=rest, break_on_hyphens=False, break_long_words=False
        )
    )


if __name__ == "__main__":
    main()
