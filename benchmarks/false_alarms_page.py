"""The page of the false alarms, docs/false-alarms.md, and its plot: what was measured, in words, figures and dots."""
# ruff: noqa: E501 - the page is text whose lines are not wrapped here

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from benchmarks import rates, strips

from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.rates import Rates

SEEN_DROP: Final = 0.05
PROMISED: Final = 0.05

PAGE: Final = """\
# False alarms, measured

Teams that get false alarms learn to rerun a red build, and that lets real regressions through. Measured here: how often a gate
fails a build in which nothing changed, and how often it passes a worse one.

![False alarms and misses of nine gates, for {sizes} cases](images/false-alarms.svg)

## What it means

* **"Any drop"** fails {any_drop} % of the builds in which nothing changed. More cases do not help.
* **"Any previously passing case fails"** fails {any_case} %: one case in ten flips between two runs of the same system.
* **A fixed threshold** has few false alarms only with many cases, and misses half of the drops of its own size.
* **The default** guarantees at most 5 % (dashed line) and fails {default} % (standard error {se_promised:.1f}).
* **Three trials per case** detect what one trial detects with two to three times the cases.
* **`not_proven`** passes a drop of the margin in {proven} % of the builds, and fails good builds if
  there are few cases: it is for releases, with 500 cases or more.

## The table

Each cell: false alarms; misses at a true drop of 1/2/5/10 points, in percent of {builds} builds. The standard error is
at most {se:.1f} points. `tolerance` and `not_proven` accept drops inside their margin by design.

| gate | {heads} |
|---|{rules}
{table}

## How it was measured

On {date}, in {minutes} minutes by {processes} processes:

<!-- elsewhere: it takes minutes; make bench-statistics runs it in small -->
```
python -m benchmarks.false_alarms --builds {builds_plain} --page
```

The builds are simulated; the decisions are not. Case i passes with probability p_i, drawn from a Beta distribution with
mean .80. Two runs of the same system correlate at .70 per case. A candidate that is worse by d passes case i with
p_i (1 - d / .80). Every build becomes a run and a baseline, and is decided by the code of the product
([how the gate decides](deciding.md)) with `alpha = 0.05`. The naive gates use the first trials of the same builds. The
seeds are fixed: the same command gives the same figures.

If runs correlate less, misses increase, false alarms of the default do not.
"""


def write(measured: Rates, folder: Path) -> tuple[Path, Path]:
    page, plot = folder / "false-alarms.md", folder / "images" / "false-alarms.svg"
    files.write_atomically(plot, strips.svg(_plot(measured)).encode())
    files.write_atomically(page, _page(measured).encode())
    return page, plot


def _page(measured: Rates) -> str:
    return PAGE.format(
        sizes=_listed(measured.sizes),
        any_drop=_span(measured, "any drop", 0.0),
        any_case=_span(measured, "any previously passing case fails", 0.0),
        default=_span(measured, "no-regression (default)", 0.0),
        proven=_span(measured, "not_proven, margin 5 points", SEEN_DROP),
        builds=f"{measured.builds:,}",
        builds_plain=measured.builds,
        se=100 * 0.5 / math.sqrt(measured.builds),
        se_promised=100 * math.sqrt(PROMISED * (1 - PROMISED) / measured.builds),
        heads=" | ".join(f"n = {size:,}" for size in measured.sizes),
        rules="---|" * len(measured.sizes),
        table="\n".join(_table(measured)),
        date=datetime.now(UTC).date().isoformat(),
        minutes=math.ceil(measured.seconds / 60),
        processes=measured.processes,
    )


def _table(measured: Rates) -> Iterator[str]:
    for name in _gates():
        yield f"| {_bold(name)} | " + " | ".join(measured.cell(name, size) for size in measured.sizes) + " |"


def _plot(measured: Rates) -> strips.Plot:
    return strips.Plot(
        title="False alarms and misses of gates",
        description="For each gate, the share of builds that it fails though nothing changed, and the share that it "
        f"passes though they are 5 points worse, for {_listed(measured.sizes)} cases.",
        panels=(
            strips.Panel("False alarms", "stopped, though nothing changed", limit=PROMISED),
            strips.Panel("Misses", "passed, though 5 points worse"),
        ),
        rows=[strips.Row(name, _kind(name), _shares(measured, name)) for name in _gates()],
        sizes=[f"{size:,}" for size in measured.sizes],
        size_name="Cases in the golden set:",
        kinds={"plain": "naive", "ours": "pytest-evalgate"},
    )


def _shares(measured: Rates, name: str) -> list[list[float]]:
    return [[measured.wrong(name, size, drop) for size in measured.sizes] for drop in (0.0, SEEN_DROP)]


def _gates() -> tuple[str, ...]:
    return (*rates.NAIVE, *rates.OURS)


def _kind(name: str) -> str:
    return "ours" if name in rates.OURS else "plain"


def _bold(name: str) -> str:
    return f"**{name}**" if name in rates.OURS else name


def _span(measured: Rates, name: str, drop: float) -> str:
    shares = [measured.wrong(name, size, drop) for size in measured.sizes]
    ends = [f"{100 * share:.0f}" for share in (min(shares), max(shares))]
    return " to ".join(dict.fromkeys(ends))


def _listed(sizes: Sequence[int]) -> str:
    return f"{sizes[0]:,} to {sizes[-1]:,}"
