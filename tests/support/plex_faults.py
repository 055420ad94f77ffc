"""What a request to the simulated Plex may meet instead of an answer."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate

from tests.support.fake_plex import Handler


def status(code: int, *, body: bytes = b"", kind: str = "text/html", **headers: str) -> Callable[[Handler], None]:
    """An answer with this status; header names may be written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.send_body(code, body, kind, named)


def retry_at(seconds: float) -> str:
    """The value of Retry-After as a date."""
    return formatdate(time.time() + seconds, usegmt=True)


def reset(handler: Handler) -> None:
    """The connection is reset."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()
    # the server flushes what is left of the answer
    handler.wfile = open("/dev/null", "wb")  # noqa: PTH123, SIM115


def silent(until: threading.Event) -> Callable[[Handler], None]:
    """No answer until the event is set."""

    def wait(handler: Handler) -> None:
        until.wait(30)
        handler.close_connection = True

    return wait


def cut_off(handler: Handler) -> None:
    """The answer ends in the middle of its body."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"MediaContainer": {"totalSize": 3')
    handler.close_connection = True


def unfinished(body: bytes, *, kind: str = "application/json", **headers: str) -> Callable[[Handler], None]:
    """This is all of an answer that does not tell its length, as a server of HTTP/1.0 gives it."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Type": kind, **named}.items():
            handler.wfile.write(f"{name}: {value}\r\n".encode())
        handler.wfile.write(b"\r\n" + body)
        handler.close_connection = True

    return answer


def dripping(handler: Handler, code: int = 200, location: str = "") -> None:
    """The answer comes byte by byte, each well within the time-out, and never ends."""
    handler.send_response(code)
    handler.send_header("Location", location)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    with suppress(OSError):
        for _ in range(5000):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)
    handler.close_connection = True
