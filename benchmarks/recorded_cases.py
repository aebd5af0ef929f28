"""Recorded outputs and rules only: CPU and memory of a gate over N cases, and of the verbs that follow it.

A gate has a baseline, four gates and twenty slices, and is held against pytest's own floor: the smallest plugin that
makes one item of each line of the same file and does nothing with it. Both run in turn, in processes of their own,
without other plugins. The last rows are the growth of each phase: the exponent of N in its CPU between the two largest
sizes, with the start-up (its CPU at N = 1) taken off; 1 is linear. ``python -m benchmarks.recorded_cases SIZES``.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes, projects
from benchmarks.profiled import again
from benchmarks.rows import Row, print_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.processes import Used


@dataclass(frozen=True, slots=True)
class Size:
    """What so many cases may take over pytest's floor, and in memory; None: only shown."""

    case_ms: float | None = None
    mebibytes: float | None = None
    rounds: int = 1


SIZES: Final = {1_000: Size(rounds=2), 10_000: Size(0.15, 120, rounds=2), 100_000: Size(0.18, 600)}
EXPONENT: Final = 1.1
"""Bound of a growth: 26 % more a case when there are ten times as many, which is what caches of the CPU cost."""

GATE: Final = (*processes.GATE, "golden.jsonl")
PHASES: Final = {
    "gate": GATE,
    "promote": (*processes.VERB, "baseline", "promote", "--reason", "growth"),
    "compare": (*processes.VERB, "compare"),
    "verify": (*processes.VERB, "verify"),
    "lint": (*processes.VERB, "lint"),
    "report": (*processes.VERB, "report"),
}


def main() -> int:
    sizes = list(map(int, sys.argv[1:])) or list(SIZES)
    return print_rows(rows(sizes), f"recorded outputs, rules only; {processes.machine()}")


def rows(sizes: Sequence[int] = tuple(SIZES)) -> Iterator[Row]:
    found: dict[int, dict[str, Used]] = {}
    for number in (1, *sizes):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_project(folder, number)
            floor, found[number] = _measure(folder, SIZES.get(number, Size()).rounds)
            if number > 1:
                yield from _size_rows(folder, number, floor, found[number]["gate"])
            if number == max(sizes) and len(sizes) > 1:
                yield from _growth_rows(found, lambda phase, folder=folder: again(PHASES[phase], folder))  # type: ignore[misc]


def _measure(folder: Path, rounds: int) -> tuple[Used, dict[str, Used]]:
    """Return what pytest's floor takes, and each phase."""
    processes.python_run(folder, *GATE)
    found = {"promote": processes.python_run(folder, *PHASES["promote"])}
    pairs = [
        (processes.pytest_run(folder, "-p", "floor", "golden.jsonl"), processes.python_run(folder, *GATE))
        for _ in range(rounds)
    ]
    floor, found["gate"] = (processes.least(each) for each in zip(*pairs, strict=True))
    for phase in PHASES:
        if phase not in found:
            found[phase] = processes.python_run(folder, *PHASES[phase])
    return floor, found


def _size_rows(folder: Path, number: int, floor: Used, gate: Used) -> Iterator[Row]:
    size = SIZES.get(number, Size())
    profile = partial(again, GATE, folder)
    yield Row(
        f"recorded, N = {number:,}, over the floor",
        1000 * (gate.cpu_s - floor.cpu_s) / number,
        size.case_ms,
        "ms a case",
        1000 * floor.cpu_s / number,
        f"{gate.cpu_s:.2f} s CPU, {gate.wall_s:.2f} s; others {gate.others:.1f} cores",
        profile=profile,
    )
    yield Row(
        "  peak memory",
        gate.peak_mb,
        size.mebibytes,
        "MiB",
        floor.peak_mb,
        profile=profile,
    )


def _growth_rows(found: dict[int, dict[str, Used]], profile: Callable[[str], str]) -> Iterator[Row]:
    start, *sizes = sorted(found)
    small, large = sizes[-2:]
    for phase in PHASES:
        extra = {size: found[size][phase].cpu_s - found[start][phase].cpu_s for size in sizes}
        each = " / ".join(f"{1000 * extra[size] / size:.3f}" for size in sizes)
        yield Row(
            f"growth, {phase}",
            math.log(extra[large] / max(extra[small], 0.01)) / math.log(large / small),
            EXPONENT,
            "exponent of N",
            note=f"{each} ms a case; {found[large][phase].peak_mb:,.0f} MiB",
            profile=lambda phase=phase: profile(phase),  # type: ignore[misc]
        )


def write_project(folder: Path, size: int) -> None:
    golden, outputs = folder / "golden.jsonl", folder / "outputs.jsonl"
    with golden.open("w", encoding="utf-8") as cases, outputs.open("w", encoding="utf-8") as answers:
        for index in range(size):
            text = f"The answer to question {index} is {index % 97}. " * 4
            case = {"id": f"case-{index:06}", "input": f"What is {index} modulo 97? " * 4, "expected": str(index % 97)}
            cases.write(json.dumps({**case, "tags": [f"group:{index % 20}"]}) + "\n")
            output = text if index % 10 != 1 else "no idea"
            answers.write(json.dumps({"id": case["id"], "output": output}) + "\n")
    (folder / "evalgate.toml").write_text(
        '[suites.recorded]\ngolden = "golden.jsonl"\ntarget = { recorded = "outputs.jsonl" }\n'
        'scorers = ["contains"]\nslices = ["group"]\ngates = [\n'
        '  { kind = "pass-rate", min = 0.8, bound = "point" },\n  { kind = "no-regression", margin = 0.05 },\n'
        '  { kind = "slice", by = "group" },\n  { kind = "mean-score", scorer = "contains", min = 0.7 },\n]\n',
        encoding="utf-8",
    )
    (folder / "floor.py").write_text(projects.FLOOR, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
