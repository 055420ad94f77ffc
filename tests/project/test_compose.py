"""docker-compose.yml and the entry script: health checks that tell the truth, keys made once, who migrates, stops."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from psycopg import Connection, connect

from tests.support.backups import NewDatabase
from tests.support.household import Household
from tests.support.processes import (
    CHECKOUT,
    GUNICORN,
    Program,
    descendants,
    environment,
    gunicorn,
    program,
    settings_for,
    wait_until,
    waiting_for_locks,
)
from tests.support.slow import slow
from wishlist_service.__main__ import MEMORY
from wishlist_service.migrate import migrate

COMPOSE = (CHECKOUT / "docker-compose.yml").read_text()
SERVICES = yaml.safe_load(COMPOSE)["services"]
HOUR = 3600


def test_image_and_make_run_keep_memory_small_alike() -> None:
    image = dict(re.findall(r"(MALLOC_\w+)=(\S+)", (CHECKOUT / "Dockerfile").read_text()))

    assert image == MEMORY
    assert {"MALLOC_ARENA_MAX", "MALLOC_TRIM_THRESHOLD_"} <= MEMORY.keys()


def environment_of(service: str) -> set[str]:
    return set(SERVICES[service]["environment"])


def test_each_container_gets_only_the_secrets_that_it_uses() -> None:
    secret = re.compile("KEY|TOKEN|PASSWORD|NOTIFY_URLS")
    given = {name: {each for each in environment_of(name) if secret.search(each)} for name in SERVICES}
    mounted = {name: {str(each).partition(":")[0] for each in service["volumes"]} for name, service in SERVICES.items()}

    tokens = {"TOKEN_ENCRYPTION_KEY", "PLEX_SERVER_TOKEN"}
    assert {name: {each.removesuffix("_FILE") for each in keys} for name, keys in given.items()} == {
        "db": {"POSTGRES_PASSWORD"},
        "api": {"DATABASE_PASSWORD", "API_KEY", "READ_API_KEY"} | tokens,
        "scheduler": {"DATABASE_PASSWORD", "NOTIFY_URLS"} | tokens,
        "backup": {"DATABASE_PASSWORD"},
    }
    assert given["backup"] == {"DATABASE_PASSWORD_FILE"}
    assert {name for name, places in mounted.items() if "keys" in places} == {"api", "scheduler"}


def test_every_container_is_read_only_and_has_no_right_that_it_does_not_need() -> None:
    for service in SERVICES.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "/tmp" in service["tmpfs"]
    added = {name: service["cap_add"] for name, service in SERVICES.items() if "cap_add" in service}
    assert added == {"db": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]}


def test_database_has_no_way_out_and_only_the_api_a_port() -> None:
    networks = yaml.safe_load(COMPOSE)["networks"]

    assert networks["database"] == {"internal": True}
    assert {name: service["networks"] for name, service in SERVICES.items()} == {
        "db": ["database"],
        "api": ["default", "database"],
        "scheduler": ["default", "database"],
        "backup": ["database"],
    }
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["api"]


@pytest.mark.slow
def test_scheduler_needs_no_key_of_the_api(household: Household) -> None:
    env = settings_for(household, API_KEY="")

    with program("-m", "wishlist_service.scheduler", env=env) as scheduler:
        scheduler.wait_for("scheduler started")
        assert scheduler.end() == 0
    with program("-m", "wishlist_service.sync", env=env) as command:
        assert command.exit_status() == 0, command.output


def is_healthy(service: str, path: str, here: Path) -> bool:
    """What the shell of the service's health check says, its `path` taken for the directory or file `here`."""
    section = COMPOSE.partition(f"\n  {service}:\n")[2]
    command = re.findall(r'test: \["CMD-SHELL", "(.*)"\]', section)[0].replace('\\"', '"').replace("$$", "$")
    assert path in command
    return subprocess.run(["sh", "-c", command.replace(path, str(here))], stderr=subprocess.DEVNULL).returncode == 0


