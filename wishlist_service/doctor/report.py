"""The checks of the doctor in their order, and what each of them needs."""

import json
import shutil
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from wishlist_service.config import Config, ConfigError, environment
from wishlist_service.doctor import database, plex
from wishlist_service.doctor.errors import Error, Result
from wishlist_service.plex.client import LIST_PATH, USER_PATH
from wishlist_service.process.deadline import within

PACKAGE: Final = Path(__file__).parent.parent
_CHECK_SECONDS: Final = 20
_API_SECONDS: Final = 5
_MINIMUM_FREE_BYTES: Final = 500_000_000

_STAND_INS: Final = {
    "DATABASE_URL": "postgresql://nowhere.invalid/none",
    "API_KEY": "stands-in-for-a-missing-one",
    "TOKEN_ENCRYPTION_KEY": "stands-in-for-a-missing-passphrase",
}


@dataclass(frozen=True)
class Check:
    """A check, and the settings and other checks that it needs."""

    name: str
    needs: Sequence[str]
    run: Callable[[], list[Result]]
    subject: str = ""
    """The word in the report, if it is not the name."""
    seconds: float | None = _CHECK_SECONDS
    """None for a check that has its own time limits."""


def examine() -> Iterator[Result]:
    """Run one check after the other and yield every result. An exception in a check is a result, too."""
    config, wrong, results = _read_settings()
    yield from results
    for check in _checks(config):
        subject = check.subject or check.name
        cause = next((need for need in check.needs if need in wrong), None)
        skipped = Result(subject, f"Not checked until this is fixed: {cause}.", mark="skip")
        results = [skipped] if cause else _run(check, subject)
        if cause or any(result.error for result in results):
            wrong.add(check.name)
        yield from results


def _read_settings() -> tuple[Config, set[str], list[Result]]:
    """Return the settings with stand-ins for invalid ones, the names of these, and the results."""
    try:
        env = environment()
    except SystemExit as error:  # .env cannot be read
        return Config.from_env(_STAND_INS), {"settings"}, [Result("settings", str(error), Error.SETTINGS)]
    try:
        return Config.from_env(env), set(), [Result("settings", "All settings are understood.")]
    except ConfigError as error:
        texts = error.errors
    results = [Result("settings", text, Error.SETTINGS) for text in texts]
    wrong = {text.split()[0].removesuffix("_FILE") for text in texts}
    usable = {name: value for name, value in env.items() if name.removesuffix("_FILE") not in wrong}
    try:
        return Config.from_env(usable | {name: _STAND_INS[name] for name in wrong & set(_STAND_INS)}), wrong, results
    except ConfigError:
        return Config.from_env(_STAND_INS), {"settings"}, results


def _checks(config: Config) -> Iterator[Check]:
    url = config.database_url
    settings = ("settings", "DATABASE_URL", "DATABASE_PASSWORD")
    reached = (*settings, "database")
    migrated = (*reached, "migrations")
    yield Check("database", settings, partial(database.check_server, url, config))
    yield Check("migrations", reached, partial(database.check_migrations, url))

    seconds_ahead: list[float] = []
    options: dict[str, Any] = {"timeout_seconds": config.plex_timeout_seconds, "on_clock": seconds_ahead.append}
    for base, (setting, path) in {  # one check if both settings name one address
        config.plex_discover_url: ("PLEX_DISCOVER_URL", LIST_PATH),
        config.plex_tv_url: ("PLEX_TV_URL", USER_PATH),
    }.items():
        way = partial(plex.check_way, base + path, **options)
        yield Check(base, ("settings", setting), way, subject="plex", seconds=None)
    yield Check("clock", (), partial(plex.check_clock, seconds_ahead))
    needs = (*migrated, "TOKEN_ENCRYPTION_KEY", "PLEX_TV_URL", config.plex_tv_url)
    yield Check("token", needs, partial(plex.check_tokens, config), seconds=None)

    if config.plex_server_url:
        needs = (*migrated, "PLEX_SERVER_URL", "PLEX_SERVER_TOKEN")
        yield Check("server", needs, partial(plex.check_media_server, config))

    interval = timedelta(hours=config.sync_interval_hours)
    yield Check("scheduler", migrated, partial(database.check_scheduler, url, interval=interval))
    yield Check("api", ("settings", "PORT", "URL_BASE"), partial(check_api, config.port, config.url_base))
    backups = [config.backup_dir] if config.backup_dir.is_dir() else []
    yield Check("env", (), partial(check_env_file, Path(".env")), subject="settings")
    yield Check("disk", (), partial(check_disk, [Path.cwd(), *backups]))


def _run(check: Check, subject: str) -> list[Result]:
    try:
        return within(check.seconds, check.run)
    except TimeoutError:
        text = f"Stopped after {_CHECK_SECONDS} s without a result."
    except Exception as error:
        # The error's own text may hold a secret. Name the place, which for SQL is in queries/ and not in db.py.
        frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
        path, line = [at for at in frames if PACKAGE in at[0].parents and at[0] != PACKAGE / "db.py"][-1]
        text = f"{type(error).__name__} in {path.name}, line {line}."
    return [Result(subject, text, Error.BROKEN_OFF)]


def check_api(port: int, url_base: str) -> list[Result]:
    """Check whether the API answers here. It may run in another container, so this is never an error."""
    note = partial(Result, "api", mark="note")
    try:
        status, reply = _ask_api(port, "/health")
        below = not url_base or _ask_api(port, f"{url_base}/health")[0] == status
    except OSError:
        return [note(f"Does not answer on port {port} here. It may run elsewhere, as it does with compose.")]
    except (HTTPException, ValueError):
        status, reply, below = 0, None, False
    if not isinstance(reply, dict) or "database" not in reply:
        return [note(f"Something else answers on port {port}.")]
    if status != 200:
        return [note(f"Answers on port {port}, but it cannot reach its database.")]
    if not below:
        return [note(f"Answers on port {port}, but not under {url_base}: it was started with another URL_BASE.")]
    return [Result("api", f"Answers on port {port}{f', and under {url_base}' if url_base else ''}.")]


def _ask_api(port: int, path: str) -> tuple[int, Any]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=_API_SECONDS)) as connection:  # never through a proxy
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read(10_000))


def check_env_file(path: Path) -> list[Result]:
    """Warn if other users of this machine may read the file, which has secrets. A container has none."""
    if not path.is_file() or not path.stat().st_mode & 0o077:
        return []
    text = f"Other users of this machine may open the file {path}, which holds secrets. Run: chmod 600 {path}"
    return [Result("settings", text, mark="warn")]


def check_disk(paths: list[Path], *, minimum_bytes: float = _MINIMUM_FREE_BYTES) -> list[Result]:
    """Check that there is room where these directories are."""
    results: list[Result] = []
    for path in paths:
        disk = shutil.disk_usage(path)
        text = f"{disk.free / 1e9:.1f} of {disk.total / 1e9:.1f} GB are free at {path}."
        results.append(Result("disk", text, Error.DISK if disk.free < minimum_bytes else None))
    return results
