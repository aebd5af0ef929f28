"""One table for all speed benchmarks: a row a figure, beside its bare loop and its bound.

A script has a function ``rows()`` that yields a `Row` as soon as it is measured, and ends with ``print_rows(rows())``,
which prints this and returns the exit code, 1 if a bound is missed::

    row                             figure    bare     bound  unit        verdict
    http, N = 1,000, c = 64          1.141   1.040   <= 1.12  x limit     MISSED   7.30 s; 2,000 requests
    golden.load                       41.2    89.3   >= 40    MB/s        ok

A missed row that knows how to run again does so under a profiler; the profiles follow the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD: Final = f"  {'row':<40} {'figure':>9} {'bare':>9}  {'bound':>10}  {'unit':<14} verdict"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure and its bound, both in ``unit``; None as the bound: it is only shown.

    ``bare`` is the same figure of what does the same work with nothing around it. ``at_least`` turns the bound around,
    for rates. ``note`` is printed behind the verdict. ``profile`` runs the same work under a profiler, and returns
    the text to print. It is called only if the bound is missed, and before the next row is asked for: a project and a
    server of this row still exist then. Rows of one command have the same ``profile``, which is then called once.
    `benchmarks.profiled.again` is one for a command.
    """

    name: str
    figure: float
    bound: float | None
    unit: str
    bare: float | None = None
    note: str = ""
    at_least: bool = False
    profile: Callable[[], str] | None = None

    @property
    def verdict(self) -> str:
        """``ok``, ``MISSED``, or ``-`` without a bound. A figure that is not a number is missed."""
        if self.bound is None:
            return "-"
        held = self.figure >= self.bound if self.at_least else self.figure <= self.bound
        return "ok" if held else "MISSED"

    def line(self) -> str:
        bound = "" if self.bound is None else f"{'>=' if self.at_least else '<='} {self.bound:g}"
        bare = "" if self.bare is None else _digits(self.bare)
        text = f"  {self.name:<40} {_digits(self.figure):>9} {bare:>9}  {bound:>10}  {self.unit:<14} {self.verdict:<7}"
        return f"{text} {self.note}".rstrip()


def print_rows(rows: Iterable[Row], title: str = "") -> int:
    """Print each row when it comes, then the profiles of missed ones; return 1 if there are such, else 0."""
    if title:
        print(title)
    print(HEAD, flush=True)
    missed, profiles = 0, dict[Callable[[], str], tuple[Row, str]]()
    for row in rows:
        print(row.line(), flush=True)
        missed += row.verdict == "MISSED"
        if row.verdict == "MISSED" and row.profile is not None and row.profile not in profiles:
            profiles[row.profile] = row, row.profile()
    for row, text in profiles.values():
        print(f"\n  {row.name.strip()}, once more under a profiler:\n{text}", flush=True)
    return int(missed > 0)


def _digits(value: float) -> str:
    """Return about four significant digits, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 100 else f"{value:.3f}"  # noqa: PLR2004 - digits
