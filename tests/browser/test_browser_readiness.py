"""The page of a release pack in Chromium: decision and reason are on the first screen, and nothing is loaded."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Literal

import pytest
from tests.browser.conftest import Opened
from tests.support.release_shop import CONFIG, clean_environment, make_shop

from pytest_evalgate.app.release_pack import build_pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="the pack names commits")

_REQUIRES = """requires = [
  { kind = "suite", suite = "faq" },
  { kind = "tier", tier = "release" },
"""


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The page of a suite that passes in tier smoke, of a release that requires tier release."""
    root = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        clean_environment(patch)
        patch.chdir(root)
        shop = make_shop(root)
        tiers = "[suites.faq.tiers.smoke]\nsample = 8\n[suites.faq.tiers.release]\ntrials = 1\n"
        text = CONFIG.replace('requires = [\n  { kind = "suite", suite = "faq" },\n', _REQUIRES)
        shop.write("evalgate.toml", f"{text}{tiers}")
        shop.commit("require")
        shop.decide(tier="smoke")
        page = shop.write(".evalgate/readiness.html", build_pack(shop.project, []).files["readiness.html"].decode())
        yield page


@pytest.mark.parametrize(("width", "height", "scheme"), [(1400, 900, "light"), (390, 800, "dark")])
def test_the_first_screen_says_hold_and_why(
    chromium: Browser, held: Path, width: int, height: int, scheme: Literal["light", "dark"]
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    shown = Opened(context.new_page())
    shown.listen()
    shown.page.goto(held.as_uri())
    for text in (
        "Release readiness: hold",
        "not met: tier release ran: the run is of tier smoke",
        "PASS: 2 of 2 gates",
    ):
        box = shown.page.get_by_text(text).first.bounding_box()
        assert box is not None, text
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= height
        assert box["x"] + box["width"] <= width
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    assert (shown.said, shown.sent) == ([], [held.as_uri()])
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(shown.page).response["violations"]
    assert [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")] == []
    context.close()
