"""Secrets in files and beside the address they belong to."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.commands.test_config import ENOUGH, OPTIONAL, config, faults
from wishlist_service.config import Config


@pytest.mark.parametrize(
    "name", ["DATABASE_URL", "API_KEY", "TOKEN_ENCRYPTION_KEY", "READ_API_KEY", "PLEX_SERVER_TOKEN", "NOTIFY_URLS"]
)
def test_secret_may_stand_in_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    told = ENOUGH | {
        name: OPTIONAL[name] for name in ("READ_API_KEY", "PLEX_SERVER_URL", "PLEX_SERVER_TOKEN", "NOTIFY_URLS")
    }
    file.write_text(f"{told[name]}\n")

    assert Config.from_env(told | {name: "", f"{name}_FILE": str(file)}) == Config.from_env(told)


def test_setting_itself_wins_over_its_file(tmp_path: Path) -> None:
    assert config(API_KEY_FILE=str(tmp_path / "nothing")).api_key == ENOUGH["API_KEY"]


def test_file_of_a_secret_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    said = faults(API_KEY="", API_KEY_FILE=str(tmp_path / "nothing"))

    assert said[0] == "API_KEY_FILE names a file that cannot be read: FileNotFoundError"


def test_password_of_its_own_needs_no_encoding(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss w'ord/\\\n")

    found = conninfo_to_dict(
        config(DATABASE_URL="postgresql://ann@db/x", DATABASE_PASSWORD_FILE=str(file)).database_url
    )

    assert found == {"user": "ann", "password": "p@ss w'ord/\\", "host": "db", "dbname": "x"}


def test_reading_key_must_be_another_one() -> None:
    assert faults(READ_API_KEY=ENOUGH["API_KEY"]) == ["READ_API_KEY must differ from API_KEY"]


@pytest.mark.parametrize("content", ["", " \n"])
def test_empty_file_of_a_secret_is_a_fault_and_opens_nothing(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secret"
    file.write_text(content)

    assert faults(READ_API_KEY_FILE=str(file)) == ["READ_API_KEY_FILE names an empty file"]


@pytest.mark.parametrize("address", ["u:p@ss@host/x", "u:p@ss/w@host/x", "u:pa/ss@host/x"])
def test_password_that_spills_out_of_its_place_is_a_fault_that_does_not_show_it(address: str) -> None:
    said = faults(DATABASE_URL=f"postgresql://{address}")

    assert [fault.split()[0] for fault in said] == ["DATABASE_URL"]
    assert "ss" not in said[0].replace("special", "").replace("password", "")
