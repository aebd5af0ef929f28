"""The site of docs/ is built, in strict mode, and loads nothing from another host."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("material") is None, reason="mkdocs-material is not installed"
)

_ROOT: Final = Path(__file__).parents[1]
_LOADING: Final = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}


class _Links(HTMLParser):
    """What a page loads, and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.loads += [found for found in [given.get(_LOADING.get(tag, ""))] if found]
        self.leads += [found for found in [given.get("href")] if tag == "a" and found]


def _links(page: Path) -> _Links:
    links = _Links()
    links.feed(page.read_text("utf-8"))
    return links


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=_ROOT, env={**os.environ, "PYTHONWARNINGS": "", "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr  # --quiet would hide warnings from --strict, too
    return folder


def test_every_page_is_there(site: Path) -> None:
    pages = {page.relative_to(_ROOT / "docs").with_suffix(".html") for page in (_ROOT / "docs").rglob("*.md")}
    assert sorted(page for page in pages if not (site / page).is_file()) == []


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    loaded = {load for page in site.rglob("*.html") for load in _links(page).loads}
    assert loaded
    assert sorted(load for load in loaded if re.match(r"(\w+:)?//", load)) == []
    styles = "".join(style.read_text("utf-8") for style in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import )['\"]?(?:https?:)?//[^)]*", styles) == []


def test_every_link_leads_to_a_file(site: Path) -> None:
    dead = []
    for page in site.rglob("*.html"):
        for link in _links(page).leads:
            path = unquote(link.partition("#")[0])
            if path and not re.match(r"[a-z]+:", path) and page.name != "404.html":
                dead += [(page.name, link)] * (not (page.parent / path).exists())
    assert dead == []


def test_lists_and_blocks_are_no_paragraphs(site: Path) -> None:
    texts = {page.name: page.read_text("utf-8") for page in site.rglob("*.html")}
    paragraphs = [
        (name, re.sub(r"<code>.*?</code>", "", found, flags=re.DOTALL))
        for name, text in texts.items()
        for found in re.findall(r"<p>(.*?)</p>", text, re.DOTALL)
    ]
    assert [pair for pair in paragraphs if "```" in pair[1] or re.search(r"\n *([*-]|\d+\.) |\n\|", pair[1])] == []


def test_a_block_is_titled_by_its_file_and_comments_are_gone(site: Path) -> None:
    text = (site / "quickstart.html").read_text("utf-8")
    assert '<span class="filename">bot.py</span>' in text
    assert re.findall(r"<!-- (?:scene|file|do|run)\b", text) == []


def test_blocks_are_highlighted_and_can_be_copied(site: Path) -> None:
    text = (site / "configuration.html").read_text("utf-8")
    assert '<span class="nn">' in text or '<span class="k">' in text
    assert '"content.code.copy"' in text


def test_scripts_of_the_docs_are_not_on_the_site(site: Path) -> None:
    assert [path.name for path in site.glob("*.py")] == []
