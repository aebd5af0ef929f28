"""Shards, workers and stored runs of recorded cases: CPU and memory of whole processes, each beside its bound.

A project of N cases runs whole and in 8 shards, which are merged; the verbs that read stored runs follow. The rows of
xdist compare CPU: beyond what it takes to start the workers, ``-n 4`` should cost what one process costs. Shards over
object storage, with Kubernetes' variables, are in `benchmarks.distributed`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes
from benchmarks.profiled import again
from benchmarks.recorded_cases import write_project
from benchmarks.rows import Row, print_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.processes import Used

CASES: Final = 100_000
DISTRIBUTED: Final = 10_000
SHARDS: Final = 8
ROUNDS: Final = 3
FEW: Final = 200
"""Cases that stand for the start: fewer could not pass their gate."""
TIMEOUT_S: Final = 1800.0

# CPU in seconds and peak in MiB at 100,000 cases; without the collection of cycles and with streams, each took twice
# that before
VERBS: Final = {
    "baseline promote": (6.0, 300),
    "compare": (9.0, 400),
    "verify": (12.0, 400),
    "report": (9.0, 250),
}
GATE: Final = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_evalgate", "--eval-gate")
CLI: Final = "import sys; from pytest_evalgate.cli import main; sys.exit(main(sys.argv[1:]))"
READ: Final = (
    "import sys, time; from pathlib import Path; from pytest_evalgate.runs import run_file\n"
    "path = Path(sys.argv[1]); started = time.process_time(); run_file.read(path)\n"
    "print('RATE', path.stat().st_size / 1e6 / (time.process_time() - started))"
)


def rows(cases: int = CASES, distributed: int = DISTRIBUTED) -> Iterator[Row]:
    """Yield the rows of stored runs at ``cases``, and those of xdist at ``distributed``."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _stored_rows(_project(Path(folder, "stored"), cases), cases)
    with tempfile.TemporaryDirectory() as folder:
        yield from _xdist_rows(Path(folder), distributed)


def _project(root: Path, cases: int) -> Path:
    root.mkdir()
    write_project(root, cases)
    config = root / "evalgate.toml"
    config.write_text('store = "off"\nreport = { formats = ["markdown"] }\n' + config.read_text("utf-8"), "utf-8")
    return root


def _stored_rows(root: Path, cases: int) -> Iterator[Row]:
    shards = root / "shards"
    shards.mkdir()
    used = [_shard(root, index, shards) for index in range(1, SHARDS + 1)]
    whole = _python(root, *GATE, "golden.jsonl")
    share = sorted(one.cpu_s for one in used)[SHARDS // 2] / whole.cpu_s
    note = f"{share * whole.cpu_s:.1f} of {whole.cpu_s:.1f} s; {max(one.peak_mb for one in used):.0f} MiB at most"
    yield Row(f"one shard of {SHARDS}, N = {cases:,}", share, 1 / 6, "of whole", note=note)
    merge = ("-c", CLI, "merge", str(shards), "--expect-shards", str(SHARDS), "--gate")
    merged = _python(root, *merge, state="merged")
    yield Row(f"merge of {SHARDS} shards", merged.cpu_s, 10, "s CPU", profile=partial(again, merge[2:], root))
    yield Row(f"merge of {SHARDS} shards, peak", merged.peak_mb, 400, "MiB")
    for verb, (seconds, megabytes) in VERBS.items():
        found = _python(root, "-c", CLI, *verb.split())
        yield Row(f"{verb}, N = {cases:,}", found.cpu_s, seconds * cases / CASES, "s CPU")
        yield Row(f"{verb}, peak", found.peak_mb, megabytes, "MiB")
    [path] = root.glob(".evalgate/runs/*/run.jsonl")
    rate = _python(root, "-c", READ, str(path)).output.rpartition("RATE ")[2]
    yield Row("run_file.read", float(rate), 17.8, "MB/s", at_least=True)


def _shard(root: Path, index: int, shards: Path) -> Used:
    state = f"shard-{index}"
    used = _python(root, *GATE, "--eval-shard", f"{index}/{SHARDS}", "golden.jsonl", code=12, state=state)
    shutil.move(root / state / "shards" / f"{index}-of-{SHARDS}.jsonl", shards)
    return used


def _xdist_rows(folder: Path, cases: int) -> Iterator[Row]:
    many, few = _project(folder / "many", cases), _project(folder / "few", FEW)
    workers = ("-p", "xdist", "-n", "4")
    for name, arguments in (("golden set named", ["golden.jsonl"]), ("whole project", [])):
        serial = _least_cpu(many, *arguments) - _least_cpu(few, *arguments)
        spread = _least_cpu(many, *workers, *arguments) - _least_cpu(few, *workers, *arguments)
        note = f"{spread:.1f} s beyond the start with -n 4, {serial:.1f} s without"
        yield Row(f"-n 4, recorded, {name}", spread / serial, 1.1, "x serial", note=note)


def _least_cpu(root: Path, *arguments: str) -> float:
    return min(_python(root, *GATE, *arguments).cpu_s for _ in range(ROUNDS))


def _python(root: Path, *arguments: str, code: int = 0, state: str = ".evalgate") -> Used:
    variables = {"EVALGATE_DIR": str(root / state)}
    return processes.run([sys.executable, *arguments], root, code=code, timeout_s=TIMEOUT_S, variables=variables)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--distributed", type=int, default=DISTRIBUTED)
    args = parser.parse_args()
    return print_rows(rows(args.cases, args.distributed), f"shards and stored runs: {processes.machine()}")


if __name__ == "__main__":
    sys.exit(main())
