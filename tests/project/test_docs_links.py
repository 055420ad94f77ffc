"""Every link and anchor in the README and in docs/ leads somewhere, and the README stays one page."""

import re

import pytest

from tests.support.documents import PAGES, README, ROOT


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M):
        name = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        assert name not in found, f"two headings are called {heading}"
        found.add(name)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_and_anchor_resolves(page: str) -> None:
    here = (ROOT / page).parent
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)", PAGES[page])

    for path, anchor in links:
        target = (here / path).resolve() if path else ROOT / page
        name = target.relative_to(ROOT).as_posix()
        assert target.exists(), f"{page} links to {path}"
        assert not anchor or anchor in anchors(PAGES[name]), f"{page} links to {path}#{anchor}"


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/\w[\w-]*\.md)", README))

    assert linked == {*PAGES} - {"README.md"}


def test_readme_is_one_page_and_has_the_picture_and_the_commands() -> None:
    lines = README.splitlines()

    assert len(lines) <= 200
    assert "docs/wall.png" in "\n".join(lines[:12])
    assert all(re.search(rf"^make {target}\b", README, re.M) for target in ("run", "demo", "test", "check"))
