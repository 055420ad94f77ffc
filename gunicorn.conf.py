"""How gunicorn serves the API. Read before the application; wrong settings end it here."""

import atexit
import contextlib
import gc
import json
import logging
import os
import shutil
import signal
import socket
import struct
import tempfile
import threading
import time
from http import HTTPStatus
from pathlib import Path

from gunicorn.http import errors
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker

from wishlist_service.config import load_config
from wishlist_service.memory import give_memory_back

settings = load_config()
give_memory_back()
SILENT_SECONDS = 10
REQUEST_SECONDS = 30

# Where the workers count requests for /metrics; prometheus-client looks for it when it is imported.
# It is there already when this file is read again after a SIGHUP.
if not os.path.isdir(os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")):  # noqa: PTH112
    counts = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="wishlist-metrics-")
    master = os.getpid()
    atexit.register(lambda: os.getpid() == master and shutil.rmtree(counts, ignore_errors=True))

gc.disable()  # nothing of what is imported is garbage
from wishlist_service.app import close_app, open_app, parts_of  # noqa: E402
from wishlist_service.errors import BrokenTransfer  # noqa: E402
from wishlist_service.tokens import warn_of_unreadable  # noqa: E402

gc.enable()

bind = f"0.0.0.0:{settings.port}"
workers = settings.web_workers
# two more than database connections: while all of those are stuck, somebody is left to say so
threads = settings.web_threads + 2
# Loaded once and shared by the forked workers: 53 instead of 76 MB for two. A fault in the
# settings or the code ends gunicorn at once instead of respawning workers.
preload_app = True
# heartbeat files on a disk could block a worker
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
# writes into the home directory, which a container has read-only
control_socket_disable = True
# TRUSTED_PROXIES alone says whom to believe. Left to itself, gunicorn believes callers on this
# machine: a forged X-Forwarded-Proto, and a SCRIPT_NAME, which ended in a 500.
forwarded_allow_ips = ""
# Docker kills 10 s after it asked to stop, unless told otherwise
graceful_timeout = 8
timeout = 60
# longer than a proxy keeps an unused connection: one that we close first may just be bringing a request
keepalive = 75
# its own lines look like all others
logconfig_dict = {
    "formatters": {"generic": {"()": "wishlist_service.logs.LineFormatter"}},
    "loggers": {"gunicorn.error": {"level": settings.log_level, "handlers": [], "propagate": True}},
}


class WebWorker(ThreadWorker):
    """gunicorn's threads, with an end to requests that are never finished, and errors that quote nothing."""

    def run(self):
        """Called in the worker process."""
        self.being_read = {}
        if not self.cfg.accesslog:
            self.log.access = lambda *_: None  # gunicorn would make a line for each request that goes nowhere
        threading.Thread(target=self._end_dripping_requests, daemon=True, name="request-watch").start()
        super().run()

    def handle(self, conn):
        """Called in a thread for each request, before it is read."""
        self.being_read[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            self.being_read.pop(conn, None)

    def handle_request(self, req, conn):
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

    def _end_dripping_requests(self):
        while self.alive:
            time.sleep(1)
            for conn, since in list(self.being_read.items()):
                if time.monotonic() - since > REQUEST_SECONDS:
                    with contextlib.suppress(OSError):
                        conn.sock.shutdown(socket.SHUT_RDWR)

    def handle_error(self, req, client, addr, exc):
        """Answer what is no HTTP. gunicorn's own answer and log line quote it, and a key may be in it."""
        if isinstance(exc, errors.ParseException):
            statuses = {errors.LimitRequestLine: 414, errors.LimitRequestHeaders: 431}
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


worker_class = WebWorker


def tell_slow_client_plainly(record):
    """A logging filter: a client that was too slow is no error of ours."""
    if record.exc_info and isinstance(record.exc_info[1], BlockingIOError):
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.exc_info = f"client sent nothing for {SILENT_SECONDS} s in the middle of a request", None
    return True


def when_ready(server):
    """Keep the garbage collector from copying pages shared with the workers."""
    # a client that stops sending in the middle of a request must not keep a thread for ever
    logging.getLogger("gunicorn.error").addFilter(tell_slow_client_plainly)
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", SILENT_SECONDS, 0))
    gc.freeze()


def get_to_know_tokens(worker):
    """After the first requests: have the keys before they are needed, for they take 16 MB, and warn in one worker."""
    time.sleep(1)
    cipher = parts_of(worker.wsgi).cipher
    cipher.derive_keys()
    if worker.age == 1:
        warn_of_unreadable(settings.database_url, cipher)


def post_worker_init(worker):
    """Open the pool in the worker, one opened before the fork would be shared; at SIGTERM end a running sync early."""
    open_app(worker.wsgi)
    parts_of(worker.wsgi).links.watch()
    threading.Thread(target=get_to_know_tokens, args=(worker,), daemon=True).start()
    finish_requests = signal.getsignal(signal.SIGTERM)

    def stop(number, frame):
        # from another thread: the main one may be holding the event's lock
        threading.Thread(target=parts_of(worker.wsgi).stop.set).start()
        finish_requests(number, frame)

    signal.signal(signal.SIGTERM, stop)


def worker_exit(server, worker):
    """Wait for the sync that runs in this worker, if any."""
    close_app(worker.wsgi)
