"""make docs: writes the files that are made from the code, from openapi.json and from the database."""

from collections.abc import Callable
from pathlib import Path

from docs.generate import api, database, settings

ROOT = Path(__file__).parents[2]
FILES: dict[str, Callable[[], str]] = {
    "docs/api.md": api.render,
    "docs/database.md": database.render,
    "docs/settings.md": settings.render,
    ".env.example": settings.render_env,
}


def main() -> None:
    """Write each file that is not up to date, and print its name."""
    for name, render in FILES.items():
        path, text = ROOT / name, render()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"Wrote {name}")


if __name__ == "__main__":
    main()
