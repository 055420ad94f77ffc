"""Settings as the environment holds them, and what is said about them."""

from wishlist_service.config import Config, ConfigError

ENOUGH = {
    "DATABASE_URL": "postgresql://wishlist:db-pass-9876@localhost/wishlist",
    "API_KEY": "key-0123456789abcdef",
    "TOKEN_ENCRYPTION_KEY": "passphrase-0123456789",
}


def config(**changed: str) -> Config:
    """The settings that are required, and these."""
    return Config.from_env(ENOUGH | changed)


def faults(**changed: str) -> list[str]:
    """What is said about these settings, or nothing."""
    try:
        config(**changed)
    except ConfigError as error:
        return error.errors
    return []


OPTIONAL = {
    "READ_API_KEY": "read-key-0123456789",
    "READING": "CLOSED",
    "NAMES": "HIDDEN",
    "PLEX_SYNC_INTERVAL_HOURS": "0.5",
    "KEEP_RUNS_DAYS": "30",
    "LOG_LEVEL": "debug",
    "URL_BASE": "/wishes",
    "TRUSTED_PROXIES": "1",
    "PUBLIC_URL": "https://wishes.example.org/",
    "ALLOWED_HOSTS": "NAS.example.org:8000, *.example.net other.example.com.",
    "PLEX_DISCOVER_URL": "http://127.0.0.1:1234/",
    "PLEX_TV_URL": "http://127.0.0.1:5678",
    "PLEX_AUTH_URL": "http://127.0.0.1:5678/auth",
    "PLEX_IMAGES_URL": "http://127.0.0.1:6789",
    "PLEX_COMMUNITY_URL": "http://127.0.0.1:9012/api",
    "PLEX_PAGE_PAUSE_SECONDS": "0",
    "PLEX_TIMEOUT_SECONDS": "2.5",
    "PLEX_LANGUAGE": "pt-BR",
    "PLEX_SERVER_URL": "http://192.168.1.10:32400/",
    "PLEX_SERVER_TOKEN": "short-token",
    "PLEX_COLLECTION": " Films ",
    "REMOVE_WHEN_AVAILABLE": "True",
    "REMOVE_AFTER_SYNC": "true",
    "NOTIFY_URLS": "json://example.org/x\n ntfy://topic ",
    "PORT": "80",
    "WEB_THREADS": "8",
    "WEB_WORKERS": "2",
    "BACKUP_DIR": " /srv/wish list ",
}
