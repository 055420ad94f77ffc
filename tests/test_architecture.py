"""Who may import whom: the rules of docs/architecture.md, read off the syntax trees."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "wishlist_service"
ROOT = PACKAGE.parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
ENTRY_POINTS = {"__main__", "backup", "doctor", "migrate", "restore", "scheduler", "sync", "tokens"}

# library -> the modules (or packages, with a dot at the end) that may import it
ALLOWED = {
    "flask": {"app", "api.", "site."},
    "werkzeug": {"app", "api.", "site."},
    "flask_swagger_ui": {"api.docs"},
    "certifi": {"plex_http"},
    "requests": {"doctor_plex", "plex_http"},
    "urllib3": {"plex_http"},
    "psycopg": {
        "db",
        "queries.",
        "backup",
        "claims",
        "details",
        "doctor_database",
        "giving_back",
        "links",
        "migrate",
        "notifications",
        "restore",
        "scheduler",
        "settings",
        "sync",
        "sync_user",
        "tokens",
        "watchlists",
        "api.exports",
        "api.health",
        "api.parts",
        "api.problems",
        "api.sync",
    },
    "apprise": {"notifiers"},
    "psycopg_pool": {"db", "api.problems"},
    "prometheus_client": {"api.metrics"},
    "icalendar": {"calendar_feed"},
    "segno": {"site.links"},
    "yoyo": {"migrate"},
    "schedule": {"scheduler", "backup"},
    "cryptography": {"tokens"},
    "dotenv": {"config"},
}


def imports(path: Path) -> set[str]:
    """Every module the file imports, names imported from a package included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def short(module: str) -> str:
    return module.removeprefix("wishlist_service").removeprefix(".")


def allowed(module: str, places: set[str]) -> bool:
    return any(module == place or (place.endswith(".") and module.startswith(place)) for place in places)


@pytest.mark.parametrize("library", ALLOWED)
def test_library_is_imported_only_where_it_may_be(library: str) -> None:
    users = {
        short(name)
        for name, path in MODULES.items()
        if any(found.partition(".")[0] == library for found in imports(path))
    }

    assert users
    assert {user for user in users if not allowed(user, ALLOWED[library])} == set()


@pytest.mark.parametrize("module", [name for name in MODULES if ".queries." in name])
def test_queries_know_only_models_and_errors(module: str) -> None:
    ours = {found for found in imports(MODULES[module]) if found.startswith("wishlist_service")}

    assert {found.split(".")[1] for found in ours} <= {"models", "news_models", "page_models", "title_models", "errors"}


def test_nothing_below_the_api_imports_it() -> None:
    users = {
        short(name)
        for name, path in MODULES.items()
        if any(found.startswith("wishlist_service.api") for found in imports(path))
    }

    assert {user for user in users if not user.startswith(("api", "site"))} == {"app"}


def test_the_api_knows_nothing_of_the_pages() -> None:
    users = {
        short(name)
        for name, path in MODULES.items()
        if any(found.startswith("wishlist_service.site") for found in imports(path))
    }

    assert {user for user in users if not user.startswith("site")} == {"app"}


@pytest.mark.parametrize("module", ["entries", "pages", "decide", "feeds", "exports"])
def test_deciding_modules_touch_no_clock_network_or_database(module: str) -> None:
    found = {name.partition(".")[0] for name in imports(PACKAGE / f"{module}.py")}

    assert found.isdisjoint(
        {"time", "random", "os", "requests", "urllib3", "psycopg", "logging", "threading", "socket"}
    )


def test_environment_is_read_only_by_entry_points_and_config() -> None:
    users = {short(name) for name, path in MODULES.items() if "os.environ" in path.read_text()}

    assert users == {"config", "__main__"}


def test_sql_is_never_put_together_at_run_time() -> None:
    for path in (PACKAGE / "queries").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "execute":
                statement = node.args[0]
                fixed = isinstance(statement, ast.Constant) or ast.unparse(statement) == "_PAGES[sort, order, tallied]"
                assert fixed, f"{path.name}: {ast.unparse(statement)[:80]}"


def test_no_python_file_is_over_250_lines() -> None:
    files = [path for path in ROOT.rglob("*.py") if not {".venv", ".data"} & set(path.relative_to(ROOT).parts)]

    assert {path.name for path in files if len(path.read_text().splitlines()) > 250} == set()


def test_no_module_is_a_place_for_leftovers() -> None:
    leftovers = re.compile("util|helper|common|manager|service|misc|tool")

    assert {short(name) for name in MODULES if leftovers.search(short(name))} == set()
