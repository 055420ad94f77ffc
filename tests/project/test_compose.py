"""What stands in docker-compose.yml and Dockerfile alone: health checks that tell the truth, keys made once."""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.household import Household
from tests.support.processes import CHECKOUT, GUNICORN, program, settings_for
from wishlist_service.__main__ import MEMORY

COMPOSE = (CHECKOUT / "docker-compose.yml").read_text()
HOUR = 3600


def test_image_and_make_run_keep_memory_small_alike() -> None:
    image = dict(re.findall(r"(MALLOC_\w+)=(\S+)", (CHECKOUT / "Dockerfile").read_text()))

    assert image == MEMORY
    assert {"MALLOC_ARENA_MAX", "MALLOC_TRIM_THRESHOLD_"} <= MEMORY.keys()


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


def entrypoint(keys: Path, *command: str, **given: str) -> str:
    """Run the image's entrypoint with another directory for the keys; what the command prints."""
    script = (CHECKOUT / "docker-entrypoint.sh").read_text().replace("/keys", str(keys))
    files = {f"{name.upper()}_FILE": f"{keys}/{name}" for name in ("api_key", "token_encryption_key")}
    return subprocess.run(
        ["sh", "-c", script, "sh", *command],
        env={"PATH": os.environ["PATH"]} | files | given,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


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
    "arguments",
    [("gunicorn", *GUNICORN[2:]), ("wishlist_service.scheduler",), ("wishlist_service.backup", "--nightly")],
)
def test_container_told_to_stop_while_it_waits_or_becomes_its_program_ends_well(
    household: Household, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    env = settings_for(household, BACKUP_DIR=str(tmp_path / "backup"))
    command = ("-m", "wishlist_service.migrate", "--wait", "60", sys.executable, "-m", *arguments)

    with program(*command, env=env | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}) as waiting:
        waiting.wait_for("waiting for the database")
        assert waiting.end() == 0
    with program(*command, env=env) as becoming:
        becoming.wait_for("migrated applied=nothing")
        assert becoming.end() == 0

    assert "Traceback" not in waiting.output + becoming.output
