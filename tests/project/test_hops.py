"""How far a request travels: the files of the package that it enters, and how often it enters one from another."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from flask.testing import FlaskClient

from tests.support.household import Household
from tests.support.processes import CHECKOUT

PACKAGE = str(CHECKOUT / "wishlist_service")


def trace(work: Callable[[], Any]) -> tuple[set[str], int]:
    """The files entered by what this thread does, and the calls whose last caller in the package is in another file."""
    files: set[str] = set()
    entries = 0

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal entries
        file = frame.f_code.co_filename
        if event != "call" or not file.startswith(PACKAGE):
            return
        caller = frame.f_back
        while caller and not caller.f_code.co_filename.startswith(PACKAGE):
            caller = caller.f_back
        files.add(Path(file).name)
        entries += caller is None or caller.f_code.co_filename != file

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return files, entries


def test_page_of_the_wishlist_is_made_in_few_hops(client: FlaskClient, filled: Household) -> None:
    files, entries = trace(lambda: client.get("/api/wishlist"))

    assert "wishlist.py" in files
    assert (len(files) <= 13, entries <= 42) == (True, True), (sorted(files), entries)


def test_person_is_added_in_few_hops(api: FlaskClient, household: Household) -> None:
    for name in ("abe", "zoe"):
        household.plex.add(f"token-of-{name}-0123456789", username=name, rows=[])
    api.post("/api/users", json={"name": "Abe", "token": "token-of-abe-0123456789"})  # makes the client of Plex
    body = {"name": "Zoe", "token": "token-of-zoe-0123456789"}

    files, entries = trace(lambda: api.post("/api/users", json=body))

    assert household.user("Zoe")["plex_username"] == "zoe"
    assert (len(files) <= 20, entries <= 48) == (True, True), (sorted(files), entries)
