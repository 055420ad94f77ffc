"""make run and make demo: database, API and scheduler in one go, in the foreground.

A private PostgreSQL is started unless DATABASE_URL is set. Whatever ends this process ends the
rest: Ctrl-C, SIGTERM, a child that died, and on Linux even kill -9.
"""

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Final

from wishlist_service.config import environment, load_config
from wishlist_service.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from wishlist_service.postgres.programs import die_with_parent

CHECKOUT: Final = Path(__file__).parent.parent
START_SECONDS: Final = 60
STOP_SECONDS: Final = 15  # each ends by itself within 10

_DEMO_SETTINGS: Final = ("PORT", "URL_BASE", "TRUSTED_PROXIES", "LOG_LEVEL")  # those of .env that the demo uses, too
_SPARE_TOKEN: Final = "demo-token-of-dora-0001"  # the simulated Plex knows it too
# glibc by itself keeps an arena for each thread, and what one large reply once took. The Dockerfile sets the same.
MEMORY: Final = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}

Child = subprocess.Popen[str]


def main() -> None:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m wishlist_service", description=__doc__)
    parser.add_argument("mode", nargs="?", choices=["demo"], help="with a simulated Plex and six sample people")
    demo = parser.parse_args().mode == "demo"
    sys.stdout.reconfigure(line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue]
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a script's background job starts with it ignored
        signal.signal(number, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup means it
        signal.signal(signal.SIGHUP, _interrupt)
    try:
        with ExitStack() as stack:
            if demo:
                _prepare_demo(stack)
            else:
                _prepare(stack)
            _serve(stack, demo=demo)
    except KeyboardInterrupt:
        print("\nStopped.")
    except EmbeddedPostgresError as error:
        sys.exit(str(error))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _prepare(stack: ExitStack) -> None:
    """Settings into the environment, a .env if there is none, a database if none is named."""
    env_file = Path(".env")
    if not env_file.exists():
        env_file.touch(mode=0o600)
        env_file.write_text(f"API_KEY={secrets.token_hex(24)}\nTOKEN_ENCRYPTION_KEY={secrets.token_hex(24)}\n")
        print("Wrote .env with a random API_KEY and TOKEN_ENCRYPTION_KEY; without it stored tokens cannot be read.")
    os.environ.update(environment())
    if not os.environ.get("DATABASE_URL"):
        directory = _state_directory()
        os.environ["DATABASE_URL"] = stack.enter_context(EmbeddedPostgres(directory)).url
        print(f"The database lives in {directory}")
    os.chdir(CHECKOUT)


def _state_directory() -> Path:
    """Where the private database of this checkout lives."""
    if os.geteuid() != 0:
        return CHECKOUT / ".data"
    # PostgreSQL runs as another user then, who may not be able to enter this checkout
    return Path("/var/lib/plex-wishlist") / sha256(os.fsencode(CHECKOUT)).hexdigest()[:8]


def _prepare_demo(stack: ExitStack) -> None:
    """A database and secrets for this run only. Of .env it takes the address: the rest is for the real household."""
    told = environment()
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wishlist-demo-")))
    directory.chmod(0o755)  # if we are root, PostgreSQL runs as another user
    stack.callback(os.chdir, Path.cwd())
    os.chdir(directory)  # there is no .env
    os.environ |= {name: told[name] for name in _DEMO_SETTINGS if told.get(name)}
    quick = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")  # the data goes with the demo
    os.environ |= {
        "DATABASE_URL": stack.enter_context(EmbeddedPostgres(directory / "state", settings=quick)).url,
        "API_KEY": secrets.token_hex(24),
        "TOKEN_ENCRYPTION_KEY": secrets.token_hex(24),
        "PYTHONPATH": str(CHECKOUT),
    }


def _surround(stack: ExitStack) -> None:
    """A simulated Plex and media server, and three weeks of history in the database."""
    demo = _start(stack, "simulated Plex", ["-m", "tests.demo"], stdout=subprocess.PIPE)
    told = demo.stdout.readline() if demo.stdout else ""
    if not told:
        sys.exit("The simulated Plex did not start. See the lines above.")
    os.environ |= json.loads(told)


def _serve(stack: ExitStack, *, demo: bool) -> None:
    """Migrate, start API and scheduler, and wait until something ends."""
    config = load_config()
    _refuse_taken_port(config.port)
    migrated = subprocess.run([sys.executable, "-m", "wishlist_service.migrate"])
    if migrated.returncode:
        sys.exit(migrated.returncode)
    if demo:
        _surround(stack)

    application = "tests.demo.wsgi:app" if demo else "wsgi:app"
    api = _start(stack, "API", ["-m", "gunicorn", "-c", str(CHECKOUT / "gunicorn.conf.py"), application])
    _wait_until_healthy(api, f"http://localhost:{config.port}")
    scheduler = _start(stack, "scheduler", ["-m", "wishlist_service.scheduler"])
    _print_address(f"http://localhost:{config.port}{config.url_base}", demo=demo)
    while api.poll() is None and scheduler.poll() is None:
        time.sleep(0.2)
    name, ended = ("API", api) if api.poll() is not None else ("scheduler", scheduler)
    sys.exit(f"The {name} ended with status {ended.returncode}, so everything is stopped.")


def _print_address(base: str, *, demo: bool) -> None:
    """Where the page is and how to sign in there, then the rest."""
    key = f"with the key {os.environ['API_KEY']}" if demo else "with the API_KEY in .env"
    print(f"\nPlex Wishlist Service is up. Ctrl-C stops it.\n\n  Open     {base}/\n  Sign in  {key}")
    print(f"  API      {base}/api/wishlist\n  Docs     {base}/docs")
    if demo:
        print("\n  Try it   In the demo, a test user, Dora, approves every sign-in link after 10 seconds.")
        print(f"           Or add her with the token {_SPARE_TOKEN}.")
    print(flush=True)


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError as error:
            sys.exit(f"Port {port} cannot be used ({error.strerror}). PORT in .env chooses another one.")


def _start(stack: ExitStack, name: str, arguments: list[str], *, stdout: int | None = None) -> Child:
    child = subprocess.Popen(
        [sys.executable, *arguments],
        env=MEMORY | os.environ,
        stdout=stdout,
        text=True,
        start_new_session=True,  # a Ctrl-C in the terminal reaches us alone, we stop the others in order
        preexec_fn=die_with_parent(signal.SIGTERM),
    )
    stack.callback(_stop, name, child)
    return child


def _stop(name: str, child: Child) -> None:
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"The {name} does not end, it is killed.", file=sys.stderr)
        child.kill()
        child.wait()
    if child.stdout:
        child.stdout.close()


def _wait_until_healthy(api: Child, address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if api.poll() is not None:
            sys.exit("The API did not start; the lines above say why.")
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    sys.exit("The API did not become healthy in time.")


if __name__ == "__main__":
    main()
