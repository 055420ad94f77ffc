"""A webhook that takes news as Apprise's json:// sends them, and every way in which it can go wrong."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "secret-path-0123456789"  # part of the address, as with most services


class Receiver:
    """`messages` it took, in their order; each of `statuses` is the answer to one, 200 when there are no more."""

    def __init__(self, port: int = 0) -> None:
        self.messages: list[dict[str, Any]] = []
        self.refused: list[dict[str, Any]] = []
        self.statuses: deque[int] = deque()
        self.before_answer: Callable[[], None] = lambda: None
        """Called once a message is here, before it is answered."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = receiver.statuses.popleft() if receiver.statuses else 200
                (receiver.messages if status == 200 else receiver.refused).append(message)
                receiver.before_answer()
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.address = f"json://127.0.0.1:{self.port}/{SECRET}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def bodies(self) -> list[str]:
        return [message["message"] for message in self.messages]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """One that listens for the length of a with block."""
    running = Receiver(port)
    try:
        yield running
    finally:
        running.close()


class Redirector:
    """A server that sends whoever posts to it to another port of this machine."""

    def __init__(self, target: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(307)
                self.send_header("Location", f"http://127.0.0.1:{target}{self.path}")
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@contextmanager
def redirecting(target: int) -> Iterator[Redirector]:
    """One that runs for the length of a with block."""
    running = Redirector(target)
    try:
        yield running
    finally:
        running.server.shutdown()
        running.server.server_close()
