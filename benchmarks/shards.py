"""Recorded cases in eight shards and their merge, beside one run of all; and under pytest-xdist, beside serial."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes
from benchmarks.profiled import again
from benchmarks.recorded_cases import GATE, write_project
from benchmarks.rows import Row, print_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES: Final = 100_000
SHARDS: Final = 8
SHARD_SHARE: Final = 1 / 6
MERGE_S: Final = 10.0
MERGE_MIB: Final = 400.0

XDIST_CASES: Final = 10_000
XDIST: Final = ("-p", "xdist", "-n", "4")
XDIST_TIMES: Final = 1.05
"""Of the serial run and the start of the workers; walls vary by 5 %."""

SHARD_DONE: Final = 12
"""Exit code of a shard: its verdict is that of the merge."""


def main() -> int:
    cases = int(sys.argv[1]) if sys.argv[1:] else CASES
    return print_rows(rows(cases), f"{cases:,} recorded cases in {SHARDS} shards; {processes.machine()}")


def rows(cases: int = CASES) -> Iterator[Row]:
    yield from _shard_rows(cases)
    yield from _xdist_rows(min(cases, XDIST_CASES))


def _shard_rows(cases: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_project(folder, cases)
        whole = processes.python_run(folder, *GATE)
        shards = [
            processes.python_run(folder, *GATE, "--eval-shard", f"{number}/{SHARDS}", code=SHARD_DONE)
            for number in range(1, SHARDS + 1)
        ]
        shard_s = statistics.median(shard.cpu_s for shard in shards)
        yield Row(
            f"one shard of {SHARDS}, N = {cases:,}",
            shard_s / whole.cpu_s,
            round(SHARD_SHARE, 3),
            "x whole run",
            1.0,
            f"{shard_s:.1f} s CPU (median), whole {whole.cpu_s:.1f} s; {max(one.peak_mb for one in shards):.0f} MiB",
            profile=lambda: again((*GATE, "--eval-shard", f"1/{SHARDS}"), folder, code=SHARD_DONE),
        )
        command = (*processes.VERB, "merge", ".evalgate/shards", "--expect-shards", str(SHARDS), "--gate")
        merge = processes.python_run(folder, *command)
        yield Row(
            f"merge of {SHARDS} shards",
            merge.wall_s,
            MERGE_S,
            "s",
            note=f"{merge.cpu_s:.1f} s CPU; others {merge.others:.1f} cores",
            profile=lambda: again(command, folder),
        )
        yield Row("  peak memory", merge.peak_mb, MERGE_MIB, "MiB", whole.peak_mb, "bare: the whole run")


def _xdist_rows(cases: int) -> Iterator[Row]:
    """Yield the wall under xdist, as a multiple of the serial one and of what it takes to start the workers."""
    with tempfile.TemporaryDirectory() as name:
        one, many = Path(name, "one"), Path(name, "many")
        for folder, size in ((one, 1), (many, cases)):
            folder.mkdir()
            write_project(folder, size)
        # with the golden set named no workers start; in the whole project they do, and collect nothing
        for asked, gate in (("golden set named", GATE), ("whole project", processes.GATE)):
            start_s = processes.python_run(one, *gate, *XDIST).wall_s - processes.python_run(one, *gate).wall_s
            serial, spread = processes.python_run(many, *gate), processes.python_run(many, *gate, *XDIST)
            yield Row(
                f"recorded, N = {cases:,}, -n 4, {asked}",
                spread.wall_s / (serial.wall_s + start_s),
                XDIST_TIMES,
                "x serial+start",
                1.0,
                f"{spread.wall_s:.1f} s, {spread.cpu_s:.1f} s CPU; serial {serial.wall_s:.1f} s, {serial.cpu_s:.1f} s "
                f"CPU; the workers start in {start_s:.1f} s",
            )


if __name__ == "__main__":
    sys.exit(main())
