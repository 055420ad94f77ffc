"""How gunicorn serves the API. Read before the application; wrong settings end it here."""

import atexit
import gc
import logging
import os
import shutil
import signal
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path

from wishlist_service.config import load_config
from wishlist_service.web.worker import SILENT_SECONDS, WebWorker, tell_slow_client_plainly

# This process never opens the database; wsgi.py reads the settings again in the worker, with the driver.
settings = load_config(with_driver=False)

# Where the workers count requests for /metrics; prometheus-client looks for it when it is imported.
# It is there already when this file is read again after a SIGHUP.
if not os.path.isdir(os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")):  # noqa: PTH112
    counts = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="wishlist-metrics-")
    master = os.getpid()
    atexit.register(lambda: os.getpid() == master and shutil.rmtree(counts, ignore_errors=True))

bind = f"0.0.0.0:{settings.port}"
workers = settings.web_workers
# two more than database connections: while all of those are stuck, somebody is left to say so
threads = settings.web_threads + 2
# The workers import the application, this file does not: the first process never serves, and its copy would take
# memory for nothing.
worker_class = WebWorker
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
    "formatters": {"generic": {"()": "wishlist_service.process.logs.LineFormatter"}},
    "loggers": {"gunicorn.error": {"level": settings.log_level, "handlers": [], "propagate": True}},
}


def when_ready(server):
    """Called before the first worker is forked."""
    # a client that stops sending in the middle of a request must not keep a thread for ever
    logging.getLogger("gunicorn.error").addFilter(tell_slow_client_plainly)
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", SILENT_SECONDS, 0))
    gc.freeze()  # the collector of a worker would write to the pages that it shares with this process


def get_to_know_tokens(worker):
    """After the first requests: have the keys before they are needed, for they take 16 MB, and warn in one worker."""
    from wishlist_service.app import context_of
    from wishlist_service.tokens import warn_of_unreadable

    time.sleep(1)
    context = context_of(worker.wsgi)
    context.cipher.derive_keys()
    if worker.age == 1:
        warn_of_unreadable(context.config.database_url, context.cipher)


def post_worker_init(worker):
    """Open the pool in the worker, one opened before the fork would be shared; at SIGTERM end a running sync early."""
    from wishlist_service.app import context_of, open_app

    open_app(worker.wsgi)
    context_of(worker.wsgi).links.watch()
    threading.Thread(target=get_to_know_tokens, args=(worker,), daemon=True).start()
    finish_requests = signal.getsignal(signal.SIGTERM)

    def stop(number, frame):
        # from another thread: the main one may be holding the event's lock
        threading.Thread(target=context_of(worker.wsgi).stop.set).start()
        finish_requests(number, frame)

    signal.signal(signal.SIGTERM, stop)


def worker_exit(server, worker):
    """Wait for the sync that runs in this worker, if any."""
    from wishlist_service.app import close_app

    if hasattr(worker, "wsgi"):  # not if the application could not be loaded
        close_app(worker.wsgi)
