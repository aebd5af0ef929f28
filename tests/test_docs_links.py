"""Links of README and docs lead somewhere, on GitHub as in a checkout, and every page can be found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parents[1]
_PAGES: Final = [
    *sorted(_ROOT.glob("*.md")),
    *sorted((_ROOT / "examples").glob("*/README.md")),
    *sorted((_ROOT / "docs").rglob("*.md")),
]
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def _text(page: Path) -> str:
    return page.read_text("utf-8")


def _name(page: Path) -> str:
    return page.relative_to(_ROOT).as_posix()


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", _FENCE.sub("", _text(page))):
        path = page.parent / target if target else page
        assert path.exists(), target
        if anchor:
            assert anchor in _anchors(path), f"{target}#{anchor}"


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", _text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_a_heading_occurs_once(page: Path) -> None:
    """A link to the second one would need a number, and leads to the first one without it."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", _text(page)), re.MULTILINE)
    assert [heading for heading in headings if headings.count(heading) > 1] == []


def test_every_page_is_on_the_map() -> None:
    index = _text(_ROOT / "docs" / "index.md")
    pages = [page.relative_to(_ROOT / "docs").as_posix() for page in (_ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page != "index.md" and f"]({page})" not in index] == []
