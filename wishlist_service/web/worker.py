"""gunicorn's worker, changed so that slow clients delay no one."""

import contextlib
import io
import json
import logging
import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterable, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors
from gunicorn.http.message import Request
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import TConn, ThreadWorker

from wishlist_service.errors import BrokenTransfer

FIRST_BYTE_SECONDS = 10
HEAD_SECONDS = 10
BODY_SECONDS = 30
REPLY_SECONDS = 30
LARGEST_BODY = 64 * 1024
LARGEST_FORM = 2 * 1024 * 1024 + 64 * 1024  # as api/webhooks.py has it, which this process must not import
_WAITING_BYTES = 64 * 1024


def limit_replies(listener: socket.socket) -> None:
    """Make replies fail whose client takes nothing for REPLY_SECONDS. Limit what the system holds of each reply.

    Connections inherit both from their listener.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", REPLY_SECONDS, 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WAITING_BYTES)


_DETAILS = {
    414: "The address of the request is too long. The maximum is 4094 bytes.",
    431: "The headers of the request are too large. The maximum is 8190 bytes for each, and 100 headers. "
    "In a browser, delete the cookies of this host. Behind a proxy, let it send fewer or smaller headers.",
}


class WebWorker(ThreadWorker):
    """gunicorn's threads, changed so that slow clients delay no one, and so that errors quote nothing.

    A connection without a request takes no thread. Each request has a thread of its own while it is read and while
    its reply is sent, which is cheap. Only `cfg.threads` of them run the application at a time.
    """

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Return the threads. They are made when needed."""
        return ThreadPoolExecutor(self.cfg.worker_connections)

    def load_wsgi(self) -> None:
        """Load the application."""
        super().load_wsgi()
        self.being_read: dict[socket.socket, float] = {}
        self.turns = threading.Semaphore(self.cfg.threads)
        self.downloads = threading.Semaphore(2)
        self.pushes = threading.Semaphore(2)
        self.application, self.wsgi = self.wsgi, self._serve

    def run(self) -> None:
        """Serve. Called in the worker process."""
        if not self.cfg.accesslog:
            # Otherwise gunicorn would make a line for each request, only to drop it.
            self.log.access = _no_line  # pyright: ignore[reportAttributeAccessIssue]
        super().run()

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection, and wait for its first byte without a thread."""
        try:
            sock, address = listener.accept()
        except OSError:  # the client is gone, or another worker was faster
            return
        conn = TConn(self.cfg, sock, address, listener.getsockname())
        conn.timeout = time.monotonic() + FIRST_BYTE_SECONDS
        self.nr_conns += 1
        self.pending_conns.append(conn)
        self.poller.register(sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def murder_pending(self) -> None:
        """End connections that bring no request, and requests that are never completed. Called every second."""
        super().murder_pending()
        now = time.monotonic()
        for sock, deadline in self.being_read.copy().items():
            if deadline < now:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def handle(self, conn: TConn) -> bool:
        """Handle a request. Called in a thread, before the request is read."""
        self.being_read[conn.sock] = time.monotonic() + HEAD_SECONDS
        try:
            kept = super().handle(conn)
        finally:
            self.being_read.pop(conn.sock, None)
        if not kept:
            # here and not in the main thread, which would wait for each client to close its side
            with contextlib.suppress(OSError):
                conn.close(graceful=True)
        return kept

    def finish_request(self, conn: TConn, fs: Future[bool]) -> None:
        """Keep the connection open for the next request, or forget it. Called in the main thread."""
        if fs.result():
            super().finish_request(conn, fs)
        else:
            self.nr_conns -= 1

    def handle_request(self, req: Request, conn: TConn) -> bool:
        """Handle a request whose line and headers are there."""
        self.being_read[conn.sock] = time.monotonic() + BODY_SECONDS
        try:
            return super().handle_request(req, conn)
        except BrokenTransfer:
            # Reset and not close: over HTTP/1.0, a proxy takes a closed connection for the end of the reply.
            with contextlib.suppress(OSError):
                conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                conn.sock.close()
            return False

    def _serve(self, environ: MutableMapping[str, Any], start_response: Any) -> Iterable[bytes]:
        """Run the application in its turn, after the whole body was read. Sending the reply takes no turn."""
        # Making a download takes longest, and what a media server pushes takes memory. Only some may begin at a time,
        # so that the others get their turn.
        is_push = environ["PATH_INFO"].rstrip("/").endswith("/api/webhooks/plex")
        largest = LARGEST_FORM if is_push else LARGEST_BODY
        few = self.pushes if is_push else self.downloads if "/export/" in environ["PATH_INFO"] else None
        with few or contextlib.nullcontext():
            if int(environ.get("CONTENT_LENGTH") or 0) <= largest:  # the application refuses a larger one unread
                environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(largest + 1))
            self.being_read.pop(environ["gunicorn.socket"], None)
            with self.turns:
                return self.application(environ, start_response)

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
        record.msg, record.exc_info = f"client took nothing of its reply for {REPLY_SECONDS} s", None
    return True
