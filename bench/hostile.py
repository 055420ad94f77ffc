"""What a host that poses as Plex can send, and the scheduler's peak of memory when two people are read from it."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench import figures
from bench.content import add_people, recount
from bench.figures import Figure, Table
from bench.plex import LIST_PATH
from bench.postgres import fetch, open_database
from bench.programs import BenchError
from bench.services import Bench, our_database, scheduler

MOST_MEBIBYTES = 128
PEOPLE = 2
PATIENCE_SECONDS = 120
_ENTITIES = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a [<!ENTITY x "{}">]><a>{}</a>'.format(
    "x" * 1000, "&x;" * 1000
)
BODIES: dict[str, tuple[Callable[[], bytes], str, dict[str, str]]] = {
    "lists of 18 MB": (lambda: b"[" + b"[]," * 6_000_000 + b"[]]", "application/json", {}),
    "lists of 2 MB": (lambda: b"[" + b"[]," * 660_000 + b"[]]", "application/json", {}),
    "objects of 2 MB": (lambda: b"[" + b'{"":{}},' * 240_000 + b"{}]", "application/json", {}),
    "texts of 2 MB": (lambda: b"[" + b'"",' * 660_000 + b'""]', "application/json", {}),
    "numbers of 2 MB": (lambda: b"[" + b"1," * 990_000 + b"1]", "application/json", {}),
    "deep JSON": (lambda: b"[" * 900_000 + b"]" * 900_000, "application/json", {}),
    "deep XML": (lambda: b"<a>" * 280_000 + b"</a>" * 280_000, "application/xml", {}),
    "flat XML": (lambda: b"<a>" + b"<b/>" * 490_000 + b"</a>", "application/xml", {}),
    "attributes": (lambda: b"<a>" + b'<b a="" b="" c=""/>' * 100_000 + b"</a>", "application/xml", {}),
    "entities in UTF-16": (lambda: _ENTITIES.encode("utf-16"), "application/xml", {}),
    "gzip bomb": (lambda: gzip.compress(b" " * 300_000_000, 9), "application/json", {"Content-Encoding": "gzip"}),
    "gzip bomb of XML": (
        lambda: gzip.compress(b"<a>" * 60_000_000, 9),
        "application/xml",
        {"Content-Encoding": "gzip"},
    ),
}
"""A function that makes the body, content type and more headers, by name. Packing a bomb takes seconds."""


def hostile_figures(bench: Bench) -> list[Figure | Table]:
    """Measure the peak (VmHWM) of a scheduler for each body, with two people read at once."""
    chosen = [*BODIES][:2] if bench.quick else [*BODIES]
    peaks = {name: _peak_mebibytes(bench, *BODIES[name]) for name in chosen}
    worst = max(peaks, key=lambda name: peaks[name])
    return [
        figures.at_most(
            f"peak memory of the scheduler (VmHWM), the worst of {len(peaks)} hostile bodies: {worst}",
            MOST_MEBIBYTES,
            peaks[worst],
            "MiB",
        ),
        Table(
            "Peak memory of the scheduler while Plex sends this to two people at once",
            ["body", "VmHWM"],
            [[name, f"{peak:.0f} MiB"] for name, peak in peaks.items()],
        ),
    ]


def _peak_mebibytes(bench: Bench, make_body: Callable[[], bytes], kind: str, headers: dict[str, str]) -> float:
    url = our_database(bench, "ours")
    with open_database(url) as conn:
        add_people(conn, count=PEOPLE, list_length=1)
        recount(conn)
    with _hostile_plex(make_body(), kind, headers) as address, scheduler(bench, url, plex_url=address) as running:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while fetch(url, "SELECT count(*) FROM plex_users WHERE sync_state <> 'never'") < PEOPLE:
            if running.process.poll() is not None or time.monotonic() > deadline:
                raise running.fail("The scheduler did not try two people:")
            time.sleep(0.1)
        status = Path(f"/proc/{running.process.pid}/status").read_text()
    if fetch(url, "SELECT count(*) FROM plex_users WHERE sync_state = 'ok'"):
        raise BenchError("A hostile body was taken for a watchlist.")
    bench.postgres.drop("ours")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@contextmanager
def _hostile_plex(body: bytes, kind: str, headers: dict[str, str]) -> Iterator[str]:
    """Serve the body at every path. The first lists are only sent when both people have asked."""
    both = threading.Barrier(PEOPLE, timeout=5)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith(LIST_PATH):
                with suppress(threading.BrokenBarrierError):
                    both.wait()
            with suppress(ConnectionError):
                self.send_response(200)
                for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
