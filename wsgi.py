"""The entry point of gunicorn: `gunicorn wsgi:app`."""

from contextlib import suppress

from gunicorn.errors import AppImportError
from psycopg import OperationalError

from wishlist_service.app import create_app
from wishlist_service.config import Config, ConfigError, environment
from wishlist_service.db import ask
from wishlist_service.errors import DatabaseRefused
from wishlist_service.process.logs import configure_logging
from wishlist_service.queries.schema import compare_schema
from wishlist_service.web.recent import SHARED

try:
    config = Config.from_env(environment())
    configure_logging(config.log_level)
    with suppress(OperationalError):  # while the database is away, the API answers 503
        ask(config.database_url, compare_schema)
except (ConfigError, DatabaseRefused) as error:
    # ends gunicorn with this sentence; after any other exit of a worker, gunicorn would start the next one
    raise AppImportError(str(error)) from error
app = create_app(config, recent=SHARED)
