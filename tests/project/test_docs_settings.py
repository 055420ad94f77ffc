"""The table of settings tells the truth: names, defaults and secrets are those that are read; compose hands them on."""

import re
from collections.abc import Iterator, Mapping

from docs.generate.settings import GROUPS
from tests.commands.test_config import ENOUGH, faults
from tests.support.documents import PAGES, ROOT
from wishlist_service.config import Config

TOLD = {setting.name: setting for group in GROUPS.values() for setting in group}


class Asked(Mapping[str, str]):
    """An environment that remembers which variables were asked for."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._env[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._env)

    def __len__(self) -> int:
        return len(self._env)


def test_settings_told_are_those_that_are_read() -> None:
    env = Asked(ENOUGH)

    Config.from_env(env)

    read = {name for name in env.names if not name.endswith("_FILE")}
    assert read == {name for name, setting in TOLD.items() if not setting.compose_only}


def test_defaults_told_are_those_that_apply() -> None:
    defaults = {name: setting.default_text for name, setting in TOLD.items() if not setting.compose_only}

    assert Config.from_env(ENOUGH | {name: default for name, default in defaults.items() if default}) == (
        Config.from_env(ENOUGH)
    )
    assert not any(defaults[name] for name in ENOUGH)


def test_secrets_told_are_those_that_may_stand_in_a_file() -> None:
    in_files = {
        name
        for name in TOLD
        if any(
            fault.startswith(f"{name}_FILE names a file") for fault in faults(**{name: "", f"{name}_FILE": "/nowhere"})
        )
    }

    assert in_files == {name for name, setting in TOLD.items() if setting.secret}


def test_every_setting_is_in_the_page_and_in_the_example_file() -> None:
    page = re.findall(r"^\| `([A-Z_]+)` \|", PAGES["docs/settings.md"], re.M)
    example = re.findall(r"^# ([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M)

    assert page == example == list(TOLD)


def test_compose_hands_on_every_setting() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()

    inside = set(re.findall(r"^ {4}([A-Z_]+): ", compose.partition("services:")[0], re.M))
    named = {name.removesuffix("_FILE") for name in inside} - {"PGUSER", "PGDATABASE"}
    of_compose = {name for name, setting in TOLD.items() if setting.compose_only}
    assert named - of_compose == set(TOLD) - of_compose - {"PORT"}
    assert set(re.findall(r"\$\{([A-Z_]+)", compose)) >= of_compose - {"COMPOSE_PROFILES"}
