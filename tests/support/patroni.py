"""A cluster of PostgreSQL servers that Patroni and etcd keep: if the leader dies, a standby takes over."""

import json
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from psycopg import OperationalError

from tests.support.own_server import Look
from tests.support.processes import (
    AS_POSTGRES,
    CHECKOUT,
    Program,
    free_ports,
    kill_all,
    request,
    wait_until,
)
from wishlist_service.postgres.programs import installed_binaries

NAMES = ("a", "b", "c")
START_SECONDS = 180  # to make three servers, on a machine that is busy
UNPACKED = Path(sys.prefix, "patroni")
# what all nodes agree on is as docs/scaling.md has it
DOCUMENTED = (CHECKOUT / "docs/scaling.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]


class Node:
    """A server and the Patroni that runs it."""

    def __init__(self, directory: Path, name: str, etcd_port: int, ports: Iterator[int]) -> None:
        self.name = name
        self.port, self._rest_port = islice(ports, 2)
        self.patroni: Program | None = None
        self._data = directory / name
        self._file = directory / f"{name}.yml"
        binaries = installed_binaries()
        assert binaries, "There is no PostgreSQL. On Debian and Ubuntu: apt install postgresql"
        listens = {"listen": f"127.0.0.1:{self.port}", "connect_address": f"127.0.0.1:{self.port}"}
        rest = f"127.0.0.1:{self._rest_port}"
        own: dict[str, Any] = {
            "scope": "wishlist",
            "name": name,
            "etcd3": {"host": f"127.0.0.1:{etcd_port}"},
            "restapi": {"listen": rest, "connect_address": rest},
            "postgresql": listens
            | {
                "data_dir": str(self._data),
                "bin_dir": str(binaries[-1]),
                "pg_hba": ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"],
                "parameters": {"unix_socket_directories": str(directory)},
                "authentication": {"superuser": {"username": "postgres"}, "replication": {"username": "replicator"}},
            },
        }
        lines = (f"{key}: {json.dumps(value)}\n" for key, value in own.items())  # JSON is YAML, too
        self._file.write_text(DOCUMENTED + "".join(lines))

    def start(self) -> None:
        libraries = os.pathsep.join(str(path) for path in UNPACKED.glob("**/lib/*-linux-gnu"))
        packages = f"{UNPACKED}/usr/lib/python3/dist-packages"
        env = {"PATH": os.defpath, "PYTHONPATH": packages, "LD_LIBRARY_PATH": libraries}
        # Debian's Python has the version that the compiled packages are for
        self.patroni = Program([*AS_POSTGRES, "/usr/bin/python3", "-m", "patroni", str(self._file)], env)

    def kill(self) -> None:
        """Kill -9 for Patroni, so that it starts nothing again, and for its server."""
        server = self._server()
        if self.patroni:
            self.patroni.process.kill()
        if server:
            kill_all(server)
        if self.patroni:
            self.patroni.close()

    def _server(self) -> int | None:
        """The process of the server, if it runs: a killed one leaves its file."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split()[0])
            command = Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            return None
        return pid if str(self._data) in command else None

    def members(self) -> list[dict[str, Any]]:
        """The cluster as this node sees it; empty if it does not answer."""
        try:
            return list(request("GET", f"http://127.0.0.1:{self._rest_port}/cluster").json["members"])
        except (OSError, KeyError):
            return []


class Cluster:
    """Three nodes, and the address that names them all."""

    def __init__(self, directory: Path) -> None:
        ports = free_ports()
        self._client_port, self._peer_port = islice(ports, 2)
        self._directory = directory
        self._etcd: Program | None = None
        self.nodes = {name: Node(directory, name, self._client_port, ports) for name in NAMES}
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes.values())
        self.url = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"

    def start(self) -> None:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._client_port, self._peer_port))
        command = [*AS_POSTGRES, _find_etcd(), "--data-dir", str(self._directory / "etcd")]
        command += ["--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer]
        command += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
        self._etcd = Program(command, {"PATH": os.defpath})
        for node in self.nodes.values():
            node.start()
        try:
            wait_until(self.is_whole, seconds=START_SECONDS)
        except AssertionError:
            programs = (self._etcd, *(node.patroni for node in self.nodes.values()))
            ends = [running.output[-2000:] for running in programs if running]
            raise AssertionError("\n\n".join(ends)) from None

    def stop(self) -> None:
        """Kill whatever of it runs."""
        for node in self.nodes.values():
            node.kill()
        if self._etcd:
            self._etcd.close()

    @property
    def leader(self) -> Node | None:
        """The node that can be written to."""
        try:
            port = Look(self.url).execute("SELECT inet_server_port() AS port").fetchall()[0]["port"]
        except OperationalError:
            return None
        return next(node for node in self.nodes.values() if node.port == port)

    @property
    def standby(self) -> str | None:
        """The standby that commits wait for, and that takes over; None if none is named."""
        return next((member["name"] for member in self._members() if member["role"] == "sync_standby"), None)

    def is_whole(self) -> bool:
        """Whether all nodes follow one leader, and one of them is the synchronous standby."""
        members = self._members()
        roles = sorted(member["role"] for member in members)
        run = all(member["state"] in ("running", "streaming") for member in members)
        timelines = {member.get("timeline") for member in members}
        return roles == ["leader", "replica", "sync_standby"] and run and len(timelines) == 1

    def _members(self) -> list[dict[str, Any]]:
        return next(filter(None, (node.members() for node in self.nodes.values())), [])


@contextmanager
def patroni() -> Iterator[Cluster]:
    """A running cluster that nothing outlives."""
    directory = Path(tempfile.mkdtemp(prefix="wishlist-cluster-", dir="/tmp"))
    directory.chmod(0o755)
    if AS_POSTGRES:
        os.chown(directory, pwd.getpwnam("postgres").pw_uid, -1)
    cluster = Cluster(directory)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(directory)


def _find_etcd() -> str:
    found = shutil.which("etcd", path=os.pathsep.join([os.defpath, f"{sys.prefix}/etcd/usr/bin"]))
    assert found, "There is no etcd. `make cluster` fetches it; or, on Debian and Ubuntu: apt install etcd-server"
    return found
