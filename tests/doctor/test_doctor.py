"""The doctor as it is started in earnest: settings, database, scheduler, API and disk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.examinations import PASSWORD, answering, assert_only_error, examine, marks, settings_for
from tests.support.fake_plex import FakePlex, row
from tests.support.household import Household
from tests.support.processes import environment, free_port, gunicorn
from wishlist_service.doctor import database, report
from wishlist_service.doctor.errors import Error
from wishlist_service.sync import claims

pytestmark = pytest.mark.slow


def test_a_line_for_each_thing_that_is_well(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben")
    household.conn.execute("UPDATE plex_users SET next_sync_at = now() + interval '90 minutes 20 seconds'")
    env = settings_for(household, URL_BASE="/wishes", TRUSTED_PROXIES="1")

    with gunicorn(env):
        status, output = examine(env)

    subjects = ["settings", "database", "migrations", "plex", "clock", "token", "token", "scheduler", "api", "disk"]
    found = [mark for mark in marks(output) if mark != ("warn", "database")]  # that the tests' user is a superuser
    assert found == [("ok", subject) for subject in subjects]
    assert status == 0
    assert "Ann: accepted, account ann." in output
    assert "due in 1 h 30 min" in output
    assert "and under /wishes" in output
    assert len(output.splitlines()) == len(marks(output)) + 2


def test_a_fresh_installation_has_no_faults_and_what_is_not_there_yet_is_noted(household: Household) -> None:
    status, output = examine(settings_for(household))

    assert status == 0
    assert [subject for mark, subject in marks(output) if mark == "note"] == ["token", "scheduler", "api"]


def test_watchlist_that_was_not_read_for_a_day_is_an_error_and_none_at_all_is_a_note(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben")
    household.sync()
    household.conn.execute(
        "UPDATE plex_users SET sync_state = 'unreachable', sync_detail = 'Plex did not answer.', "
        "next_sync_at = now() + interval '30 minutes' WHERE name = 'Ann'"
    )
    household.conn.execute(
        "UPDATE plex_users SET sync_state = 'no_watchlist', sync_detail = 'It has none.', "
        "last_success_at = now() - interval '9 days' WHERE name = 'Ben'"
    )

    fine = examine(settings_for(household))
    household.conn.execute("UPDATE plex_users SET last_success_at = now() - interval '25 hours' WHERE name = 'Ann'")
    late = examine(settings_for(household))

    assert (fine[0], ("note", "list") in marks(fine[1])) == (0, True), fine[1]
    assert_only_error(late, Error.LIST_UNREAD, "Ann: unreachable. Plex did not answer.")


def test_missing_settings_are_named_and_the_rest_is_still_checked(plex: FakePlex) -> None:
    status, output = examine(environment("", plex.url, API_KEY="short", TOKEN_ENCRYPTION_KEY=""))

    assert status == 1
    assert [line.split()[2] for line in output.splitlines() if line.startswith("ERROR")] == [
        "DATABASE_URL",
        "API_KEY",
        "TOKEN_ENCRYPTION_KEY",
    ]
    assert output.count(f'(docs/troubleshooting.md, "{Error.SETTINGS.heading}")') == 1
    assert [subject for mark, subject in marks(output) if mark == "skip"] == [
        "database",
        "migrations",
        "token",
        "scheduler",
    ]
    assert {("ok", "plex"), ("ok", "clock"), ("ok", "disk")} <= set(marks(output))


def test_wrong_key_of_the_tokens_alone_leaves_the_database_to_be_checked(household: Household) -> None:
    result = examine(settings_for(household, TOKEN_ENCRYPTION_KEY="short"))

    assert_only_error(result, Error.SETTINGS, "TOKEN_ENCRYPTION_KEY is too short")
    assert {("ok", "database"), ("skip", "token"), ("note", "scheduler")} <= set(marks(result[1]))


def test_settings_that_cannot_be_read_at_all(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff")

    result = examine(environment(""), cwd=tmp_path)

    assert_only_error(result, Error.SETTINGS, "The file .env cannot be read")
    assert marks(result[1])[-1] == ("ok", "disk")


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("u:{password}@127.0.0.1:{port}/x", "Connection refused"),
        ("u:{password}@nowhere.invalid/x", "nowhere.invalid"),
    ],
)
def test_database_that_is_not_there(plex: FakePlex, address: str, text: str) -> None:
    url = f"postgresql://{address.format(password=PASSWORD, port=free_port())}"

    result = examine(environment(url, plex.url))

    assert_only_error(result, Error.DATABASE_AWAY, text)
    assert [subject for mark, subject in marks(result[1]) if mark == "skip"] == ["migrations", "token", "scheduler"]


@pytest.mark.parametrize("address", ["u:1@{password}@nowhere.invalid/x", "u:{password}/1@127.0.0.1/x"])
def test_password_that_spills_into_its_neighbours_is_never_printed(plex: FakePlex, address: str) -> None:
    result = examine(environment(f"postgresql://{address.format(password=PASSWORD)}", plex.url))

    assert_only_error(result, Error.SETTINGS, "DATABASE_URL")
    assert "must be percent-encoded" in " ".join(result[1].split())
    assert PASSWORD not in result[1]


def test_password_that_stands_apart_is_never_printed_and_its_file_is_checked(plex: FakePlex) -> None:
    env = environment(f"postgresql://u@127.0.0.1:{free_port()}/x", plex.url)

    refused = examine(env | {"DATABASE_PASSWORD": f"@/{PASSWORD}"})
    unreadable = examine(env | {"DATABASE_PASSWORD_FILE": "/nowhere"})

    assert_only_error(refused, Error.DATABASE_AWAY, "Connection refused")
    assert_only_error(unreadable, Error.SETTINGS, "DATABASE_PASSWORD_FILE names a file that cannot be read")
    assert ("skip", "database") in marks(unreadable[1])


def test_database_that_refuses_us(household: Household) -> None:
    env = settings_for(household)
    env["DATABASE_URL"] += f"{'&' if '?' in env['DATABASE_URL'] else '?'}user=nobody_here&password={PASSWORD}"

    assert_only_error(examine(env), Error.DATABASE_AWAY, "nobody_here")


def test_database_that_is_too_old(database_url: str) -> None:
    found = database.check_server(database_url, oldest=99)

    assert [result.error for result in found] == [Error.DATABASE_OLD]
    assert "needs 99 or newer" in found[0].text


def test_database_that_only_lets_us_read(household: Household) -> None:
    name = household.conn.info.dbname
    household.conn.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())

    assert_only_error(examine(settings_for(household)), Error.DATABASE_READ_ONLY, "is read-only.")


def test_empty_database_stays_empty(new_database: Callable[[str | None], str], plex: FakePlex) -> None:
    url = new_database(None)

    assert_only_error(examine(environment(url, plex.url)), Error.MIGRATIONS, "no tables yet")
    assert_only_error(examine(environment(url, plex.url)), Error.MIGRATIONS, "no tables yet")


def test_missing_migration_is_named(household: Household) -> None:
    household.conn.execute("DELETE FROM _yoyo_migration WHERE migration_id = '0004_runs'")

    assert_only_error(examine(settings_for(household)), Error.MIGRATIONS, "Not applied: 0004_runs.")


def test_database_made_from_another_file_is_named(household: Household) -> None:
    household.conn.execute("UPDATE _yoyo_migration SET migration_hash = 'f' WHERE migration_id = '0003_wishes'")

    text = "since sql/0003_wishes.sql was changed after it was applied."
    assert_only_error(examine(settings_for(household)), Error.OTHER_SCHEMA, text)


def test_database_of_an_earlier_version_is_named(household: Household) -> None:
    household.conn.execute("INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ('f', '0001_wishlist')")

    text = "since it has the migration 0001_wishlist of an earlier version."
    assert_only_error(examine(settings_for(household)), Error.OTHER_SCHEMA, text)


def test_database_of_a_newer_version_is_told_of(household: Household) -> None:
    household.conn.execute("INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ('f', '9999_later')")

    status, output = examine(settings_for(household))

    assert status == 0
    assert "ahead of this version by 9999_later" in output


def test_sync_that_is_overdue_tells_of_a_scheduler_that_is_not_running(household: Household) -> None:
    household.add("Ann")
    household.conn.execute("UPDATE plex_users SET next_sync_at = now() - interval '11 minutes'")

    assert_only_error(examine(settings_for(household)), Error.SCHEDULER, "did not start.")


def test_sync_that_is_overdue_because_one_is_running_is_no_fault(household: Household) -> None:
    household.add("Ann")
    household.conn.execute("UPDATE plex_users SET next_sync_at = now() - interval '11 minutes'")

    with claims.claim(household.config, trigger="command").conn:
        status, output = examine(settings_for(household))

    assert status == 0
    assert "Sync 1 is running." in output


def test_check_that_breaks_off_is_a_fault_and_the_others_go_on(household: Household) -> None:
    household.add("Ann")
    household.conn.execute("DROP FUNCTION rfc3339 CASCADE")
    household.conn.execute("DROP VIEW sync_run_reports")

    result = examine(settings_for(household))

    assert_only_error(result, Error.BROKEN_OFF, "UndefinedTable in sync_runs.py, line ")
    assert {("ok", "token"), ("note", "api"), ("ok", "disk")} <= set(marks(result[1]))


def test_something_else_at_the_port_of_the_api_is_noted(household: Household) -> None:
    with answering(200) as other:
        status, output = examine(settings_for(household) | {"PORT": other.rpartition(":")[2]})

    assert status == 0
    assert "Something else answers on port" in output


def test_api_under_another_path_is_noted(household: Household) -> None:
    env = settings_for(household)

    with gunicorn(env):
        status, output = examine(env | {"URL_BASE": "/wishes"})

    assert status == 0
    assert "not under /wishes" in output


def test_disk_that_is_nearly_full(tmp_path: Path) -> None:
    found = report.check_disk([tmp_path, tmp_path], minimum_bytes=1e30)

    assert [result.error for result in found] == [Error.DISK, Error.DISK]
    assert str(tmp_path) in found[0].text


def test_disk_with_room_is_well(tmp_path: Path) -> None:
    assert [result.error for result in report.check_disk([tmp_path], minimum_bytes=0)] == [None]


def test_env_file_that_others_may_read_is_warned_of(household: Household, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=8000\n")
    env = settings_for(household)

    said = {}
    for mode in (0o644, 0o640, 0o600):
        file.chmod(mode)
        status, output = examine(env, cwd=tmp_path)
        said[mode] = ("warn", "settings") in marks(output), "Run: chmod 600 .env" in output, status

    assert said == {0o644: (True, True, 0), 0o640: (True, True, 0), 0o600: (False, False, 0)}
