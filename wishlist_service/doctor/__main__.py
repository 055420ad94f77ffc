"""python -m wishlist_service.doctor: check everything, and say how to fix what is wrong.

Checks settings, database, the way to Plex, clock, tokens, media server, scheduler, API and disk.
Changes nothing. Exit status 1 if anything is wrong.
"""

import argparse
import sys
import textwrap
from itertools import groupby

from wishlist_service import db
from wishlist_service.doctor.report import examine
from wishlist_service.process.logs import configure_logging


def main() -> None:
    """Print a line for each result, and the fix under each error."""
    argparse.ArgumentParser(prog="python -m wishlist_service.doctor", description=__doc__).parse_args()
    configure_logging("ERROR", stream=sys.stderr)
    sys.stdout.reconfigure(line_buffering=True, errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
    errors = skipped = warned = 0
    try:
        for error, results in groupby(examine(), key=lambda result: result.error):
            for result in results:
                errors += error is not None
                skipped += result.mark == "skip"
                warned += result.mark == "warn"
                _print(f"{'ERROR' if error else result.mark:<6} {result.subject:<11} ", result.text)
            if error:
                _print(f"{'':<19}→ ", f'{error.fix} (docs/troubleshooting.md, "{error.heading}")')
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    fine = "No errors, but see the warnings." if warned else "Everything is fine."
    fine = "No errors, but not everything could be checked." if skipped else fine
    print(f"\n{errors} error{'s' if errors > 1 else ''}." if errors else f"\n{fine}")
    sys.exit(1 if errors else 0)


def _print(head: str, text: str) -> None:
    lines = textwrap.wrap(text, 96 - len(head), break_on_hyphens=False, break_long_words=False)
    print(head + f"\n{'':<{len(head)}}".join(lines))


if __name__ == "__main__":
    with db.exit_on_error():
        main()
