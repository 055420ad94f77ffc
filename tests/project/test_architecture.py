"""Who may import whom: the rules of docs/architecture.md, read from the syntax trees."""

import ast
import inspect
import re
from functools import cache
from pathlib import Path
from typing import LiteralString

import pytest

from tests.support.household import make_config
from wishlist_service import db
from wishlist_service.app import create_app

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "wishlist_service"
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py"
}

# from the bottom up: a package or loose module imports only what stands on a floor below its own
FLOORS = (
    {"models", "errors", "process"},
    {"config", "db"},
    {"plex", "queries", "postgres"},
    {"tokens", "migrate"},
    {"sync"},
    {"people", "write_back"},
    {"notify", "web"},
    {"api", "pages", "feeds"},
    {"app", "scheduler", "doctor", "backup", "restore", "__main__"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# library -> the modules (or packages, with a dot at the end) that may import it
ALLOWED = {
    "flask": {"app", "web.", "api.", "pages.", "feeds."},
    "werkzeug": {"app", "web.", "api.", "pages.", "feeds."},
    "flask_swagger_ui": {"api.docs"},
    "certifi": {"plex.sessions"},
    "requests": {"plex.http", "plex.sessions", "doctor.plex"},
    "urllib3": {"plex.http"},
    "psycopg": {
        "db",
        "queries.",
        "backup",
        "config.",
        "migrate",
        "restore",
        "scheduler",
        "tokens",
        "api.health",
        "doctor.database",
        "feeds.downloads",
        "notify.worker",
        "people.",
        "sync.",
        "web.actions",
        "web.context",
        "web.problems",
        "write_back.",
    },
    "apprise": {"notify.targets"},
    "psycopg_pool": {"db", "web.problems"},
    "prometheus_client": {"api.metrics"},
    "segno": {"pages.people"},
    "yoyo": {"migrate"},
    "schedule": {"scheduler", "backup"},
    "cryptography": {"tokens"},
    "dotenv": {"config"},
    "gunicorn": {"web.worker"},
}

# helper of db -> which of its arguments is the SQL
SQL_ARGUMENT = {"value": 1, "row": 2, "rows": 2}
DB_PATHS = {"wishlist_service", "wishlist_service.db"}


@cache
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


def room(module: str) -> str:
    """The package below wishlist_service, or the loose module, that this module belongs to."""
    return module.partition(".")[0]


def rooms_imported(module: str) -> set[str]:
    """The rooms that the module imports, its own left out."""
    ours = {name.split(".")[1] for name in imports(MODULES[module]) if name.startswith("wishlist_service.")}
    return ours - {"__version__", room(module)}


def allowed(module: str, places: set[str]) -> bool:
    return any(module == place or (place.endswith(".") and module.startswith(place)) for place in places)


def test_every_room_has_its_floor() -> None:
    assert {room(module) for module in MODULES} == FLOOR.keys()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_module_imports_only_from_the_floors_below(module: str) -> None:
    level = FLOOR[room(module)]

    assert {name for name in rooms_imported(module) if FLOOR[name] >= level} == set()


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("queries.")])
def test_queries_know_only_models_errors_and_db(module: str) -> None:
    inside = {name for name in imports(MODULES[module]) if name.startswith("wishlist_service.queries")}

    assert rooms_imported(module) <= {"models", "errors", "db"}
    assert inside == set()


@pytest.mark.parametrize("library", ALLOWED)
def test_library_is_imported_only_where_it_may_be(library: str) -> None:
    users = {
        name for name, path in MODULES.items() if any(found.partition(".")[0] == library for found in imports(path))
    }

    assert users
    assert {user for user in users if not allowed(user, ALLOWED[library])} == set()


@pytest.mark.parametrize(
    "module", ["plex.rows", "plex.watchlist_pages", "sync.decide", "feeds.formats", "feeds.tables"]
)
def test_deciding_modules_touch_no_clock_network_or_database(module: str) -> None:
    found = {name.partition(".")[0] for name in imports(MODULES[module])}

    assert found.isdisjoint(
        {"time", "random", "os", "requests", "urllib3", "psycopg", "logging", "threading", "socket"}
    )


def test_environment_is_read_only_by_entry_points_and_config() -> None:
    users = {name for name, path in MODULES.items() if "os.environ" in path.read_text()}

    assert users == {"config", "__main__"}


def statements(module: str) -> list[ast.expr]:
    """What the module has the database execute, through a connection or through a helper of db."""
    tree = ast.parse(MODULES[module].read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [call.args[0] for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "execute"]
    for call in calls:
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name in SQL_ARGUMENT:
            found.append(call.args[SQL_ARGUMENT[name]])
    # a helper under another name, or handed on, would escape the lines above
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in SQL_ARGUMENT]
    assert len(names) == sum(isinstance(call.func, ast.Name) and call.func.id in SQL_ARGUMENT for call in calls)
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in DB_PATHS]
    for alias in (alias for node in imported for alias in node.names):
        assert alias.name in SQL_ARGUMENT, module
        assert alias.asname is None, module
    return found


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("queries.")])
def test_sql_is_never_put_together_at_run_time(module: str) -> None:
    unfixed = [ast.unparse(each) for each in statements(module) if not isinstance(each, ast.Constant)]

    assert unfixed == (["_PAGES[sort, order, tallied]"] if module == "queries.wishlist" else [])


def test_sql_stands_under_its_call() -> None:
    for module in (name for name in MODULES if name.startswith("queries.")):
        lines = MODULES[module].read_text().splitlines()
        for statement in statements(module):
            if isinstance(statement, ast.Constant) and statement.end_lineno != statement.lineno:
                call, end = lines[statement.lineno - 1], lines[(statement.end_lineno or 0) - 1]
                assert call.endswith('"""'), f"{module}: {call}"
                assert _indent(end) == _indent(call) + 4, f"{module}: {call}"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def test_helpers_for_sql_take_literals_only() -> None:
    assert all(
        inspect.signature(getattr(db, name)).parameters["sql"].annotation is LiteralString for name in SQL_ARGUMENT
    )


@cache
def endpoints() -> set[str]:
    """Every endpoint of the application."""
    return {rule.endpoint for rule in create_app(make_config()).url_map.iter_rules()}


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith("pages.")])
def test_page_endpoints_are_named_by_pages_alone(module: str) -> None:
    texts = [node.value for node in ast.walk(ast.parse(MODULES[module].read_text())) if isinstance(node, ast.Constant)]
    pages = {endpoint for endpoint in endpoints() if endpoint.startswith("pages.")}

    assert "pages.wall.show" in pages
    assert {text for text in texts if text in pages or text in ("pages", "pages.")} == set()


def test_at_most_twelve_modules_lie_loose() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 12


def test_files_stay_short() -> None:
    files = [path for path in ROOT.rglob("*.py") if not {".venv", ".data"} & set(path.relative_to(ROOT).parts)]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}

    assert len({name for name, lines in lengths.items() if lines > 400}) <= 2
    assert {name for name, lines in lengths.items() if lines > 500} == set()


def test_no_module_is_a_place_for_leftovers() -> None:
    leftovers = re.compile("util|helper|common|manager|service|misc|tool")

    assert {name for name in MODULES if leftovers.search(name)} == set()
