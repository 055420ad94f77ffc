"""The entry point of gunicorn: `gunicorn wsgi:app`."""

import sys
from contextlib import suppress

from psycopg import OperationalError

from wishlist_service.app import create_app
from wishlist_service.config import load_config
from wishlist_service.db import ask
from wishlist_service.errors import DatabaseRefused
from wishlist_service.process.logs import configure_logging
from wishlist_service.queries.schema import compare_schema

config = load_config()
configure_logging(config.log_level)
try:
    with suppress(OperationalError):  # while the database is away, the API answers 503
        ask(config.database_url, compare_schema)
except DatabaseRefused as refused:
    sys.exit(str(refused))
app = create_app(config)
