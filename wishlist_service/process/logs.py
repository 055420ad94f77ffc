"""Log lines: one fact each, on one line, on standard output, in UTC."""

import logging
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

_run: ContextVar[int | None] = ContextVar("run", default=None)


class LineFormatter(logging.Formatter):
    """A line per record, whatever it holds: the line ends of a traceback are escaped.

    What is logged within a sync run names it, so that the lines of API and scheduler can be told apart.
    """

    converter = time.gmtime

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Called for the line without its traceback."""
        run = _run.get()
        if run is not None and " run=" not in record.message:
            record.message += f" run={run}"
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        """Called for each record."""
        return super().format(record).replace("\r", "\\r").replace("\n", "\\n")


def configure_logging(level: str, *, stream: TextIO = sys.stdout) -> None:
    """Set up logging for a program; only entry points call this."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # each of its tries to reach a database that is away; the request that failed says so once
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


@contextmanager
def within_run(run_id: int) -> Generator[None]:
    """Lines logged in this block, and in threads that were given its context, name the run."""
    before = _run.set(run_id)
    try:
        yield
    finally:
        _run.reset(before)
