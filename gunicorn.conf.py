"""How gunicorn serves the API. Read before the application; wrong settings end it here."""

import gc
from pathlib import Path

from wishlist_service.app import close_app, open_app
from wishlist_service.config import load_config

settings = load_config()

bind = f"0.0.0.0:{settings.port}"
worker_class = "gthread"
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
# a reply that waits for a sync takes up to 50 s
graceful_timeout = 60
timeout = 60


def when_ready(server):
    """Keep the garbage collector from touching, and so copying, the pages shared with the workers."""
    gc.freeze()


def post_worker_init(worker):
    """Open the pool in the worker: one opened before the fork would be shared and mixed up."""
    open_app(worker.wsgi)


def worker_exit(server, worker):
    """End a sync that runs in this worker after the person under way."""
    close_app(worker.wsgi)
