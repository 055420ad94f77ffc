"""Backups on awkward shares: rights that cannot be changed, directories that cannot be synced, files that stay."""

import re
import subprocess
from pathlib import Path

import pytest
from psycopg import connect

from tests.support.backups import NewDatabase, back_up, dump_of, names, restore, with_older_backups
from tests.support.household import Household
from tests.support.processes import settings_for
from wishlist_service.migrate import migrate
from wishlist_service.postgres.programs import find_pg_dump

# A share that refuses what CIFS, sshfs and exFAT refuse. REFUSED names the calls.
SHARE = """
import errno, os, stat
refused = os.environ["REFUSED"].split()
def refuse(name, only=lambda first: True):
    real = getattr(os, name)
    def call(first, *rest, **more):
        if name in refused and only(first):
            raise OSError(errno.EPERM, "Operation not permitted")
        return real(first, *rest, **more)
    setattr(os, name, call)
refuse("fchmod")
refuse("chmod")
refuse("fsync", lambda descriptor: "file_fsync" in refused or stat.S_ISDIR(os.fstat(descriptor).st_mode))
refuse("unlink", lambda path: str(path).endswith(".dump"))
"""


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A directory for PYTHONPATH. With it, a program finds such a share everywhere."""
    directory = tmp_path / "share"
    directory.mkdir()
    (directory / "sitecustomize.py").write_text(SHARE)
    return directory


def on_share(household: Household, share: Path, refused: str, directory: Path) -> dict[str, str]:
    env = settings_for(household, BACKUP_DIR=str(directory), REFUSED=refused)
    return env | {"PYTHONPATH": f"{env['PYTHONPATH']}:{share}"}


@pytest.mark.slow
@pytest.mark.parametrize("refused", ["fchmod chmod", "fsync", "fchmod chmod fsync", "fsync file_fsync"])
def test_backup_is_written_where_rights_and_syncs_are_refused(
    household: Household, share: Path, tmp_path: Path, refused: str
) -> None:
    directory = with_older_backups(tmp_path / "backup")
    env = on_share(household, share, refused, directory)

    first, second = back_up(env), back_up(env)

    assert (first[0], second[0]) == (0, 0), first[1] + second[1]
    assert len(names(directory)) == 7
    assert not [name for name in names(directory) if name.endswith(".partial")]


@pytest.mark.slow
def test_old_backup_that_cannot_be_deleted_is_told_and_the_new_one_is_there(
    household: Household, share: Path, tmp_path: Path
) -> None:
    directory = with_older_backups(tmp_path / "backup")

    status, output = back_up(on_share(household, share, "unlink", directory))

    assert status == 0
    assert "backup written" in output
    assert output.count("old backup cannot be deleted") == 3
    assert len(names(directory)) == 10


@pytest.mark.slow
def test_backup_of_a_newer_version_is_refused_before_anything_is_changed(
    household: Household, new_database: NewDatabase, tmp_path: Path
) -> None:
    household.add("Ann")
    household.conn.execute(
        """
        INSERT INTO _yoyo_migration (migration_hash, migration_id, applied_at_utc)
        VALUES ('abc', '9999_of_a_newer_version', now())
        """
    )
    target = new_database(None)

    status, output = restore(target, dump_of(household.config.database_url, tmp_path))

    assert status == 1
    assert "9999_of_a_newer_version, which this version does not know" in output
    with connect(target) as conn:
        assert conn.execute("SELECT to_regclass('plex_users')").fetchone() == (None,)


def test_file_of_another_program_is_refused(new_database: NewDatabase, tmp_path: Path) -> None:
    source, target = new_database(None), new_database(None)
    with connect(source, autocommit=True) as conn:
        conn.execute("CREATE TABLE recipes AS SELECT 'soup' AS name")
        version = conn.info.server_version // 10_000
    file = tmp_path / "recipes.dump"
    subprocess.run([find_pg_dump(server_version=version), "-Fc", f"--file={file}", source], check=True)

    status, output = restore(target, file)

    assert status == 1
    assert "is no backup of this service" in output


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0.2, 0.9, 0.999])
def test_file_that_lost_its_end_is_refused(
    household: Household, new_database: NewDatabase, tmp_path: Path, kept: float
) -> None:
    household.add("Ann")
    dump = dump_of(household.config.database_url, tmp_path)
    content = dump.read_bytes()
    dump.write_bytes(content[: int(len(content) * kept)])
    target = new_database(None)
    migrate(target)

    status, output = restore(target, dump)

    assert status == 1
    assert re.search(r"cannot be restored|is no backup", output)
    with connect(target) as conn:
        assert conn.execute("SELECT count(*) FROM plex_users").fetchone() == (0,)
