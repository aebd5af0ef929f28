"""The HTML report of 10,000 cases: its size, the CPU that writing it takes, and the time until it can be used.

Each case has 300 characters of input, 400 of output, 400 of the baseline's and a reason of 200: windows of real texts,
the baseline's answer once like the candidate's but for fifty characters, once another text. The size is held
against the same texts as one compressed JSON file, which shows nothing. Chromium, where it is there, opens the file.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import resource
import shutil
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate.app.view import with_cases
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import Score
from pytest_evalgate.records.verdicts import Accounting, Calls, SuiteVerdict, Verdict
from pytest_evalgate.reports.html import render_html
from pytest_evalgate.reports.html.data import texts
from pytest_evalgate.reports.view import CaseView, ReportView, SuiteView, TrialView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = (10_000, 100_000)
MEGABYTES = 6
CPU_SECONDS = 0.6
INTERACTIVE_SECONDS = 2
LEVELS = range(1, 10)
EXAMPLES = Path(__file__).parents[1] / "examples/golden_sets/gsm8k"


@dataclass(frozen=True, slots=True)
class Cases:
    """So many cases, made up anew each time they are drawn, always the same."""

    number: int
    alike: bool

    def __iter__(self) -> Iterator[CaseView]:
        source = random.Random(1)  # noqa: S311 - where texts begin
        pool = _pool()
        return (_case(number, self, pool, source) for number in range(self.number))


def _pool() -> str:
    """Return what people and models have written: made-up words compress as nothing that is read does."""
    files = sorted(EXAMPLES.glob("*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return " ".join(str(row.get("output") or row.get("input")) for row in rows)


def _case(number: int, cases: Cases, pool: str, source: random.Random) -> CaseView:
    missed = number % 10 == 0
    reason, output = _text(200, pool, source), _text(400, pool, source)
    before = output[:150] + _text(50, pool, source) + output[200:] if cases.alike else _text(400, pool, source)
    scores = (Score("exact", float(not missed), not missed), Score("faq", 0.4 if missed else 0.9, not missed, reason))
    return CaseView(
        suite="support",
        id=f"refund-{number:06}",
        place=Place("golden_sets/support.jsonl", number + 1),
        outcome="missed" if missed else "passed",
        tags=("refund", f"group:{number % 20}"),
        slices=(("lang", ("en", "de", "fr")[number % 3]),),
        change="regressed" if number % 50 == 0 else "same",
        before=1.0,
        value=float(not missed),
        reason=reason if missed else "",
        input=_text(300, pool, source),
        expected="14 days",
        trials=(TrialView(float(not missed), output, "", scores, 0.81, 0.0012, 345),),
        baseline_output=before,
    )


def _text(length: int, pool: str, source: random.Random) -> str:
    start = source.randrange(len(pool) - length)
    return pool[start : start + length]


def main() -> int:
    print("HTML report: 300 characters of input, 2 x 400 of output, 200 of reason a case")
    for number in map(int, sys.argv[1:] or SIZES):
        for alike in (True, False):
            _measure(Cases(number, alike))
    return 0


def _measure(cases: Cases) -> None:
    number, view = cases.number, _view(cases)
    print(f"  N = {number:,}, " + ("answers like the baseline's" if cases.alike else "answers unlike the baseline's"))
    drawing = _cpu(lambda: sum(1 for _ in view.cases))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "report.html")
        spilled: list[int] = []
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with file.open("wb") as out:
            cpu = _cpu(
                lambda: out.writelines(render_html(view, lambda _, parts: spilled.append(sum(map(len, parts)))))
            )
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
        size = file.stat().st_size
        print(
            f"    {size / 1e6:.2f} MB (bound for 10,000: {MEGABYTES})"
            + (f" and {sum(spilled) / 1e6:.1f} MB beside it" if spilled else "")
            + f", {cpu - drawing:.2f} s CPU (bound for 10,000: {CPU_SECONDS}), {memory:+.0f} MB of memory"
        )
        _compare(view, size + sum(spilled))
        _open(file)


def _view(cases: Cases) -> ReportView:
    number = cases.number
    accounting = Accounting(number, number - number // 10, number // 10)
    suite = SuiteVerdict(
        cases=number,
        trials=1,
        passed=accounting.passed,
        pass_rate=0.9,
        interval=(0.894, 0.906),
        golden_sha256="0" * 64,
        verdict="pass",
        mode="blocking",
        accounting=accounting,
        scores={},
        delta=None,
        slices=(),
        gates=(),
    )
    verdict = Verdict(
        "pass", 0, "20261121T101500Z-3f9c", None, "default", accounting, {"support": suite}, (), Calls(), 3
    )
    view = ReportView(verdict, (SuiteView("support", suite),), "run.jsonl", "verdict.json")
    return with_cases(view, cases)


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _compare(view: ReportView, size: int) -> None:
    """Print what the same texts take as one compressed file, and what each level of compression would do to them."""
    rows = [texts(case, None) for case in view.cases]
    bare = json.dumps(rows, ensure_ascii=False).encode()
    print(f"    {size / len(gzip.compress(bare, 9)):.2f} x the same texts as bare JSON with gzip -9")
    chunks = [
        json.dumps(rows[first : first + 500], ensure_ascii=False).encode()
        for first in range(0, min(len(rows), 10_000), 500)
    ]
    for level in LEVELS if len(rows) <= min(SIZES) else ():
        start = time.process_time()
        gzipped = sum(len(zlib.compress(chunk, level, wbits=31)) for chunk in chunks)
        print(f"    gzip level {level}: {gzipped * 4 / 3e6:.2f} MB in base64, {time.process_time() - start:.2f} s CPU")


def _open(file: Path) -> None:
    """Print how long Chromium takes until the table can be used, and until a search has gone through all texts."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not everybody has it
    except ImportError:
        chromium = None
    if chromium is None:
        print("    not opened: playwright or chromium is missing")
        return
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        start = time.perf_counter()
        page.goto(file.as_uri(), wait_until="commit")
        page.wait_for_selector("html[data-ready]", state="attached")
        ready = time.perf_counter() - start
        start = time.perf_counter()
        page.fill("#query", "nothing has these words")
        page.get_by_text(re.compile("^0 of [0-9,]+ cases(; The texts.*)?$")).wait_for(timeout=600_000)
        search = time.perf_counter() - start
        browser.close()
    print(
        f"    interactive after {ready:.2f} s (bound for 10,000: {INTERACTIVE_SECONDS}), "
        f"all texts searched in {search:.2f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
