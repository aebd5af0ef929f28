"""Verbs that read a stored run of recorded cases: CPU and peak memory of each, and how fast a run file is read."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes
from benchmarks.profiled import again
from benchmarks.recorded_cases import GATE, PHASES, write_project
from benchmarks.rows import Row, print_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES: Final = 100_000
BOUNDS: Final = {"promote": (6.0, 300.0), "compare": (9.0, 400.0), "verify": (12.0, 400.0), "report": (9.0, 250.0)}
"""Seconds of CPU and MiB at `CASES`. Before files were read line by line: 11 / 600, 16 / 650, 18 / 620, 12 / 550."""

READ_MB: Final = 17.8
READ: Final = (
    "import sys, time; from pathlib import Path; from pytest_evalgate.runs import run_file\n"
    "path = Path(sys.argv[1]); started = time.process_time(); run_file.read(path)\n"
    "print('RATE', path.stat().st_size / 1e6 / (time.process_time() - started))"
)


def main() -> int:
    cases = int(sys.argv[1]) if sys.argv[1:] else CASES
    return print_rows(rows(cases), f"stored runs of {cases:,} recorded cases; {processes.machine()}")


def rows(cases: int = CASES) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_project(folder, cases)
        processes.python_run(folder, *GATE)
        for phase, (seconds, mebibytes) in BOUNDS.items():
            used = processes.python_run(folder, *PHASES[phase])
            bound, profile = seconds * cases / CASES, partial(again, PHASES[phase], folder)
            yield Row(f"{phase}, N = {cases:,}", used.cpu_s, bound, "s CPU", profile=profile)
            yield Row("  peak memory", used.peak_mb, mebibytes, "MiB")
            if phase == "promote":  # from here on the run has a baseline, with which `verify` derives its verdict
                processes.python_run(folder, *GATE)
        path = max(folder.glob(".evalgate/runs/*/run.jsonl"))
        rate = processes.python_run(folder, "-c", READ, str(path)).output.rpartition("RATE ")[2]
        yield Row("run_file.read, with texts", float(rate), READ_MB, "MB/s", at_least=True)


if __name__ == "__main__":
    sys.exit(main())
