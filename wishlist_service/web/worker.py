"""gunicorn's worker, with an end to requests that are never finished."""

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


class WebWorker(ThreadWorker):
    """gunicorn's threads, with an end to requests that are never finished, and errors that quote nothing."""

    def run(self) -> None:
        """Called in the worker process."""
        self.being_read: dict[TConn, float] = {}
        if not self.cfg.accesslog:
            # gunicorn would make a line for each request that goes nowhere
            self.log.access = _no_line  # pyright: ignore[reportAttributeAccessIssue]
        threading.Thread(target=self._end_dripping_requests, daemon=True, name="request-watch").start()
        super().run()

    def handle(self, conn: TConn) -> bool:
        """Called in a thread for each request, before it is read."""
        self.being_read[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            self.being_read.pop(conn, None)

    def handle_request(self, req: Request, conn: TConn) -> bool:
        """Called once line and headers are there; from here on the application sets the limits."""
        self.being_read.pop(conn, None)
        try:
            return super().handle_request(req, conn)
        except BrokenTransfer:
            # Reset, not closed: to a proxy that speaks HTTP/1.0 an ordinary end of the connection is that of the reply.
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
        """Answer what is no HTTP. gunicorn's own answer and log line quote it, and a key may be in it."""
        if isinstance(exc, errors.ParseException):
            statuses: dict[type[Exception], int] = {errors.LimitRequestLine: 414, errors.LimitRequestHeaders: 431}
            status = HTTPStatus(statuses.get(type(exc), 400))
            detail = "The request is not valid HTTP, or too long. Other characters than ASCII are percent-encoded."
            self.log.warning("request refused address=%s status=%s fault=%s", addr[0], int(status), type(exc).__name__)
        else:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            detail = "An unexpected error happened; the service's log has the details."
            self.log.exception("unexpected error outside the application")
        body = json.dumps({"type": "about:blank", "title": status.phrase, "status": status, "detail": detail})
        head = f"HTTP/1.1 {status} {status.phrase}\r\nConnection: close\r\nContent-Type: application/problem+json"
        with contextlib.suppress(OSError):
            write_nonblock(client, f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())


def _no_line(*_: object) -> None:
    return


def tell_slow_client_plainly(record: logging.LogRecord) -> bool:
    """A logging filter: a client that was too slow is no error of ours."""
    if record.exc_info and isinstance(record.exc_info[1], BlockingIOError):
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.exc_info = f"client sent nothing for {SILENT_SECONDS} s in the middle of a request", None
    return True
