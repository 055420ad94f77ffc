"""The address of this service as the client names it, and the client's own."""

import re
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import IO, Any
from urllib.parse import quote

import flask
from flask import request
from werkzeug.urls import iri_to_uri
from werkzeug.utils import cached_property

from wishlist_service.queries.invitations import store_own_address
from wishlist_service.web.auth import is_own_host
from wishlist_service.web.context import context

# Werkzeug takes such a name for none. Compose and home networks have names with an underscore.
_HOST = re.compile(r"(?P<name>[\w.-]{1,253})(:(?P<port>[0-9]{1,5}))?")


class Request(flask.Request):
    """A request whose host may have an underscore or letters beyond ASCII. Its addresses are ASCII."""

    _host = ""

    @property
    def host(self) -> str:
        """Return the name, with the port if it is not the usual one; empty if the header holds something else."""
        if self._host:
            return self._host
        sent = self.headers.get("Host", "").encode("latin-1", "replace").decode(errors="replace")
        found = _HOST.fullmatch(sent)
        if not found:
            return ""
        try:
            name = found["name"].encode("idna").decode()
        except UnicodeError:
            return ""
        usual = {"http": "80", "https": "443"}.get(self.scheme)
        return name if found["port"] in (None, usual) else f"{name}:{found['port']}"

    @host.setter
    def host(self, host: str) -> None:
        self._host = host  # Flask sets what Werkzeug takes for it

    def _get_file_stream(self, *_args: Any, **_options: Any) -> IO[bytes]:
        """Return where an uploaded file goes: into memory, because no disk may fill up from it."""
        return BytesIO()

    @cached_property
    def root_url(self) -> str:
        """Return the address of the service, which PUBLIC_URL may set."""
        return f"{self._public}/" if self._public else iri_to_uri(super().root_url)

    @cached_property
    def base_url(self) -> str:
        """Return the address of the request, without its query."""
        return self._public + quote(self.path) if self._public else iri_to_uri(super().base_url)

    @cached_property
    def _public(self) -> str:
        base = self.root_path.rstrip("/")
        public = context().config.public_url
        return public.removesuffix(base) + base if public else ""


def address_of_browser() -> str:
    """Return the address of this service as the browser names it, without a slash at its end. For forms of ours.

    A browser sends its own name of the host with every form, whatever a proxy makes of the Host header.
    """
    origin = request.headers.get("Origin", "")
    if re.fullmatch(r"https?://[^/\s]+", origin):
        return origin + request.script_root
    return request.root_url.rstrip("/")


def host_of(address: str) -> str:
    """Return the host of an address of this service, with its port; empty if a request named none."""
    return address.partition("://")[2].partition("/")[0]


def remember_own_address(address: str) -> None:
    """Store the address at which an admin signed in or invited somebody, for links that no browser asks for.

    One whose host a stranger may own is not stored, because a renewal would lead people there.
    """
    shared, host = context(), host_of(address)
    if host and is_own_host(shared.config, host):
        with shared.pool.connection() as conn:
            store_own_address(conn, address=address)


def with_plain_clients(wsgi_app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Return WSGI middleware that names an IPv4 client plainly; a socket for both kinds puts ::ffff: before it."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_ADDR"] = re.sub(r"^::ffff:(?=[0-9.]+$)", "", environ.get("REMOTE_ADDR", ""))
        return wsgi_app(environ, start_response)

    return serve
