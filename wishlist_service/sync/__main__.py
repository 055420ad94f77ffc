"""python -m wishlist_service.sync: run one sync in the foreground."""

import argparse
import sys
import threading

from wishlist_service import db
from wishlist_service.config import load_config
from wishlist_service.errors import SyncRunning
from wishlist_service.models import NOT_SHOWN, UserResult
from wishlist_service.plex.client import PlexClient
from wishlist_service.process.logs import configure_logging
from wishlist_service.process.stopping import stop_on_signals
from wishlist_service.queries import sync_users
from wishlist_service.sync import claims
from wishlist_service.sync.run import run_sync
from wishlist_service.tokens import TokenCipher


def main() -> None:
    """Run one sync and print a line for each person. Exit status 1 if a watchlist was not read."""
    argparse.ArgumentParser(prog="python -m wishlist_service.sync", description=__doc__).parse_args()
    config = load_config(may_lack="API_KEY")
    configure_logging("DEBUG" if config.log_level == "DEBUG" else "ERROR", stream=sys.stderr)
    stop = threading.Event()
    stop_on_signals(stop)
    terminal = sys.stdout.isatty()

    def show_page(name: str, rows: int, total: int) -> None:
        if terminal:
            print(f"\r\033[K{name}: {rows} of {total} titles read", end="", flush=True)

    def show_result(result: UserResult) -> None:
        print(f"{chr(13)}\033[K" if terminal else "", _line(result), sep="", flush=True)

    with db.exit_on_error():
        identifier = db.ask(config.database_url, sync_users.get_client_identifier)
        plex = PlexClient(config, client_identifier=identifier, stop=stop)
        cipher = TokenCipher(config.token_encryption_keys)
        try:
            claimed = claims.claim(config, trigger="command")
        except SyncRunning as running:
            sys.exit(f"{running} Wait for it to end, then try again.")
        if claimed.waits and terminal:
            print("Another sync is running. This one begins when it has ended.", flush=True)
        finished = run_sync(claimed, plex, cipher, stop=stop, on_result=show_result, on_page=show_page)
    print(
        f"Run {finished.id} {finished.status}: {finished.total_items} titles on the wishlist, "
        f"{finished.new_items} new, {finished.updated_items} updated, {finished.removed_items} removed."
    )
    sys.exit(0 if finished.status == "succeeded" else 1)


def _line(result: UserResult) -> str:
    if result.failed or result.outcome in NOT_SHOWN:
        return f"{result.name}: {result.outcome}. {result.detail}"
    if result.outcome == "skipped":
        return f"{result.name}: skipped, changed while the watchlist was read"
    numbers = f"{result.titles} titles, {result.added} added, {result.removed} removed"
    return f"{result.name}: {result.outcome}, {numbers}" + (f". {result.detail}" if result.detail else "")


if __name__ == "__main__":
    with db.exit_on_error():
        main()
