"""A deadline for calls that have no time-out of their own."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def within(seconds: float | None, call: Callable[[], Result]) -> Result:
    """Return or raise what `call` does. Raises TimeoutError after `seconds`; the call then goes on in its thread."""
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome.result(seconds)
