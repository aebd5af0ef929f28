"""Sample a log of N rows of about 1 kB: seconds, rows a second, and the largest resident memory of the process.

    python -m benchmarks.sample_log --rows 1000000

The log is written to --folder first and removed afterwards; 10,000,000 rows take 11 GB. With --parquet, it is a
Parquet file. Fails above 300 MB or 30 s of CPU for a million rows, which is 10,000,000 rows in 5 minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = [
    "account",
    "refund",
    "invoice",
    "card",
    "address",
    "order",
    "delivery",
    "return",
    "password",
    "how",
    "my",
    "a",
]
LANGS = ("en", "de", "fr", "it", "pl")
SHARES = (60, 20, 12, 6, 2)
DOMAINS = ("billing", "delivery", "login", "other")
_MOST_MEGABYTES = 300
_MOST_SECONDS = 30.0
"""Of CPU for a million rows, and at least for a start of the program."""

RATES = {"en": 0.92, "de": 0.9, "fr": 0.85, "it": 0.8, "pl": 0.5}


def write_log(path: Path, rows: int, seed: int = 1) -> None:
    dice = random.Random(seed)  # noqa: S311 - a log for measuring
    texts = [" ".join(dice.choices(WORDS, k=70)) for _ in range(5_000)]
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, rows, 10_000):
            langs = dice.choices(LANGS, SHARES, k=10_000)
            lines = []
            for number, lang in enumerate(langs[: rows - start], start=start):
                lines.append(
                    f'{{"id":"r{number:09d}","timestamp":"2026-11-01T10:00:00Z","lang":"{lang}",'
                    f'"domain":"{DOMAINS[number % 4]}","input":"{dice.choice(texts)} {number}",'
                    f'"output":"{dice.choice(texts)}","passed":{str(dice.random() < RATES[lang]).lower()},'
                    f'"metadata":{{"model":"model-2026-09-01","user":"u{number % 9973}","latency_s":1.25}}}}\n'
                )
            file.writelines(lines)


def as_parquet(path: Path) -> Path:
    """Convert a log by duckdb, in another process: the memory of this one would count as that of its children."""
    made = path.with_suffix(".parquet")
    source = f"read_json('{path}', format = 'newline_delimited')"
    statement = f"SET enable_progress_bar = false; COPY (FROM {source}) TO '{made}' (FORMAT parquet)"
    code = "import duckdb, sys; duckdb.connect(config={'threads': '1'}).execute(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, statement], check=True)
    path.unlink()
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--parquet", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sample-log-", dir=args.folder) as folder:
        log = Path(folder) / "log.jsonl"
        write_log(log, args.rows)
        size = log.stat().st_size
        log = as_parquet(log) if args.parquet else log
        command = [
            sys.executable, "-c", "from pytest_evalgate.cli import main; main()", "sample", str(log), "--n", "500",
            "--by", "lang,domain", "--min", "10", "--allocation", "neyman", "--pilot", "passed", "--redact",
            "--out", "golden.jsonl", "--json",
        ]  # fmt: skip
        started = time.monotonic()
        with (
            (Path(folder) / "plan.json").open("w") as plan,
            subprocess.Popen(command, cwd=folder, stdout=plan) as done,
        ):
            _, status, used = os.wait4(done.pid, 0)  # of this process alone
            done.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        assert done.returncode == 0
        drawn = len((Path(folder) / "golden.jsonl").read_text("utf-8").splitlines())
        assert drawn == json.loads((Path(folder) / "plan.json").read_text("utf-8"))["cases"]
    cpu, megabytes = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    print(f"rows       {args.rows:>12,} of {size / args.rows:,.0f} bytes")
    print(f"drawn      {drawn:>12,}")
    print(f"seconds    {seconds:>12.1f} (CPU {cpu:.1f})")
    print(f"rows a s   {args.rows / seconds:>12,.0f}")
    print(f"memory     {megabytes:>12.0f} MB")
    assert megabytes <= _MOST_MEGABYTES
    assert cpu <= max(_MOST_SECONDS * args.rows / 1e6, _MOST_SECONDS / 10)


if __name__ == "__main__":
    main()
