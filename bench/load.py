"""Load by wrk: requests for a list of paths, and the percentiles of their times."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.programs import CHECKOUT, BenchError

UNPACKED = CHECKOUT / ".venv" / "wrk"
SCRIPT = CHECKOUT / "bench" / "load.lua"


@dataclass(frozen=True)
class Load:
    """The result of a load."""

    per_second: float
    p50_ms: float
    p95_ms: float


def load(address: str, paths: Sequence[str], directory: Path, *, clients: int, seconds: float) -> Load:
    """Request the paths in turn, as fast as possible. Raises BenchError for any status but 2xx."""
    listed = directory / "paths.txt"
    listed.write_text("\n".join(paths) + "\n")
    program, env = _wrk()
    command = [program, "-t2", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(SCRIPT), address]
    done = subprocess.run([*command, "--", str(listed)], env=env, capture_output=True, text=True)
    line = next((line for line in done.stdout.splitlines() if line.startswith("{")), None)
    if done.returncode or line is None:
        raise BenchError(f"wrk failed: {done.stderr or done.stdout}")
    told = json.loads(line)
    if told["errors"] or not told["requests"]:
        raise BenchError(f"{told['errors']} of {told['requests']} requests like {paths[0]} failed at {address}")
    return Load(told["requests"] / told["seconds"], told["p50"], told["p95"])


@cache
def _wrk() -> tuple[str, dict[str, str]]:
    """Return the program and its environment: from the system, or Debian's package unpacked by make."""
    env = dict(os.environ)
    if found := shutil.which("wrk"):
        return found, env
    unpacked = UNPACKED / "usr" / "bin" / "wrk"
    if not unpacked.exists():
        raise BenchError("wrk is missing; make bench brings it, or: apt install wrk")
    libraries = ":".join(str(path) for path in (UNPACKED / "usr" / "lib").glob("*-linux-*"))
    return str(unpacked), env | {"LD_LIBRARY_PATH": libraries}
