"""A real nginx in front of the service: one process, a port for each way people set it up."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.support.fake_plex import FakePlex, Person
from tests.support.household import API_KEY, Household
from tests.support.processes import CHECKOUT, Answer, Program, free_ports, gunicorn, settings_for, status_of, wait_until

BASE = "/plex-wishlist"
UNPACKED = Path(sys.prefix, "nginx")
DOCUMENTED = (CHECKOUT / "docs/synology.md").read_text(encoding="utf-8").split("```nginx\n")[1].split("```")[0]


@dataclass(frozen=True)
class Setup:
    """A server block, and what it means for a caller."""

    name: str
    location: str = ""
    merge_slashes: str = ""
    base: str = BASE
    """The URL_BASE of the service behind, which its links carry."""
    prefixes: tuple[str, ...] = (BASE,)
    """What a caller may put before the service's own paths."""


# Synology's reverse proxy writes the first and third, merge_slashes left on; docs/synology.md keeps a sub-path
SETUPS = [
    Setup(f"{name}, merge_slashes {merge}", location, merge, *rest)
    for merge in ("on", "off")
    for name, location, *rest in (
        ("by host", "location / { proxy_pass http://bare; }", "", ("",)),
        ("by host with a URI", "location / { proxy_pass http://bare/; }", "", ("",)),
        ("all paths", "location / { proxy_pass http://based; }", BASE, (BASE, "")),
        ("all paths with a URI", "location / { proxy_pass http://based/; }", BASE, (BASE, "")),
        ("sub-path kept", DOCUMENTED.replace("http://127.0.0.1:8000;", "http://based;")),
        ("sub-path cut by the URI", f"location {BASE}/ {{ proxy_pass http://based/; }}"),
        ("sub-path rewritten", f"location {BASE}/ {{ rewrite ^{BASE}(/.*)$ $1 break; proxy_pass http://based; }}"),
    )
]

# straight to each service, with its settings; nginx stands before the first two
SERVICES = {
    Setup("direct", base="", prefixes=("",)): {"TRUSTED_PROXIES": "1"},
    Setup("direct with URL_BASE", prefixes=(BASE, "")): {"TRUSTED_PROXIES": "1", "URL_BASE": BASE},
    Setup("direct, no proxy trusted", base="", prefixes=("",)): {},
}

# no X-Forwarded-Host and no X-Forwarded-Prefix: as with Synology, a caller's own reaches the service
CONFIGURATION = """
daemon off;
master_process off;
pid {files}/pid;
lock_file {files}/lock;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {files}/body;
    proxy_temp_path {files}/proxy;
    fastcgi_temp_path {files}/fastcgi;
    uwsgi_temp_path {files}/uwsgi;
    scgi_temp_path {files}/scgi;

    upstream bare {{ server 127.0.0.1:{bare_port}; }}
    upstream based {{ server 127.0.0.1:{based_port}; }}
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    {servers}
}}
"""


@dataclass(frozen=True)
class Door:
    """A way in: through nginx, or straight to the service."""

    setup: Setup
    port: int
    service: Program
    plex: FakePlex
    ann: Person

    def send(
        self,
        path: str,
        method: str = "GET",
        *,
        body: object = None,
        headers: dict[str, str] | None = None,
        source: str = "127.0.0.1",
    ) -> Answer:
        """The reply to a request whose path goes out as it is, byte by byte."""
        more = {"X-API-Key": API_KEY, "Content-Type": "application/json"} | (headers or {})
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(source, 0))
        with closing(connection):
            connection.request(method, path, json.dumps(body) if body else None, more)
            reply = connection.getresponse()
            return Answer(reply.status, reply.read(), reply.headers)

    def follow(self, path: str) -> Answer:
        """What a browser gets to see, which follows redirects."""
        for _ in range(4):
            reply = self.send(path)
            if reply.status not in (301, 302, 303, 307, 308):
                return reply
            here = f"http://127.0.0.1:{self.port}/"
            target = urljoin(here, reply.headers["Location"])
            assert target.startswith(here)
            path = "/" + target.removeprefix(here)
        raise AssertionError(f"{path} leads on and on")


@contextmanager
def nginx(ports: dict[Setup, int]) -> Iterator[None]:
    """Nginx with each of SETUPS at its port, before services at theirs."""
    bare_port, based_port, _ = (ports[service] for service in SERVICES)
    servers = "\n".join(
        f"server {{ listen 127.0.0.1:{ports[setup]}; merge_slashes {setup.merge_slashes}; {setup.location} }}"
        for setup in SETUPS
    )
    with tempfile.TemporaryDirectory(prefix="wishlist-nginx-") as files:
        configuration = Path(files, "nginx.conf")
        configuration.write_text(
            CONFIGURATION.format(files=files, servers=servers, bare_port=bare_port, based_port=based_port)
        )
        running = Program([find_nginx(), "-e", "stderr", "-p", files, "-c", str(configuration)], environment())
        try:
            last = f"http://127.0.0.1:{ports[SETUPS[-1]]}{BASE}/health"
            wait_until(lambda: running.process.poll() is not None or status_of(last) == 200)
            assert running.process.poll() is None, running.output
            yield
            assert running.end() == 0, running.output
        finally:
            running.close()


@contextmanager
def under_a_path(household: Household, **more: str) -> Iterator[str]:
    """The service under BASE behind nginx, with the address of its wall; `more`: settings."""
    ports = dict(zip((*SERVICES, *SETUPS), free_ports(), strict=False))
    behind = next(service for service in SERVICES if service.name == "direct with URL_BASE")
    kept = next(setup for setup in SETUPS if setup.name == "sub-path kept, merge_slashes on")
    env = settings_for(household, **SERVICES[behind], **more) | {"PORT": str(ports[behind])}
    with gunicorn(env), nginx(ports):
        yield f"http://127.0.0.1:{ports[kept]}{BASE}/"


def find_nginx() -> str:
    """The system's nginx, or the one `make test` unpacks into the virtual environment."""
    found = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", f"{UNPACKED}/usr/sbin"]))
    if found is None:
        pytest.fail("There is no nginx. `make test` fetches it; or, on Debian and Ubuntu: apt install nginx")
    return found


def environment() -> dict[str, str]:
    """Lets the unpacked nginx find the libraries unpacked with it."""
    return {"LD_LIBRARY_PATH": os.pathsep.join(str(path) for path in UNPACKED.glob("**/lib/*-linux-gnu"))}
