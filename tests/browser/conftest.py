"""Chromium, and the reports that it opens."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.reports.conftest import Screen

from pytest_evalgate.reports.html import render_html

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Dialog, Page

    from pytest_evalgate.reports.view import ReportView

    Open = Callable[..., "Opened"]


@dataclass
class Opened:
    """A page with all that it said, asked and sent."""

    page: Page
    said: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Note what a report must never do."""
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", self._dismiss)
        self.page.on("request", lambda request: self.sent.append(request.url))

    def _dismiss(self, dialog: Dialog) -> None:
        self.said.append(dialog.message)
        dialog.dismiss()

    def rows(self) -> list[str]:
        """Return the ids of the cases in the table that exist."""
        shown: list[str] = self.page.locator("#rows tr:not(.gap) th a").all_text_contents()
        return shown

    def counted(self) -> str:
        """Return how many cases are shown, as it is told."""
        told: str = self.page.locator("#count").inner_text()
        return told


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start Chromium for one module: while playwright runs there is an event loop, which other tests want to start."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no chromium on the PATH")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Browser, tmp_path: Path) -> Iterator[Open]:
    """Write a view as a report and open it at a place; further arguments are those of a browser's context."""
    contexts = []

    def open_it(view: ReportView, at: str = "", spill: Any = None, **how: Any) -> Opened:
        file = tmp_path / "report.html"
        file.write_bytes(b"".join(render_html(view, spill)))
        contexts.append(chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **how}))
        made = Opened(contexts[-1].new_page())
        made.page.set_default_timeout(30_000)
        made.listen()
        made.page.goto(f"{file.as_uri()}{at}")
        if how.get("java_script_enabled", True):
            made.page.wait_for_selector("html[data-ready]", state="attached")
        return made

    yield open_it
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def regressed(tmp_path_factory: pytest.TempPathFactory) -> ReportView:
    """A suite in which 19 cases got worse and 4 better, and one with three trials a case."""
    support = Screen.scene(
        "m" * 19 + "P" * 221,
        "P" * 19 + "m" * 4 + "P" * 217,
        [{"kind": "no-regression"}, {"kind": "pass-rate", "min": 0.85}],
        slices={case: (("lang", "de" if case % 3 else "en"),) for case in range(240)},
        tags={0: ("refund", "vip")},
        reasons={3: "contains: invents a cancel button"},
    )
    tone = Screen.scene(["PPm", "PPP", "mmm"] * 20, None, [{"kind": "pass-rate", "min": 0.8}], name="tone")
    return Screen.view(support, tone, stored=tmp_path_factory.mktemp("run") / "run.jsonl")
