"""The README and the pages of docs/, and what tests pick out of them."""

import re
import shlex
from pathlib import Path
from typing import Any

from tests.support.household import API_KEY

ROOT = Path(__file__).parent.parent.parent
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]}
README = PAGES["README.md"]


def section(page: str, heading: str) -> str:
    """The text below a heading, up to the next one of its level or above."""
    level = heading.split()[0]
    _, _, rest = f"{PAGES[page]}\n".partition(f"\n{heading}\n")
    assert rest, f"{page} has no heading {heading}"
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def read_curl(command: str) -> tuple[str, str, dict[str, Any]]:
    """Method, path and options of a curl command, for the test client."""
    words = iter(shlex.split(command.replace("$API_KEY", API_KEY), comments=True)[1:])
    method, path = "GET", ""
    headers: dict[str, str] = {}
    data: str | dict[str, str] | None = None
    for word in words:
        if word == "-OJ":  # into a file
            continue
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-b":  # the cookie of a session, which the test client has
            next(words)
        elif word == "-d":
            data = next(words)
        elif word == "-F":
            data = dict([next(words).split("=", 1)])
        else:
            path = word.removeprefix("http://").removeprefix("localhost:8000")
    return method, path, {"headers": headers, "data": data}
