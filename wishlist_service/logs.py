"""Log lines: one fact each, on standard output, in UTC."""

import logging
import sys
import time
from typing import TextIO


def configure_logging(level: str, *, stream: TextIO = sys.stdout) -> None:
    """Set up logging for a program; only entry points call this."""
    handler = logging.StreamHandler(stream)
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # each of its tries to reach a database that is away; the request that failed says so once
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