def make(path: Path, *, hours_old: float, content: str = "x") -> None:
    path.write_text(content)
    moment = time.time() - hours_old * HOUR
    os.utime(path, (moment, moment))


@pytest.mark.parametrize(("hours_old", "healthy"), [(0, True), (0.08, True), (0.12, False), (24, False)])
def test_scheduler_is_healthy_while_it_shows_that_it_is_alive(tmp_path: Path, hours_old: float, healthy: bool) -> None:
    make(tmp_path / "alive", hours_old=hours_old)

    assert is_healthy("scheduler", "/tmp/alive", tmp_path / "alive") == healthy


def test_scheduler_that_never_showed_itself_is_not_healthy(tmp_path: Path) -> None:
    assert not is_healthy("scheduler", "/tmp/alive", tmp_path / "alive")


@pytest.mark.parametrize(("hours_old", "content", "healthy"), [(25, "x", True), (27, "x", False), (1, "", False)])
def test_backup_is_healthy_while_the_newest_is_fresh_and_not_empty(
    tmp_path: Path, hours_old: float, content: str, healthy: bool
) -> None:
    make(tmp_path / "wishlist-2026-01-02T033000Z.dump", hours_old=hours_old, content=content)
    make(tmp_path / "wishlist-2026-01-01T033000Z.dump", hours_old=50)
    make(tmp_path / "wishlist-2026-01-03T033000Z.dump.partial", hours_old=0)
    make(tmp_path / "holiday.dump", hours_old=0)

    assert is_healthy("backup", "/backup", tmp_path) == healthy


@pytest.mark.slow
@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:9"])
def test_api_is_healthy_while_it_answers_whatever_proxy_is_set(household: Household, proxy: str) -> None:
    command = re.findall(r'test: \["CMD", "python", "-c", "(.*)"\]', COMPOSE)[0]
    proxies = {"HTTP_PROXY": proxy, "http_proxy": proxy}
    env = settings_for(household)
    with gunicorn(env):
        healthy = subprocess.run([sys.executable, "-c", command.replace("8000", env["PORT"])], env=env | proxies)
        other = subprocess.run(
            [sys.executable, "-c", command.replace("8000", "9")], env=env | proxies, stderr=subprocess.DEVNULL
        )

    assert (healthy.returncode, other.returncode) == (0, 1)


@contextmanager
def started(keys: Path, *command: str, **given: str) -> Iterator[Program]:
    """The image's entrypoint with another directory for the keys."""
    script = (CHECKOUT / "docker-entrypoint.sh").read_text().replace("/keys", str(keys))
    files = {f"{name.upper()}_FILE": f"{keys}/{name}" for name in ("api_key", "token_encryption_key")}
    env = {"PATH": os.environ["PATH"]} | files | given
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"  # the image's python is ours
    running = Program(["sh", "-c", script, "sh", *command], env)
    try:
        yield running
    finally:
        running.close()


def entrypoint(keys: Path, *command: str, **given: str) -> str:
    """Run the image's entrypoint to its end; what is printed."""
    with started(keys, *command, **given) as running:
        assert running.exit_status() == 0, running.output
    return running.output


def end_container(running: Program) -> None:
    """As `docker stop` does with init: the stop reaches the first process, and what it leaves behind is killed."""
    others = descendants(running.process.pid)
    assert running.end() == -signal.SIGTERM
    for pid in others:
        os.kill(pid, signal.SIGKILL)


def ask_for_tables(conn: Connection[Any]) -> list[tuple[str, ...]]:
    """The tables and views that are not yoyo's."""
    return conn.execute(
        """
        SELECT relname
          FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND relname !~ 'yoyo'
        """
    ).fetchall()


def test_keys_are_made_once_even_by_containers_that_start_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(lambda _: entrypoint(tmp_path, "cat", str(tmp_path / "api_key")), range(16)))

    other = (tmp_path / "token_encryption_key").read_text()
    assert len(seen) == 1
    assert all(re.fullmatch("[0-9a-f]{48}", key) for key in (*seen, other))
    assert seen != {other}
    assert {path.name for path in tmp_path.iterdir()} == {"api_key", "token_encryption_key"}
    assert entrypoint(tmp_path, "cat", str(tmp_path / "api_key")) in seen


