"""The log: one line for each event, in UTC."""

import logging
import re
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029]")

_run: ContextVar[int | None] = ContextVar("run", default=None)


class LineFormatter(logging.Formatter):
    """Makes one line of each record, also of a traceback. Lines of a sync run end with its number."""

    converter = time.gmtime

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Return the line without its traceback."""
        run = _run.get()
        if run is not None and " run=" not in record.message:
            record.message += f" run={run}"
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return the whole line."""
        # also in a traceback, which may hold any text
        return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), super().format(record))


def configure_logging(level: str, *, stream: TextIO = sys.stdout) -> None:
    """Set up the log of a program. Only entry points call this."""
    logging.raiseExceptions = False  # a log on a full disk must neither end the program nor print tracebacks
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # it logs every try to reach a database that is away; one line of the failed request is enough
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


@contextmanager
def within_run(run_id: int) -> Generator[None]:
    """Add the run's number to lines logged in this block, and in threads with its context."""
    before = _run.set(run_id)
    try:
        yield
    finally:
        _run.reset(before)
