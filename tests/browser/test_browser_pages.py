"""The pages over a store in Chromium, from a real server: they obey their policy, and can be used by everybody."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from tests.attacks import XSS
from tests.browser.conftest import Opened
from tests.server.test_server_page_attacks import attacked_project
from tests.support.stored_project import make_project

from pytest_evalgate.app.project import Project
from pytest_evalgate.server.access import Access
from pytest_evalgate.server.serving import bound_socket, make_server
from pytest_evalgate.server.static_pages import write_pages
from pytest_evalgate.server.view_sources import ViewSources

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page
    from tests.support.stored_project import StoredProject


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    return make_project(tmp_path_factory.mktemp("viewed") / "shop", 15, 18)


@pytest.fixture(scope="module")
def project(made: StoredProject) -> Project:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.root)
        return Project.find()


@contextlib.contextmanager
def _served(project: Project) -> Iterator[tuple[str, list[str]]]:
    lines: list[str] = []
    listening = bound_socket("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = make_server(project, Access("127.0.0.1", port), lines.append)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}", lines
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture(scope="module")
def site(project: Project) -> Iterator[str]:
    with _served(project) as (address, lines):
        yield address
    assert lines == []


def _paths(made: StoredProject) -> dict[str, str]:
    return {
        "overview": "/",
        "suite": "/suites/support",
        "run": f"/runs/{made.run_ids[-1]}",
        "run that is gone": f"/runs/{made.run_ids[0]}",
        "compare": "/compare",
        "case": "/suites/support/cases/support-001",
        "labels": "/labels/helpful?rater=anna",
    }


@contextlib.contextmanager
def _window(chromium: Browser, **how: Any) -> Iterator[Opened]:
    context = chromium.new_context(reduced_motion="reduce", **how)
    opened = Opened(context.new_page())
    opened.page.set_default_timeout(60_000)
    opened.listen()
    try:
        yield opened
    finally:
        context.close()


def _broken(page: Page, *rules: str) -> list[str]:
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found = axe.Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("width", [1400, 390])
def test_every_page_can_be_used_by_everybody(chromium: Browser, site: str, made: StoredProject, width: int) -> None:
    """In dark mode, only the colours differ."""
    with _window(chromium, viewport={"width": width, "height": 900}) as opened:
        page = opened.page
        for name, path in _paths(made).items():
            page.emulate_media(color_scheme="light", reduced_motion="reduce")
            page.goto(f"{site}{path}")
            if path.endswith(made.run_ids[-1]):
                page.wait_for_selector("html[data-ready]", state="attached")
            assert _broken(page) == [], name
            page.emulate_media(color_scheme="dark", reduced_motion="reduce")
            assert _broken(page, "color-contrast") == [], name
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            assert page.locator("h1").count() == 1, name
        assert opened.said == []
        assert all(url.startswith((site, "data:", "blob:")) for url in opened.sent)


def test_the_pages_are_read_by_keyboard(chromium: Browser, site: str, made: StoredProject) -> None:
    with _window(chromium, viewport={"width": 1400, "height": 900}) as opened:
        page = opened.page
        page.goto(site)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        page.get_by_role("link", name="support", exact=True).last.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/suites/support")
        page.get_by_role("link", name=f"compare {made.run_ids[-1]} with the run before").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/compare?a=*")
        page.get_by_role("combobox", name="Older run").select_option(made.run_ids[0])
        page.get_by_role("button", name="Compare").focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/compare?a={made.run_ids[0]}*")
        page.get_by_text("mcnemar-midp").first.wait_for()
        assert opened.said == []


def test_a_label_is_saved_in_the_browser(chromium: Browser, site: str, made: StoredProject) -> None:
    file = made.root / "labels" / "helpful.jsonl"
    first, second, *_ = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    with _window(chromium, viewport={"width": 1400, "height": 900}) as opened:
        page = opened.page
        page.goto(f"{site}/labels/helpful")
        page.get_by_label("Your name").fill("Ana")
        page.keyboard.press("Enter")
        page.get_by_text("0 of 12 labelled by Ana").wait_for()
        assert page.get_by_text(first["output"]).first.is_visible()
        assert "Judge helpful:" not in page.content()
        page.locator("h1").click()
        page.keyboard.press("2")  # the key of "fail"
        page.get_by_text("1 of 12 labelled by Ana").wait_for()
        assert "Judge helpful:" in page.content()
        page.get_by_role("button", name="pass").click()
        page.get_by_text("2 of 12 labelled by Ana").wait_for()
        assert opened.said == []
    rows = {row["id"]: row for row in map(json.loads, file.read_text("utf-8").splitlines())}
    assert (rows[first["id"]]["labels"], rows[second["id"]]["labels"]) == ({"Ana": "fail"}, {"Ana": "pass"})


def test_the_copy_as_files_works_without_a_server(
    chromium: Browser, project: Project, made: StoredProject, tmp_path: Path
) -> None:
    with ViewSources.opened(project) as sources:
        write_pages(sources, tmp_path)
    with _window(chromium, viewport={"width": 1400, "height": 900}) as opened:
        page = opened.page
        page.goto((tmp_path / "index.html").as_uri())
        assert page.evaluate("getComputedStyle(document.querySelector('.banner')).borderLeftWidth") == "6px"
        page.get_by_role("link", name="support", exact=True).last.click()
        page.get_by_role("link", name=made.run_ids[-1]).first.click()
        page.wait_for_selector("html[data-ready]", state="attached")
        assert page.locator("#rows tr:not(.gap)").count() > 10
        page.get_by_role("link", name="shop-assistant").click()
        page.wait_for_url("**/index.html")
        assert opened.said == []


def test_hostile_names_do_nothing_in_a_browser(chromium: Browser, tmp_path: Path) -> None:
    """Every page about them is read as elements by tests/server; here, fifty of them are on one page that is run."""
    project = attacked_project(tmp_path / "shop", runs=(True,))
    window = {"viewport": {"width": 1400, "height": 900}}
    with _served(project) as (address, lines), _window(chromium, **window) as opened:
        for path in ("/", *(f"/suites/{quote(words, safe='')}" for words in XSS[:3])):
            opened.page.goto(f"{address}{path}")
            opened.page.mouse.move(200, 300)
        assert opened.page.locator("h1").inner_text().startswith(XSS[2])
        assert opened.said == []
        assert all(url.startswith((address, "data:")) for url in opened.sent)
    assert lines == []