def test_without_a_place_for_keys_none_are_made(tmp_path: Path) -> None:
    assert entrypoint(tmp_path / "nowhere", "echo", "a  b") == "a  b\n"


@pytest.mark.parametrize("given", [{"API_KEY": "of-env-0123456789"}, {"API_KEY_FILE": "/run/secrets/key"}])
def test_key_that_is_given_is_not_made_beside(tmp_path: Path, given: dict[str, str]) -> None:
    entrypoint(tmp_path, "true", **given)

    assert [path.name for path in tmp_path.iterdir()] == ["token_encryption_key"]


@pytest.mark.parametrize(
    ("command", "migrated"),
    [
        (("sh", "-c", "echo became gunicorn wsgi:app"), True),
        *slow((("sh", "-c", "echo became python -m wishlist_service.scheduler"), True)),
        (("sh", "-c", "echo became python -m wishlist_service.doctor"), False),
        *slow(
            (("sh", "-c", "echo became python -m wishlist_service.sync"), False),
            (("sh", "-c", "echo became python -m wishlist_service.backup --nightly"), False),
            (("sh", "-c", "echo became python -m wishlist_service.restore FILE"), False),
        ),
    ],
    ids=lambda value: value[-1].split()[-1] if isinstance(value, tuple) else None,
)
def test_only_what_serves_the_database_migrates_it_first(
    new_database: NewDatabase, tmp_path: Path, command: tuple[str, ...], migrated: bool
) -> None:
    url = new_database(None)

    printed = entrypoint(tmp_path, *command, **environment(url))

    assert printed.splitlines()[-1].startswith("became ")
    assert ("migrated applied=0001_people," in printed) == migrated
    with connect(url) as conn:
        assert bool(ask_for_tables(conn)) == migrated


def test_refused_migration_ends_the_container(household: Household, tmp_path: Path) -> None:
    household.conn.execute("UPDATE _yoyo_migration SET migration_hash = 'f' WHERE migration_id = '0002_titles'")

    with started(tmp_path, "sh", "-c", "echo became gunicorn", **settings_for(household)) as refused:
        assert refused.exit_status() == 1

    assert "sql/0002_titles.sql was changed" in refused.output
    assert "became" not in refused.output


@pytest.mark.slow
def test_stop_while_it_waits_for_the_database_ends_the_container(tmp_path: Path) -> None:
    env = environment("postgresql://nobody@127.0.0.1:9/none")

    with started(tmp_path, "gunicorn", "wsgi:app", **env) as waiting:
        waiting.wait_for("waiting for the database")
        end_container(waiting)

    assert "became" not in waiting.output


@pytest.mark.slow
def test_stop_in_the_middle_of_the_migration_leaves_nothing_of_it(new_database: NewDatabase, tmp_path: Path) -> None:
    url = new_database(None)
    with connect(url) as hold, connect(url, autocommit=True) as look:
        hold.execute("CREATE TABLE news_addresses (id int)")  # uncommitted: the last file waits for it
        with started(tmp_path, "gunicorn", "wsgi:app", **environment(url)) as migrating:
            wait_until(lambda: waiting_for_locks(look) == 1)
            end_container(migrating)
        hold.rollback()
        wait_until(lambda: not look.execute("SELECT FROM pg_stat_activity WHERE application_name ~ 'migrate'").rowcount)

        assert ask_for_tables(look) == []

    assert len(migrate(url)) == 5


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [GUNICORN, ("-m", "wishlist_service.backup", "--nightly")])
def test_stop_during_the_start_ends_the_program(
    household: Household, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    env = settings_for(household, BACKUP_DIR=str(tmp_path / "backup"))

    with program(*arguments, env=env) as starting:
        assert starting.end() in (0, -signal.SIGTERM)

    assert "Traceback" not in starting.output
