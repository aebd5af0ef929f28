"""Sample a log of N rows of about 1 kB: seconds, rows a second, and the largest resident memory of the process.

    python benchmarks/sample_log.py --rows 1000000

The log is written to --folder first and removed afterwards; 10,000,000 rows take 10 GB.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sample-log-", dir=args.folder) as folder:
        log = Path(folder) / "log.jsonl"
        write_log(log, args.rows)
        size = log.stat().st_size
        command = [
            sys.executable, "-c", "from pytest_evalgate.cli import main; main()", "sample", str(log), "--n", "500",
            "--by", "lang,domain", "--min", "10", "--allocation", "neyman", "--pilot", "passed", "--redact",
            "--out", "golden.jsonl", "--json",
        ]  # fmt: skip
        started = time.monotonic()
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        seconds = time.monotonic() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        drawn = len((Path(folder) / "golden.jsonl").read_text("utf-8").splitlines())
        assert drawn == json.loads(done.stdout)["cases"]
    print(f"rows       {args.rows:>12,} of {size / args.rows:,.0f} bytes")
    print(f"drawn      {drawn:>12,}")
    print(f"seconds    {seconds:>12.1f} (CPU {used.ru_utime + used.ru_stime:.1f})")
    print(f"rows a s   {args.rows / seconds:>12,.0f}")
    print(f"memory     {used.ru_maxrss / 1024:>12.0f} MB")


if __name__ == "__main__":
    main()
