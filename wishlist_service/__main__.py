"""make run and make demo: run database, API and scheduler in the foreground.

Starts a private PostgreSQL unless DATABASE_URL is set. When this process ends, all of them end: after Ctrl-C,
SIGTERM, the end of one of them, and on Linux even kill -9.
"""

import argparse
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from wishlist_service.config import environment, load_config
from wishlist_service.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from wishlist_service.postgres.programs import die_with_parent

CHECKOUT: Final = Path(__file__).parent.parent
START_SECONDS: Final = 60
STOP_SECONDS: Final = 15  # each should end within 10

_DEMO_SETTINGS: Final = (
    "PORT",
    "PUBLIC_URL",
    "ALLOWED_HOSTS",
    "URL_BASE",
    "TRUSTED_PROXIES",
    "LOG_LEVEL",
)  # the demo uses only these of .env
# Without these, glibc keeps an arena for each thread and returns little memory. The Dockerfile sets them, too.
MEMORY: Final = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}

Child = subprocess.Popen[str]


def main() -> None:
    """Run until stopped."""
    parser = argparse.ArgumentParser(prog="python -m wishlist_service", description=__doc__)
    parser.add_argument("mode", nargs="?", choices=["demo"], help="with a simulated Plex and six sample people")
    demo = parser.parse_args().mode == "demo"
    sys.stdout.reconfigure(line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue]
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT, too, because background jobs of a script ignore it
        signal.signal(number, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            (_prepare_demo if demo else _prepare)(stack)
            _serve(stack, demo=demo)
    except KeyboardInterrupt:
        print("\nStopped.")
    except EmbeddedPostgresError as error:
        sys.exit(str(error))
    except OSError as error:  # a full disk, or a directory that may not be written
        sys.exit(f"{error.filename or 'A file or the output'}: {error.strerror or error}.")


def _prepare(stack: ExitStack) -> None:
    """Put the settings of .env into the environment, start a database if none is set, and make missing keys."""
    os.environ.update(environment())
    if not os.environ.get("DATABASE_URL"):
        directory = CHECKOUT / ".data"
        if os.geteuid() == 0:  # PostgreSQL runs as another user, who may not be able to read this directory
            directory = Path("/var/lib/plex-wishlist") / sha256(os.fsencode(CHECKOUT)).hexdigest()[:8]
        os.environ["DATABASE_URL"] = stack.enter_context(EmbeddedPostgres(directory)).owner_url
        print(f"The database is in {directory}")
    _make_keys(Path(".env"))
    os.chdir(CHECKOUT)


def _make_keys(env_file: Path) -> None:
    """Append the keys that are set nowhere to .env. The file is complete at any moment, also after a power cut."""
    folder = os.open(".", os.O_RDONLY)
    with suppress(OSError):  # of programs that start at once, one makes the keys and all use them
        fcntl.flock(folder, fcntl.LOCK_EX)
    settings = environment()
    names = ("API_KEY", "TOKEN_ENCRYPTION_KEY")
    missing = [name for name in names if not (settings.get(name) or settings.get(f"{name}_FILE"))]
    if "TOKEN_ENCRYPTION_KEY" in missing:  # a process of its own, because this one needs no driver, which takes 8 MB
        check = [sys.executable, "-m", "wishlist_service.tokens", "check"]
        if status := subprocess.run(check, env=os.environ | {"PYTHONPATH": str(CHECKOUT)}).returncode:
            sys.exit(status)
    if missing:
        file = env_file.resolve()  # it may be a link
        text = file.read_text(encoding="utf-8-sig").strip("\0") if file.exists() else ""
        text += "\n" if text and not text.endswith("\n") else ""
        text += "".join(f"{name}={secrets.token_hex(24)}\n" for name in missing)
        new = file.with_name(f"{file.name}.new")
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as writing:  # noqa: PTH123
            if file.exists():
                os.fchown(writing.fileno(), file.stat().st_uid, file.stat().st_gid)
            writing.write(text)
            writing.flush()
            os.fsync(writing.fileno())
        new.rename(file)
        with suppress(OSError):  # some file systems cannot
            os.fsync(folder)
        print(f"Wrote a random {' and '.join(missing)} into .env. Keep it: without it, tokens cannot be read.")
    os.close(folder)
    os.environ.update(environment())


def _prepare_demo(stack: ExitStack) -> None:
    """Make a database and keys for this run only. Of .env, use only what sets the address and the log."""
    settings = environment()
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wishlist-demo-")))
    directory.chmod(0o755)  # started by root, PostgreSQL runs as another user
    stack.callback(os.chdir, Path.cwd())
    os.chdir(directory)  # there is no .env
    os.environ |= {name: settings[name] for name in _DEMO_SETTINGS if settings.get(name)}
    quick = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")  # the data is deleted at the end
    os.environ |= {
        "DATABASE_URL": stack.enter_context(EmbeddedPostgres(directory / "state", settings=quick)).owner_url,
        "API_KEY": secrets.token_hex(24),
        "TOKEN_ENCRYPTION_KEY": secrets.token_hex(24),
        "PYTHONPATH": str(CHECKOUT),
    }


def _serve(stack: ExitStack, *, demo: bool) -> None:
    """Migrate, start API and scheduler, and wait until one of them ends."""
    config = load_config()
    _refuse_taken_port(config.port)
    if status := subprocess.run([sys.executable, "-m", "wishlist_service.migrate"]).returncode:
        sys.exit(status)
    if demo:  # starts a simulated Plex, writes three weeks of history, and prints its settings as JSON
        plex = _start(stack, "simulated Plex", ["-m", "tests.demo"], stdout=subprocess.PIPE)
        settings = plex.stdout.readline() if plex.stdout else ""
        if not settings:
            sys.exit("The simulated Plex did not start. See the lines above.")
        os.environ |= json.loads(settings)

    application = "tests.demo.wsgi:app" if demo else "wsgi:app"
    api = _start(stack, "API", ["-m", "gunicorn", "-c", str(CHECKOUT / "gunicorn.conf.py"), application])
    _wait_until_healthy(api, f"http://localhost:{config.port}")
    scheduler = _start(stack, "scheduler", ["-m", "wishlist_service.scheduler"])
    _print_address(f"http://localhost:{config.port}{config.url_base}", demo=demo)
    while api.poll() is None and scheduler.poll() is None:
        time.sleep(0.2)
    name, ended = ("API", api) if api.poll() is not None else ("scheduler", scheduler)
    sys.exit(f"The {name} ended with status {ended.returncode}, so everything was stopped. See the lines above.")


def _print_address(base: str, *, demo: bool) -> None:
    """Print where the page is and how to sign in, then the rest."""
    key = f"with the key {os.environ['API_KEY']}" if demo else "with Plex, or with the API_KEY in .env"
    print(f"\nPlex Wishlist Service is running. Ctrl-C stops it.\n\n  Open     {base}/\n  Sign in  {key}")
    print(f"  API      {base}/api/wishlist\n  Docs     {base}/docs")
    if demo:
        print("\n  Try it   Sign in with Plex as ann, who is the admin, and invite Dora on the page People.")
        print("           A test user, Dora, approves every sign-in link of the API after 10 seconds.")
        print("           Or add her with the token demo-token-of-dora-0001.")
    print(flush=True)


def _refuse_taken_port(port: int) -> None:
    both = socket.has_dualstack_ipv6()
    try:
        family = socket.AF_INET6 if both else socket.AF_INET
        socket.create_server(("", port), family=family, dualstack_ipv6=both).close()
    except OSError as error:
        sys.exit(f"Port {port} cannot be used ({os.strerror(error.errno or 0)}). Set another PORT in .env.")


def _start(stack: ExitStack, name: str, arguments: list[str], *, stdout: int | None = None) -> Child:
    child = subprocess.Popen(
        [sys.executable, *arguments],
        env=MEMORY | os.environ,
        stdout=stdout,
        text=True,
        start_new_session=True,  # so that Ctrl-C reaches only this process, which stops the others in order
        preexec_fn=die_with_parent(signal.SIGTERM),
    )
    stack.callback(_stop, name, child)
    return child


def _stop(name: str, child: Child) -> None:
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"The {name} did not end within {STOP_SECONDS} s, so it was killed.", file=sys.stderr)
        child.kill()
        child.wait()
    if child.stdout:
        child.stdout.close()


def _wait_until_healthy(api: Child, address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open  # never through HTTP_PROXY
    while time.monotonic() < deadline:
        if api.poll() is not None:
            sys.exit("The API did not start. See the lines above.")
        try:
            with ask(f"{address}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"The API did not answer within {START_SECONDS} s. See the lines above.")


if __name__ == "__main__":
    main()
