"""The HTML report for everybody: no rule of axe is seriously broken, in light and in dark, closed and open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.attacks import view_of

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from tests.browser.conftest import Open

    from pytest_evalgate.reports.view import ReportView


def _broken(page: Page) -> list[str]:
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 800, 390])
@pytest.mark.parametrize("at", ["", "#case=support-faq/refund-001"])
def test_the_page_can_be_used_by_everybody(
    opened: Open, regressed: ReportView, scheme: str, width: int, at: str
) -> None:
    page = opened(regressed, at, color_scheme=scheme, viewport={"width": width, "height": 900}).page
    if at:
        page.wait_for_selector("dialog[open]")
    assert _broken(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_so_can_one_that_shows_all_it_can(opened: Open, scheme: str) -> None:
    page = opened(view_of("words"), "#case=words/words", color_scheme=scheme).page
    page.wait_for_selector("dialog[open]")
    assert _broken(page) == []
    page.keyboard.press("Escape")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert _broken(page) == []


def test_axe_does_find_what_is_broken(opened: Open, regressed: ReportView) -> None:
    page = opened(regressed).page
    page.evaluate("document.getElementById('query').closest('label').replaceWith(document.getElementById('query'))")
    page.evaluate("document.getElementById('query').removeAttribute('placeholder')")
    assert any(one.startswith("label") for one in _broken(page))
