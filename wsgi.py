"""The entry point of gunicorn: `gunicorn wsgi:app`."""

import logging
import os
import threading
import time
from functools import partial

from gunicorn.arbiter import Arbiter
from gunicorn.errors import AppImportError
from psycopg import OperationalError

from wishlist_service.app import create_app
from wishlist_service.config import Config, ConfigError, environment
from wishlist_service.db import ask, connect
from wishlist_service.errors import DatabaseRefused, ServerRefused
from wishlist_service.process.logs import configure_logging
from wishlist_service.queries.requirements import check_database
from wishlist_service.queries.schema import compare_schema
from wishlist_service.web.recent import SHARED


def check(config: Config) -> None:
    """Raise what explains why the database cannot be used, or OperationalError if it is away."""
    check_database(
        partial(connect, config.database_url, role="check"),
        web_workers=config.web_workers,
        web_threads=config.web_threads,
    )
    ask(config.database_url, compare_schema)


def check_when_there(config: Config) -> None:
    """Check the database at the first connection. End the API with the sentence if it cannot be used."""
    while True:
        time.sleep(1)
        try:
            check(config)
            return
        except OperationalError:
            continue
        except (DatabaseRefused, ServerRefused) as error:
            logging.getLogger("wishlist_service.wsgi").critical("%s", error)
            logging.shutdown()
            os._exit(Arbiter.APP_LOAD_ERROR)  # gunicorn then ends, too


try:
    config = Config.from_env(environment())
    configure_logging(config.log_level)
    try:
        check(config)
    except OperationalError:  # while the database is away, the API answers 503
        threading.Thread(target=check_when_there, args=(config,), daemon=True).start()
except (ConfigError, DatabaseRefused, ServerRefused) as error:
    # ends gunicorn with this sentence; after any other exit of a worker, gunicorn would start the next one
    raise AppImportError(str(error)) from error
app = create_app(config, recent=SHARED)
