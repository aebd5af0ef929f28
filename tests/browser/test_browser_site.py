"""The site of docs/ in Chromium: no page is wider than the screen, and nothing is asked of another host."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("material") is None, reason="mkdocs-material is not installed"
)

_ROOT: Final = Path(__file__).parents[2]
_WIDTHS: Final = (390, 1280)
_WIDER: Final = """() => [...document.querySelectorAll('body *')]
    .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && getComputedStyle(one).position !== 'fixed')
    .filter(one => !one.closest('pre, .md-typeset__scrollwrap, .md-sidebar, .md-search, .md-header, .md-dialog'))
    .map(one => one.outerHTML.slice(0, 120))"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the overridden method
        """Drop the message."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Build the site, serve it, and return its folder and address."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=_ROOT, env={**os.environ, "PYTHONWARNINGS": "", "NO_MKDOCS_2_WARNING": "1"}, check=True,
    )  # fmt: skip
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("width", _WIDTHS)
def test_no_page_is_wider_than_the_screen(chromium: Browser, site: tuple[Path, str], width: int) -> None:
    folder, address = site
    context = chromium.new_context(viewport={"width": width, "height": 844})
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    wide: dict[str, object] = {}
    for path in sorted(folder.rglob("*.html")):
        page.goto(f"{address}/{path.relative_to(folder)}")
        if page.evaluate("document.scrollingElement.scrollWidth") > width:
            wide[path.name] = page.evaluate("document.scrollingElement.scrollWidth")
        if found := page.evaluate(_WIDER):
            wide[path.name] = found[:3]
    context.close()
    assert wide == {}
    assert [url for url in asked if not url.startswith(address)] == []


def test_a_search_finds_a_page_and_a_block_is_copied(chromium: Browser, site: tuple[Path, str]) -> None:
    _, address = site
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{address}/quickstart.html")
    copied = page.locator(".highlight", has=page.locator("pre")).first
    copied.hover()
    copied.locator("button.md-clipboard, button[data-md-type=copy]").first.click()
    assert page.evaluate("navigator.clipboard.readText()").strip() == "pip install pytest-evalgate"
    page.locator("input.md-search__input").click()
    page.keyboard.type("calibration")
    page.wait_for_selector("a.md-search-result__link", state="attached")
    assert "calibration.html" in (page.locator("a.md-search-result__link").first.get_attribute("href") or "")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_used_by_everybody(
    chromium: Browser, site: tuple[Path, str], scheme: Literal["light", "dark"]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    context = chromium.new_context(color_scheme=scheme)
    page = context.new_page()
    broken = []
    for name in ("index", "quickstart", "troubleshooting", "providers", "reference/configuration"):
        page.goto(f"{site[1]}/{name}.html")
        for rule in axe.Axe().run(page).response["violations"]:
            if rule["impact"] in {"serious", "critical"}:
                broken += [(name, rule["id"], node["html"][:120]) for node in rule["nodes"]]
    context.close()
    assert broken == []
