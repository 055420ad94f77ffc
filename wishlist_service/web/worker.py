"""gunicorn's worker. It also ends requests that are never completed."""

import contextlib
import json
import logging
import socket
import struct
import threading
import time
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors
from gunicorn.http.message import Request
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import TConn, ThreadWorker

from wishlist_service.errors import BrokenTransfer

SILENT_SECONDS = 10
REQUEST_SECONDS = 30


_DETAILS = {
    414: "The address of the request is too long. The maximum is 4094 bytes.",
    431: "The headers of the request are too large. The maximum is 8190 bytes for each, and 100 headers. "
    "In a browser, delete the cookies of this host. Behind a proxy, let it send fewer or smaller headers.",
}


class WebWorker(ThreadWorker):
    """gunicorn's threads. This class also ends requests that are never completed, and its errors quote nothing."""

    def run(self) -> None:
        """Serve. Called in the worker process."""
        self.being_read: dict[TConn, float] = {}
        if not self.cfg.accesslog:
            # Otherwise gunicorn would make a line for each request, only to drop it.
            self.log.access = _no_line  # pyright: ignore[reportAttributeAccessIssue]
        threading.Thread(target=self._end_dripping_requests, daemon=True, name="request-watch").start()
        super().run()

    def handle(self, conn: TConn) -> bool:
        """Handle a request. Called in a thread, before the request is read."""
        self.being_read[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            self.being_read.pop(conn, None)

    def handle_request(self, req: Request, conn: TConn) -> bool:
        """Handle a request whose line and headers are there. From here on the application sets the limits."""
        self.being_read.pop(conn, None)
        try:
            return super().handle_request(req, conn)
        except BrokenTransfer:
            # Reset and not close: over HTTP/1.0, a proxy takes a closed connection for the end of the reply.
            with contextlib.suppress(OSError):
                conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                conn.sock.close()
            return False

    def _end_dripping_requests(self) -> None:
        while self.alive:
            time.sleep(1)
            for conn, since in list(self.being_read.items()):
                if time.monotonic() - since > REQUEST_SECONDS:
                    with contextlib.suppress(OSError):
                        conn.sock.shutdown(socket.SHUT_RDWR)

    def handle_error(self, req: Request | None, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that is not HTTP. gunicorn would quote it in its answer and log, and it may hold a key."""
        if isinstance(exc, errors.ParseException):
            statuses: dict[type[Exception], int] = {errors.LimitRequestLine: 414, errors.LimitRequestHeaders: 431}
            status = HTTPStatus(statuses.get(type(exc), 400))
            detail = _DETAILS.get(
                status, "The request is not valid HTTP. Percent-encode characters that are not ASCII."
            )
            address = addr[0].removeprefix("::ffff:")  # as our socket for both kinds names an IPv4 client
            self.log.warning("request refused address=%s status=%s error=%s", address, int(status), type(exc).__name__)
        else:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            detail = "An unexpected error happened. The service's log has the details."
            self.log.exception("unexpected error outside the application")
        body = json.dumps({"type": "about:blank", "title": status.phrase, "status": status, "detail": detail})
        head = f"HTTP/1.1 {status} {status.phrase}\r\nConnection: close\r\nContent-Type: application/problem+json"
        with contextlib.suppress(OSError):
            write_nonblock(client, f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())


def _no_line(*_: object) -> None:
    return


def tell_slow_client_plainly(record: logging.LogRecord) -> bool:
    """Log a client that was too slow as information, because it is not our error. A logging filter."""
    if record.exc_info and isinstance(record.exc_info[1], BlockingIOError):
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.exc_info = f"client sent nothing for {SILENT_SECONDS} s in the middle of a request", None
    return True
