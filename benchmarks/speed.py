"""Every speed row in one run, what ``make bench`` prints: ``python -m benchmarks.speed [SCRIPT ...]``.

All rows are run, also after a missed one; the exit code is 1 if a bound was missed, or if a script failed.
"""

from __future__ import annotations

import importlib
import sys
import time
import traceback
from typing import TYPE_CHECKING, Final

from benchmarks import processes
from benchmarks.rows import print_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.rows import Row

SCRIPTS: Final = (
    "plain_session",
    "startup",
    "calls",
    "rate_limit",
    "golden_load",
    "recorded_cases",
    "shards",
    "stored_runs",
    "html_report",
)
"""Modules of this folder; each has a function ``rows()``."""


def main() -> int:
    started, missed = time.monotonic(), []
    for name in sys.argv[1:] or SCRIPTS:
        try:
            if print_rows(rows_of(name), f"\n{name}: {processes.machine()}"):
                missed.append(name)
        except Exception:  # noqa: BLE001 - the other rows are run all the same
            traceback.print_exc()
            missed.append(f"{name} (it failed)")
    print(f"\n{(time.monotonic() - started) / 60:.1f} minutes; {processes.machine()}")
    print(f"bounds missed in: {', '.join(missed)}" if missed else "every bound is held")
    return int(bool(missed))


def rows_of(name: str) -> Iterable[Row]:
    rows: Iterable[Row] = importlib.import_module(f"benchmarks.{name}").rows()
    return rows


if __name__ == "__main__":
    sys.exit(main())
