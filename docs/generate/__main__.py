"""make docs: write the files that are generated from the code, from openapi.json and from the database."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from docs.generate import api, settings

ROOT = Path(__file__).parents[2]
FILES: dict[str, Callable[[], str]] = {
    "docs/api.md": api.render,
    "docs/settings.md": settings.render,
    ".env.example": settings.render_env,
}
if find_spec("docs.generate.database"):
    FILES["docs/database.md"] = import_module("docs.generate.database").render


def main() -> None:
    """Write each file that is not up to date, and say which."""
    for name, render in FILES.items():
        path, text = ROOT / name, render()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"Wrote {name}")


if __name__ == "__main__":
    main()
