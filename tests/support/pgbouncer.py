"""A real pgbouncer before a database."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg import OperationalError, connect
from psycopg.conninfo import conninfo_to_dict

from tests.support.processes import AS_POSTGRES, Program, free_port, wait_until

UNPACKED = Path(sys.prefix, "pgbouncer")
CONFIGURATION = """
[databases]
{name} = host={host} dbname={name} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
"""


@contextmanager
def pgbouncer(database_url: str, *, mode: str) -> Iterator[str]:
    """The address of the database through a pgbouncer in this mode, which ignores no startup parameters."""
    parts = conninfo_to_dict(database_url)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="wishlist-pgbouncer-") as files:
        Path(files).chmod(0o755)
        configuration = Path(files, "pgbouncer.ini")
        configuration.write_text(CONFIGURATION.format(name=parts["dbname"], host=parts["host"], port=port, mode=mode))
        libraries = os.pathsep.join(str(path) for path in UNPACKED.glob("**/lib/*-linux-gnu"))
        running = Program(
            [*AS_POSTGRES, _find(), str(configuration)], {"LD_LIBRARY_PATH": libraries, "PATH": os.defpath}
        )
        url = f"postgresql://postgres@127.0.0.1:{port}/{parts['dbname']}"
        try:
            wait_until(lambda: running.process.poll() is not None or _answers(url))
            assert running.process.poll() is None, running.output
            yield url
        finally:
            running.close()


def _answers(url: str) -> bool:
    try:
        connect(url).close()
    except OperationalError:
        return False
    return True


def _find() -> str:
    found = shutil.which("pgbouncer", path=os.pathsep.join([os.defpath, "/usr/sbin", f"{UNPACKED}/usr/sbin"]))
    if found is None:
        pytest.fail("There is no pgbouncer. `make test` fetches it; or, on Debian and Ubuntu: apt install pgbouncer")
    return found
