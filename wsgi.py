"""The entry point of gunicorn: `gunicorn wsgi:app`."""

from wishlist_service.app import create_app
from wishlist_service.config import load_config
from wishlist_service.process.logs import configure_logging

config = load_config()
configure_logging(config.log_level)
app = create_app(config)
