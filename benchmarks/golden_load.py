"""Golden sets, read and validated: MB/s of CPU, beside json.loads and, if installed, orjson on the same lines."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes
from benchmarks.profiled import again
from benchmarks.recorded_cases import write_project
from benchmarks.rows import Row, print_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CASES: Final = 50_000
BOUND_MB_S: Final = 40.0
ROUNDS: Final = 3


def main() -> int:
    if sys.argv[1:]:
        print("MEASURED " + json.dumps(_measured(Path(sys.argv[1]))))
        return 0
    return print_rows(rows(), f"golden sets of {CASES:,} cases; {processes.machine()}; least of {ROUNDS} rounds")


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_project(folder, CASES)
        command = ("-m", "benchmarks.golden_load", "golden.jsonl")
        rates = json.loads(processes.python_run(folder, *command).output.rpartition("MEASURED ")[2])
        beside = ", ".join(f"{library} {rate:.0f}" for library, rate in rates.items() if library != "load")
        yield Row(
            "golden.load",
            rates["load"],
            BOUND_MB_S,
            "MB/s",
            rates["json"],
            f"beside {beside}",
            at_least=True,
            profile=lambda: again(command, folder),
        )


def _measured(golden: Path) -> dict[str, float]:
    """Return the MB/s of each reader, each by its quickest round."""
    from pytest_evalgate.golden.load import load  # noqa: PLC0415 - in the process that measures

    lines = golden.read_bytes().splitlines()
    readers: dict[str, Callable[[], object]] = {
        "load": lambda: load([golden], root=golden.parent),
        "json": lambda: [json.loads(line) for line in lines],
    }
    try:
        sys.path.append(str(processes.BARE_LIBRARIES))
        import orjson  # noqa: PLC0415 - not everyone has it
    except ImportError:
        pass
    else:
        readers["orjson"] = lambda: [orjson.loads(line) for line in lines]
    size_mb = golden.stat().st_size / 1e6
    return {name: size_mb / min(_cpu_s(read) for _ in range(ROUNDS)) for name, read in readers.items()}


def _cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    sys.exit(main())
