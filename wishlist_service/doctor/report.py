"""python -m wishlist_service.doctor: tell whether everything is in order, and if not, what to do.

Looks at settings, database, the way to Plex, clock, everybody's token, media server, scheduler, API and disk.
Changes nothing. Exit status 1 if anything is wrong.
"""

import json
import shutil
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from wishlist_service.config import Config, ConfigError, environment
from wishlist_service.doctor import database, media_server, plex
from wishlist_service.doctor.findings import Finding, Kind
from wishlist_service.plex.client import LIST_PATH, USER_PATH
from wishlist_service.process.deadline import within

PACKAGE: Final = Path(__file__).parent.parent
_CHECK_SECONDS: Final = 20
_API_SECONDS: Final = 5
_LEAST_FREE_BYTES: Final = 500_000_000

_STAND_INS: Final = {
    "DATABASE_URL": "postgresql://nowhere.invalid/none",
    "API_KEY": "stands-in-for-a-missing-one",
    "TOKEN_ENCRYPTION_KEY": "stands-in-for-a-missing-one",
}


@dataclass(frozen=True)
class Check:
    """A check and the settings and other checks without which it makes no sense."""

    name: str
    needs: Sequence[str]
    run: Callable[[], list[Finding]]
    subject: str = ""
    """The check's word in the report, if not its name."""
    seconds: float | None = _CHECK_SECONDS
    """None for a check that bounds itself."""


def examine() -> Iterator[Finding]:
    """Every finding, one check after the other; a check that breaks off is a finding, too."""
    config, wrong, findings = _read_settings()
    yield from findings
    for check in _checks(config):
        subject = check.subject or check.name
        cause = next((need for need in check.needs if need in wrong), None)
        not_checked = Finding(subject, f"Not checked: it needs {cause}.", mark="skip")
        findings = [not_checked] if cause else _run(check, subject)
        if cause or any(finding.fault for finding in findings):
            wrong.add(check.name)
        yield from findings


def _read_settings() -> tuple[Config, set[str], list[Finding]]:
    """The settings, the names of those that only stand in for wrong ones, and what there is to say."""
    try:
        env = environment()
    except SystemExit as error:  # .env cannot be read
        return Config.from_env(_STAND_INS), {"settings"}, [Finding("settings", str(error), fault=Kind.SETTINGS)]
    try:
        return Config.from_env(env), set(), [Finding("settings", "All settings are understood.")]
    except ConfigError as error:
        faults = error.errors
    findings = [Finding("settings", fault, fault=Kind.SETTINGS) for fault in faults]
    wrong = {fault.split()[0].removesuffix("_FILE") for fault in faults}
    usable = {name: value for name, value in env.items() if name.removesuffix("_FILE") not in wrong}
    try:
        return (
            Config.from_env({**usable, **{name: _STAND_INS[name] for name in wrong & set(_STAND_INS)}}),
            wrong,
            findings,
        )
    except ConfigError:
        return Config.from_env(_STAND_INS), {"settings"}, findings


def _checks(config: Config) -> Iterator[Check]:
    url = config.database_url
    settings = ("settings", "DATABASE_URL", "DATABASE_PASSWORD")
    reached = (*settings, "database")
    migrated = (*reached, "migrations")
    yield Check("database", settings, partial(database.check_server, url))
    yield Check("migrations", reached, partial(database.check_migrations, url))

    seconds_ahead: list[float] = []
    asked = {
        config.plex_discover_url: ("PLEX_DISCOVER_URL", LIST_PATH),
        config.plex_tv_url: ("PLEX_TV_URL", USER_PATH),
    }
    for base, (setting, path) in asked.items():
        way = partial(
            plex.check_way,
            f"{base}{path}",
            timeout_seconds=config.plex_timeout_seconds,
            on_clock=seconds_ahead.append,
        )
        yield Check(base, ("settings", setting), way, subject="plex", seconds=None)
    yield Check("clock", (), partial(plex.check_clock, seconds_ahead))
    needs = (*migrated, "TOKEN_ENCRYPTION_KEY", "PLEX_TV_URL", config.plex_tv_url)
    yield Check("token", needs, partial(plex.check_tokens, config), seconds=None)

    if config.plex_server_url:
        needs = (*migrated, "PLEX_SERVER_URL", "PLEX_SERVER_TOKEN")
        yield Check("server", needs, partial(media_server.check_media_server, config))

    yield Check("scheduler", migrated, partial(database.check_scheduler, url))
    yield Check("api", ("settings", "PORT", "URL_BASE"), partial(check_api, config.port, config.url_base))
    backups = [config.backup_dir] if config.backup_dir.is_dir() else []
    yield Check("disk", (), partial(check_disk, [Path.cwd(), *backups]))


def _run(check: Check, subject: str) -> list[Finding]:
    try:
        return within(check.seconds, check.run)
    except TimeoutError:
        text = f"Not done within {_CHECK_SECONDS} s, and given up."
    except Exception as error:
        # never its text: that may hold a secret
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if str(PACKAGE) in frame.filename]
        text = f"{type(error).__name__} in {Path(ours[-1].filename).name}, line {ours[-1].lineno}."
    return [Finding(subject, text, fault=Kind.BROKEN_OFF)]


def check_api(port: int, url_base: str) -> list[Finding]:
    """Whether the API answers here; it may as well run in another container, so this is never a fault."""
    try:
        status, told = _ask_api(port, "/health")
        below = not url_base or _ask_api(port, f"{url_base}/health")[0] == status
    except OSError:
        text = f"Does not answer on port {port} here. It may run elsewhere, as it does with compose."
        return [Finding("api", text, mark="note")]
    except (HTTPException, ValueError):
        status, told, below = 0, None, False
    if not isinstance(told, dict) or "database" not in told:
        return [Finding("api", f"Something else answers on port {port}.", mark="note")]
    if status != 200:
        return [Finding("api", f"Answers on port {port}, but says that its database is away.", mark="note")]
    if not below:
        text = f"Answers on port {port}, but not under {url_base}: it was started with another URL_BASE."
        return [Finding("api", text, mark="note")]
    return [Finding("api", f"Answers on port {port}{f', and under {url_base}' if url_base else ''}.")]


def _ask_api(port: int, path: str) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=_API_SECONDS)  # by no proxy
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read(10_000))
    finally:
        connection.close()


def check_disk(paths: list[Path], *, least_bytes: float = _LEAST_FREE_BYTES) -> list[Finding]:
    """Whether there is room where these directories are."""
    findings: list[Finding] = []
    for path in paths:
        disk = shutil.disk_usage(path)
        text = f"{disk.free / 1e9:.1f} of {disk.total / 1e9:.1f} GB are free at {path}."
        findings.append(Finding("disk", text, fault=Kind.DISK if disk.free < least_bytes else None))
    return findings
