"""False alarms and misses of the gates per build, beside naive gates and beside the figures of STATISTICS section 2.

Each build is simulated (``builds``), made into the records of a run and a baseline, and judged by ``gates.decide``:
nothing of the statistics is computed here. Each cell reads "false alarms; misses at a true drop of 1/2/5/10 points",
in percent of the builds.

``--page`` writes docs/false-alarms.md and its plot.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from typing import TYPE_CHECKING, Final

from benchmarks import false_alarms_page, processes, rates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.rates import Rates

SIZES: Final = (50, 100, 200, 500, 1000)
EXPECTED: Final = {
    "any drop": ("41; 50/42/22/6", "44; 44/33/11/1", "45; 37/23/3/0", "47; 27/10/0/0", "48; 18/3/0/0"),
    "drop > 2 points": ("24; 67/59/36/12", "21; 68/56/25/3", "15; 71/54/14/0", "6; 77/53/4/0", "2; 84/52/1/0"),
    "drop > 5 points": ("12; 81/74/51/20", "4; 92/85/56/14", "1; 97/92/54/5", "0; 100/98/53/0", "0; 100/100/52/0"),
    "any previously passing case fails": ("92; 5/3/1/0", "99; 0/0/0/0", *3 * ("100; 0/0/0/0",)),
    "unpaired two-proportion z, 5%": (
        "0; 100/99/95/76",
        "0; 99/99/90/51",
        "0; 99/97/76/16",
        "0; 99/93/34/0",
        "0; 97/82/5/0",
    ),
    "no-regression (default)": ("3; 95/92/80/53", "4; 92/87/63/22", "5; 89/80/39/4", "5; 83/63/8/0", "5; 74/41/0/0"),
    "no-regression, 3 trials": ("4; 91/84/50/11", "5; 85/72/25/1", "5; 79/59/5/0", "6; 66/26/0/0", "4; 48/7/0/0"),
    "tolerance 2 points": ("2; 96/94/86/63", "1; 97/95/79/38", "1; 98/95/68/13", "0; 99/95/43/0", "0; 100/95/18/0"),
    "not_proven, margin 5 points": (
        "76; 18/13/5/1",
        "56; 31/21/5/0",
        "29; 51/33/5/0",
        "3; 85/62/5/0",
        "0; 99/87/5/0",
    ),
}
EXPECTED_BUILDS: Final = {name: 2_000 if ours.trials > 1 else 40_000 for name, ours in rates.OURS.items()}
MANY_BUILDS: Final = 40_000
ROUNDED: Final = 0.005
FAR: Final = 4.0
"""Of 225 cells of a sound table, one in seventy tables has a cell this many standard errors away."""


def main() -> int:
    chosen = _arguments()
    print(f"false alarms; misses at -1/-2/-5/-10 points, in percent of {chosen.builds:,} builds a cell")
    print(f"  {processes.machine()}")
    measured = rates.measure(chosen.builds, chosen.sizes, chosen.processes)
    for line in _lines(measured):
        print(line)
    far = list(_far(measured))
    print(f"  standard error of a cell: at most {100 * 0.5 / math.sqrt(chosen.builds):.1f} points")
    print(f"  cells more than {FAR:.0f} standard errors from the expected ones: {'; '.join(far) or 'none'}")
    print(f"  {measured.seconds:,.0f} s by {measured.processes} processes")
    if chosen.page:
        for path in false_alarms_page.write(measured, processes.ROOT / "docs"):
            print(f"  wrote {path.relative_to(processes.ROOT)}")
    return 1 if far else 0


def _lines(measured: Rates) -> Iterator[str]:
    yield f"  {'':44} " + "".join(f"{f'n={cases:,}':<19}" for cases in measured.sizes).rstrip()
    for gate in (*rates.NAIVE, *rates.OURS):
        cells = "".join(f"{measured.cell(gate, cases):<19}" for cases in measured.sizes)
        expected = "".join(f"{_expected(gate, cases) or '':<19}" for cases in measured.sizes)
        yield f"  {gate:<34} measured  {cells.rstrip()}"
        yield f"  {'':34} expected  {expected.rstrip()}"


def _expected(gate: str, cases: int) -> str | None:
    return EXPECTED[gate][SIZES.index(cases)] if cases in SIZES else None


def _far(measured: Rates) -> Iterator[str]:
    """Name the figures that chance and rounding do not explain."""
    for gate in EXPECTED:
        for cases in measured.sizes:
            figures = re.findall(r"\d+", _expected(gate, cases) or "")
            for drop, figure in zip(rates.DROPS, figures, strict=False):
                wrong, wanted = measured.wrong(gate, cases, drop), int(figure) / 100
                if abs(wrong - wanted) > _chance(wanted, measured.builds, EXPECTED_BUILDS.get(gate, MANY_BUILDS)):
                    yield f"{gate}, n={cases:,}, drop {drop:.0%}: {100 * wrong:.1f}, expected {figure}"


def _chance(wanted: float, builds: int, expected_builds: int) -> float:
    """Return how far chance and rounding take a share from what is expected of it."""
    share = min(max(wanted, ROUNDED), 1 - ROUNDED)
    se = math.sqrt(share * (1 - share) * (1 / builds + 1 / expected_builds))
    return ROUNDED + FAR * se + 1 / builds


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", type=int, default=2_000, help="builds a cell (default: %(default)s)")
    parser.add_argument(
        "--sizes", type=_sizes, default=SIZES, help="numbers of cases, by commas (default: 50,100,200,500,1000)"
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--page", action="store_true", help="write docs/false-alarms.md and its plot")
    return parser.parse_args()


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(part) for part in text.split(",")))


if __name__ == "__main__":
    sys.exit(main())
