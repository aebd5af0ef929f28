"""Take the pictures of the HTML report that the documentation shows, of the example whose gate fails.

Run it from anywhere, with playwright installed and chromium on the PATH: ``python docs/make_screenshots.py``.
"""

# ruff: noqa: INP001, T201 - a script, which prints what it made

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_DOCS = Path(__file__).resolve().parent
_EXAMPLES = _DOCS.parent / "examples" / "golden_sets"
_RUN = [
    *(sys.executable, "-m", "pytest", "-q", "--eval-gate", "gsm8k"),
    *("--eval-target", "recorded:gsm8k/outputs.6b_finetuning.jsonl"),
    *("--eval-baseline", "baselines/gsm8k.6b_verification.json"),
]
_REPORT = Path(".evalgate", "report.html")
_GATE_FAILED = 1
_WINDOW = (1200, 900)


def main() -> int:
    """Run the example in a folder of its own and take the pictures."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("chromium is not on the PATH: install it and run again", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        project = Path(folder, "example")
        shutil.copytree(_EXAMPLES, project, ignore=shutil.ignore_patterns(".evalgate"))
        done = subprocess.run(_RUN, cwd=project, check=False)  # noqa: S603 - our own interpreter
        if done.returncode != _GATE_FAILED:
            print(f"the example ended with {done.returncode}, not with {_GATE_FAILED}", file=sys.stderr)
            return 1
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        _take(browser, (project / _REPORT).as_uri())
        browser.close()
    return 0


def _take(browser: Browser, report: str) -> None:
    _picture(browser, report, "report-light.png")
    _picture(browser, report, "report-dark.png", scheme="dark")
    _picture(browser, f"{report}#show=regressed&sort=-id", "report-cases.png")
    _picture(browser, report, "report-case.png", opens=True)
    _picture(browser, report, "report-narrow.png", window=(400, 800))


def _picture(
    browser: Browser,
    address: str,
    name: str,
    *,
    scheme: str = "light",
    opens: bool = False,
    window: tuple[int, int] = _WINDOW,
) -> None:
    page = browser.new_page(
        viewport={"width": window[0], "height": window[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    page.goto(address)
    page.wait_for_selector("html[data-ready]", state="attached")
    if opens:
        page.locator(".cases a.id").first.click()
        page.wait_for_selector("dialog[open]")
    page.screenshot(path=_DOCS / "images" / name)
    page.close()
    print(f"docs/images/{name}")


if __name__ == "__main__":
    sys.exit(main())
