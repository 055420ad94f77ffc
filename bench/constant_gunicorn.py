"""The settings of gunicorn.conf.py without the hooks for our application."""

import gc
import runpy
from pathlib import Path

globals().update(runpy.run_path(str(Path(__file__).parent.parent / "gunicorn.conf.py")))
for hook in ("post_worker_init", "worker_exit"):
    globals().pop(hook, None)


def when_ready(server):
    """Keep the garbage collector from writing to shared pages, as gunicorn.conf.py does."""
    gc.freeze()
