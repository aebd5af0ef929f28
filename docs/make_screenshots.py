"""Take the pictures of the HTML report, the pull-request comment, the dashboard and the page of a release.

They show the example first_hour, walked from its spreadsheet to the red run, the dashboard of a made-up project, and
the pack of the example golden_sets with the configuration of docs/evidence.md.
Run it from anywhere, with playwright
installed and chromium on the PATH: ``python docs/make_screenshots.py``; ``--out FOLDER`` also takes every section at
1,400, 800 and 390 px, light and dark, to look at.
"""

# ruff: noqa: INP001, T201 - a script, which prints what it made

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from github_page import comment_page, github_style
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_DOCS: Final = Path(__file__).resolve().parent
_ROOT: Final = _DOCS.parent
_WIDTHS: Final = (1400, 800, 390)
_SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
_SECTIONS: Final = ("gates", "changed", "cases", "slices", "scores", "history", "run")


@dataclass(frozen=True)
class _Window:
    """A browser window."""

    width: int = 1400
    height: int = 900
    scheme: Literal["light", "dark"] = "light"


def main(arguments: list[str] | None = None) -> int:
    """Walk through the example in a folder of its own and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for pictures of every section")
    options = parser.parse_args(arguments)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("chromium is not on the PATH: install it and run again", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        project = Path(folder, "project")
        walk = [sys.executable, "-m", "benchmarks.first_hour", "--keep", str(project)]
        subprocess.run(walk, cwd=_ROOT, check=False)  # noqa: S603 - our own interpreter
        report, comment = project / ".evalgate" / "report.html", project / "comment" / "comment.md"
        page = Path(folder, "comment.html")
        page.write_text(comment_page(comment.read_text("utf-8"), github_style()), "utf-8")
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        _take_report(browser, report.as_uri(), _DOCS / "images")
        _take_comment(browser, page.as_uri(), _DOCS / "images")
        _take_dashboard(browser, Path(folder, "shop"), _DOCS / "images")
        release = _release_page(Path(folder, "release"))
        _take_release(browser, release, _DOCS / "images")
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            _take_everything(browser, report.as_uri(), page.as_uri(), options.out)
            for width in _WIDTHS:
                for scheme in _SCHEMES:
                    page_of_release = _plain(browser, release, _Window(width, 900, scheme))
                    page_of_release.screenshot(path=options.out / f"release-{width}-{scheme}.png", full_page=True)
                    page_of_release.close()
        browser.close()
    return 0


def _take_report(browser: Browser, report: str, out: Path) -> None:
    for scheme in _SCHEMES:
        _shoot(_opened(browser, report, _Window(1200, 900, scheme)), out / f"report-{scheme}.png")
    _shoot(_opened(browser, f"{report}#show=regressed", _Window(1200)), out / "report-cases.png")
    page = _opened(browser, report, _Window(1200))
    page.locator(".cases a.id").first.click()
    page.wait_for_selector("dialog[open]")
    _shoot(page, out / "report-case.png")
    _shoot(_opened(browser, report, _Window(390, 844)), out / "report-narrow.png")


def _take_comment(browser: Browser, comment: str, out: Path) -> None:
    """Take the comment down to its third case: what a reviewer sees without scrolling much."""
    for scheme in _SCHEMES:
        page = _new_page(browser, _Window(900, 900, scheme))
        page.goto(comment)
        page.evaluate("document.querySelector('details').previousElementSibling.scrollIntoView({block: 'end'})")
        end = page.evaluate("document.querySelector('details').getBoundingClientRect().top + scrollY")
        page.screenshot(path=out / f"comment-{scheme}.png", full_page=True, clip=_top(900, end))
        page.close()
        print(f"{out.name}/comment-{scheme}.png")


def _take_dashboard(browser: Browser, root: Path, out: Path) -> None:
    """Take the pages of a store as files: the same pages as those of the server."""
    sys.path.insert(0, str(_ROOT))
    from tests.support.stored_project import make_project  # noqa: PLC0415 - not a package of this script

    project = make_project(root)
    site = root / "site"
    write = [sys.executable, "-c", _VERB, "view", "--static", str(site)]
    subprocess.run(write, cwd=root, check=True)  # noqa: S603 - our own interpreter
    _shoot(_plain(browser, site / "index.html", _Window(1200, 660)), out / "dashboard.png")
    _shoot(_plain(browser, site / "suite-support.html", _Window(1400, 900)), out / "dashboard-suite.png")
    [compared] = site.glob(f"compare-*{project.run_ids[-1].lower()}*.html")
    page = _plain(browser, compared, _Window(1200, 560))
    page.evaluate("document.querySelectorAll('section')[2].scrollIntoView()")
    _shoot(page, out / "dashboard-compare.png")


def _release_page(root: Path) -> Path:
    """Write the pack of the example golden_sets, verify it, and return its page."""
    shutil.copytree(_ROOT / "examples" / "golden_sets", root)
    found = re.search(r"```toml\n(.*?)```", (_DOCS / "evidence.md").read_text("utf-8"), re.DOTALL)
    if found is None:
        raise ValueError("docs/evidence.md has no configuration")
    (root / "evalgate.toml").write_text(found[1], "utf-8")
    identity = ("-c", "user.name=Release Team", "-c", "user.email=release@example.org", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-qm", "release")):
        subprocess.run(["git", *arguments], cwd=root, check=True)  # noqa: S603, S607 - git on the PATH
    commands = (["-m", "pytest", "--eval-gate", "-q", "-p", "no:cacheprovider"],)
    verbs = (["evidence", "--out", "release.zip"], ["evidence", "verify", "release.zip"])
    for arguments in (*commands, *(["-c", _VERB, *verb] for verb in verbs)):
        subprocess.run([sys.executable, *arguments], cwd=root, check=True)  # noqa: S603 - our own interpreter
    shutil.unpack_archive(root / "release.zip", root / "release")
    return root / "release" / "readiness.html"


def _take_release(browser: Browser, page: Path, out: Path) -> None:
    for scheme in _SCHEMES:
        _shoot(_plain(browser, page, _Window(1200, 700, scheme)), out / f"release-{scheme}.png")
    _shoot(_plain(browser, page, _Window(390, 800)), out / "release-narrow.png")


_VERB: Final = "import sys; from pytest_evalgate.cli import main; sys.exit(main())"


def _plain(browser: Browser, file: Path, window: _Window) -> Page:
    page = _new_page(browser, window)
    page.goto(file.as_uri())
    return page


def _top(width: int, height: float) -> dict[str, float]:
    return {"x": 0, "y": 0, "width": width, "height": height}


def _take_everything(browser: Browser, report: str, comment: str, out: Path) -> None:
    for width in _WIDTHS:
        for scheme in _SCHEMES:
            window, end = _Window(width, 900, scheme), f"{width}-{scheme}.png"
            _shoot(_opened(browser, report, window), out / f"top-{end}")
            page = _opened(browser, report, window)
            for name in _SECTIONS:
                page.locator(f"section[aria-labelledby='{name}']").first.screenshot(path=out / f"{name}-{end}")
            page.locator(".cases a.id").first.click()
            page.wait_for_selector("dialog[open]")
            _shoot(page, out / f"case-{end}")
            page = _new_page(browser, window)
            page.goto(comment)
            page.screenshot(path=out / f"comment-{end}", full_page=True)
            page.close()


def _opened(browser: Browser, address: str, window: _Window) -> Page:
    page = _new_page(browser, window)
    page.goto(address)
    page.wait_for_selector("html[data-ready]", state="attached")
    page.locator("#rows [data-filled]").first.wait_for(state="attached")
    return page


def _new_page(browser: Browser, window: _Window) -> Page:
    return browser.new_page(
        viewport={"width": window.width, "height": window.height},
        color_scheme=window.scheme,
        reduced_motion="reduce",
    )


def _shoot(page: Page, path: Path) -> None:
    page.screenshot(path=path)
    page.close()
    print(f"{path.parent.name}/{path.name}")


if __name__ == "__main__":
    sys.exit(main())
