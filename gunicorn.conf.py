"""The settings of gunicorn. It reads them before the application, so invalid settings end it here."""

import gc
import logging
import os
import signal
import socket
import threading
import time

from gunicorn.sock import TCP6Socket
from gunicorn.workers import base
from gunicorn.workers.workertmp import WorkerTmp

import wishlist_service.web.recent  # noqa: F401 - before the fork, so that the workers count together
from wishlist_service.config import load_config
from wishlist_service.web import request_counts
from wishlist_service.web.worker import WebWorker, limit_replies, tell_slow_client_plainly

# This process never opens the database; wsgi.py reads the settings again in the worker, with the driver.
settings = load_config(with_driver=False)

# The workers inherit this memory. It has twice as many parts, because a worker may start before an old one ends.
request_counts.counts = request_counts.RequestCounts(2 * settings.web_workers)

# One socket for IPv6 and IPv4, or IPv4 alone where IPv6 is off: gunicorn cannot bind both side by side.
bind = f"[::]:{settings.port}" if socket.has_dualstack_ipv6() else f"0.0.0.0:{settings.port}"
workers = settings.web_workers
# How many requests run the application: two more than database connections, to answer when all of those are stuck.
threads = settings.web_threads + 2
# Each may need a thread for a while. Below 1,024, the usual limit of open files.
worker_connections = 900
# Only the workers import the application: the first process never serves, and its copy would waste memory.
worker_class = WebWorker
# it would write into the home directory, which is read-only in a container
control_socket_disable = True
# Only TRUSTED_PROXIES says which proxies to trust. By default gunicorn would trust every program on this machine:
# a forged X-Forwarded-Proto, and a SCRIPT_NAME, which ended in a 500.
forwarded_allow_ips = ""
# Docker kills 10 s after it asked to stop
graceful_timeout = 8
timeout = 60
# longer than a proxy keeps an unused connection, so that we never close one that brings a request
keepalive = 75
# with it, the limit on replies that nobody takes would not hold for files
sendfile = False
# so that gunicorn's lines look like all others
logconfig_dict = {
    "formatters": {"generic": {"()": "wishlist_service.process.logs.LineFormatter"}},
    # at DEBUG, gunicorn quotes requests that break off, and they may hold a key
    "loggers": {
        "gunicorn.error": {"level": settings.log_level.replace("DEBUG", "INFO"), "handlers": [], "propagate": True}
    },
}


class Heartbeat(WorkerTmp):
    """The file whose time tells gunicorn that a worker is alive. It is in memory, so no disk is slow or full."""

    def __init__(self, cfg):
        self._tmp = os.fdopen(os.memfd_create("heartbeat"), "w+b", 0)


if hasattr(os, "memfd_create"):
    base.WorkerTmp = Heartbeat


def bind_both(listener, sock):
    """Bind a socket to all addresses of both kinds, whatever the system's default is."""
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(listener.cfg_addr)


TCP6Socket.bind = bind_both


def when_ready(server):
    """Prepare before the first worker is forked."""
    logging.getLogger("gunicorn.error").addFilter(tell_slow_client_plainly)
    for listener in server.LISTENERS:
        limit_replies(listener.sock)
    gc.freeze()  # so that a worker's garbage collector does not copy pages that it shares with this process


def post_fork(server, worker):
    """Give the worker its part of the counts. Let the first one alone warn about the database."""
    request_counts.counts.enter(worker.age)
    if worker.age > 1:
        logging.getLogger("wishlist_service.queries.requirements").setLevel(logging.ERROR)


def get_to_know_tokens(worker):
    """Derive the keys before they are needed, because that takes 16 MB for a moment. One worker logs bad tokens."""
    from wishlist_service.app import context_of
    from wishlist_service.tokens import warn_of_unreadable

    time.sleep(1)
    context = context_of(worker.application)
    context.cipher.derive_keys()
    if worker.age == 1:
        warn_of_unreadable(context.config.database_url, context.cipher)


def post_worker_init(worker):
    """Open the pool after the fork, so that workers do not share it. Make SIGTERM stop a running sync."""
    from wishlist_service.app import context_of, open_app

    open_app(worker.application)
    context_of(worker.application).links.watch()
    threading.Thread(target=get_to_know_tokens, args=(worker,), daemon=True).start()
    finish_requests = signal.getsignal(signal.SIGTERM)

    def stop(number, frame):
        # from another thread, because the main one may hold the event's lock
        threading.Thread(target=context_of(worker.application).stop.set).start()
        finish_requests(number, frame)

    signal.signal(signal.SIGTERM, stop)


def worker_exit(server, worker):
    """Wait for the end of a sync in this worker, if any."""
    from wishlist_service.app import close_app

    if hasattr(worker, "application"):  # not if the application could not be loaded
        close_app(worker.application)
