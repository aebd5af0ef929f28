"""The HTML report of 10,000 cases: its size, the CPU that writing it takes, and the time until it can be used.

Each case has 300 characters of input, 400 of output, 400 of the baseline's and a reason of 200: windows of real texts,
the baseline's answer once like the candidate's but for fifty characters, once a different text. The size is held
against the same texts as one compressed JSON file, which shows nothing. If Playwright and Chromium are installed, the
file is opened.
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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import processes
from benchmarks.profiled import again
from benchmarks.rows import Row, print_rows

from pytest_evalgate.app.view import with_cases
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import Score
from pytest_evalgate.records.verdicts import Accounting, Calls, SuiteVerdict, Verdict
from pytest_evalgate.reports.html import render_html
from pytest_evalgate.reports.html.data import texts
from pytest_evalgate.reports.view import CaseView, ReportView, SuiteView, TrialView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

SIZES = (10_000,)
MEGABYTES = 6
CPU_SECONDS = 0.8
INTERACTIVE_SECONDS = 2
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
    if sys.argv[1:2] == ["--inside"]:
        number, alike, file = sys.argv[2:]
        print("MEASURED " + json.dumps(_measured(Cases(int(number), alike == "alike"), Path(file))))
        return 0
    sizes = list(map(int, sys.argv[1:])) or [*SIZES, 100_000]
    title = "HTML report: 300 characters of input, 2 x 400 of output, 200 of reason a case"
    return print_rows(rows(sizes), f"{title}; {processes.machine()}")


def rows(sizes: Sequence[int] = SIZES) -> Iterator[Row]:
    for number in sizes:
        for alike in ("alike", "different"):
            yield from _size_rows(number, alike)


def _size_rows(number: int, alike: str) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = ("-m", "benchmarks.html_report", "--inside", str(number), alike, "report.html")
        found = json.loads(processes.python_run(folder, *command).output.rpartition("MEASURED ")[2])
        bound = number == min(SIZES)
        yield Row(
            f"HTML, N = {number:,}, {alike} answers",
            found["page_mb"],
            MEGABYTES if bound else None,
            "MB",
            found["gzip_mb"],
            f"bare: the same texts as JSON with gzip -9; {found['beside_mb']:.1f} MB beside it",
        )
        yield Row(
            "  CPU",
            found["cpu_s"],
            CPU_SECONDS if bound else None,
            "s CPU",
            found["gzip_s"],
            f"{found['memory_mib']:+.0f} MiB of memory",
            profile=lambda: again(command, folder),
        )
        if times := _open(folder / "report.html"):
            yield Row(
                "  usable in Chromium",
                times[0],
                INTERACTIVE_SECONDS if bound else None,
                "s",
                note=f"all texts searched in {times[1]:.2f} s",
            )


def _measured(cases: Cases, file: Path) -> dict[str, float]:
    """Write the report, and return sizes in MB (the files beside a large one as well), CPU and memory."""
    view = _view(cases)
    drawing_s = _cpu_s(lambda: sum(1 for _ in view.cases))
    spilled: list[int] = []

    def spill(_: str, parts: Iterable[bytes]) -> None:
        spilled.append(sum(map(len, parts)))

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with file.open("wb") as out:
        cpu_s = _cpu_s(lambda: out.writelines(render_html(view, spill)))
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
    bare = json.dumps([texts(case, None) for case in view.cases], ensure_ascii=False).encode()
    packed: list[bytes] = []
    gzip_s = _cpu_s(lambda: packed.append(gzip.compress(bare, 9)))
    return {
        "page_mb": file.stat().st_size / 1e6,
        "beside_mb": sum(spilled) / 1e6,
        "cpu_s": cpu_s - drawing_s,
        "memory_mib": memory,
        "gzip_mb": len(packed[0]) / 1e6,
        "gzip_s": gzip_s,
    }


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


def _cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _open(file: Path) -> tuple[float, float] | None:
    """Return how many seconds Chromium takes until the table is usable, and until all texts are searched.

    None if Playwright or Chromium is missing.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not everyone has it
    except ImportError:
        return None
    if chromium is None:
        return None
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
        searched = time.perf_counter() - start
        browser.close()
    return ready, searched


if __name__ == "__main__":
    sys.exit(main())
