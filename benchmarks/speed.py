"""Every speed row in one run, what ``make bench`` prints: ``python -m benchmarks.speed [SCRIPT ...]``.

All rows are run, also after a missed one; the exit code is 1 if a bound was missed, or if a script failed.
"""

from __future__ import annotations

import sys
import time
import traceback
from typing import TYPE_CHECKING, Final

from benchmarks import (
    calls,
    golden_load,
    html_report,
    plain_session,
    processes,
    rate_limit,
    recorded_cases,
    startup,
)
from benchmarks.rows import print_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.rows import Row

SCRIPTS: Final[dict[str, Callable[[], Iterator[Row]]]] = {
    "plain_session": plain_session.rows,
    "startup": startup.rows,
    "calls": lambda: calls.rows(calls.arguments(["--saturated"])),
    "rate_limit": rate_limit.rows,
    "golden_load": golden_load.rows,
    "recorded_cases": recorded_cases.rows,
    "html_report": html_report.rows,
}


def main() -> int:
    started, missed = time.monotonic(), []
    for name in sys.argv[1:] or SCRIPTS:
        try:
            if print_rows(SCRIPTS[name](), f"\n{name}: {processes.machine()}"):
                missed.append(name)
        except Exception:  # noqa: BLE001 - the other rows are run all the same
            traceback.print_exc()
            missed.append(f"{name} (it failed)")
    print(f"\n{(time.monotonic() - started) / 60:.1f} minutes; {processes.machine()}")
    print(f"bounds missed in: {', '.join(missed)}" if missed else "every bound is held")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
