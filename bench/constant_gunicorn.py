"""gunicorn as in gunicorn.conf.py, but for the hooks that know our application."""

import gc
import runpy
from pathlib import Path

globals().update(runpy.run_path(str(Path(__file__).parent.parent / "gunicorn.conf.py")))
for hook in ("post_worker_init", "worker_exit"):
    globals().pop(hook, None)


def when_ready(server):
    """Keep the garbage collector from writing to shared pages, as ours does."""
    gc.freeze()
