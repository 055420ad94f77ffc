"""Reads a file of pg_dump, which may come from anyone: what it holds, and its rows. Nothing of it is run."""

import re
import tempfile
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from wishlist_service.postgres.programs import ProgramFailed, find_pg_restore, run

END_OF_ROWS: Final = b"\\.\n"
COPY: Final = re.compile(rb"COPY (?P<table>.+) \((?P<columns>.*)\) FROM stdin;\n")
SETVAL: Final = re.compile(
    rb"SELECT pg_catalog\.setval\('(?P<sequence>.+)', (?P<number>-?\d{1,19}), (?P<called>true|false)\);\n"
)
# what pg_restore writes around rows, whatever the dump holds
_FRAME: Final = re.compile(
    rb"\n|--.*\n|SET .*\n|SELECT pg_catalog\.set_config\('search_path', '', false\);\n|\\(un)?restrict .*\n"
)
_ENTRY: Final = re.compile(r"(\d+); \d+ \d+ (.+)")


@dataclass(frozen=True)
class Entry:
    """A line of the contents of a dump."""

    number: str
    text: str
    """Kind, schema, name and owner, with spaces between them. Functions without their arguments."""


def list_entries(file: Path) -> list[Entry]:
    """Return the contents of a dump in pg_dump's custom format. Raises ProgramFailed."""
    with _output_of("--list", file=file) as listing:
        lines = listing.read().decode(errors="backslashreplace").split("\n")
    entries: list[Entry] = []
    for line in lines:
        if line and not line.startswith(";"):
            if not (found := _ENTRY.fullmatch(line)):
                raise ProgramFailed(f"pg_restore lists something else than an entry: {line}.")
            entries.append(Entry(found[1], re.sub(r"\([^()]*\)", "", found[2])))
    return entries


@contextmanager
def script_of(file: Path, entries: Iterable[Entry]) -> Generator[IO[bytes]]:
    """Yield pg_restore's script for these entries, in their order. It is complete before anything is done with it.

    Raises ProgramFailed, so a damaged file fails here.
    """
    with tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".list") as chosen:
        chosen.writelines(f"{entry.number}\n" for entry in entries)
        chosen.flush()
        with _output_of(f"--use-list={chosen.name}", "--no-owner", "--no-privileges", "--file=-", file=file) as script:
            yield script


@contextmanager
def _output_of(*options: str, file: Path) -> Generator[IO[bytes]]:
    with tempfile.TemporaryFile() as output:
        options = ("--format=custom", *options, str(file.absolute()))
        run(find_pg_restore(), *options, stdout=output, stop=threading.Event())
        output.seek(0)
        yield output


def read_rows(script: IO[bytes]) -> Generator[bytes]:
    """Yield the rows that follow a COPY. Raises ProgramFailed if they have no end."""
    while (row := script.readline()) != END_OF_ROWS:
        if not row:
            raise ProgramFailed("the rows of a table have no end.")
        yield row


def find_statements(script: IO[bytes]) -> Generator[re.Match[bytes]]:
    """Yield each COPY and SETVAL. After a COPY the caller reads its rows. Raises ProgramFailed at anything else."""
    while line := script.readline():
        if statement := COPY.fullmatch(line) or SETVAL.fullmatch(line):
            yield statement
        elif not _FRAME.fullmatch(line):
            raise ProgramFailed(
                f"its rows are not those of COPY: {line[:80].decode(errors='backslashreplace').strip()}."
            )
