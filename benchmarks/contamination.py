"""Search a file of N megabytes for the windows of golden cases: seconds and the largest resident memory.

python benchmarks/contamination.py --megabytes 1000 --cases 5000
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from pathlib import Path

from pytest_evalgate.curation.contamination import ContaminationIndex
from pytest_evalgate.records.cases import Case, Place

_DICE = random.Random(1)  # noqa: S311 - texts for measuring
WORDS = ["".join(_DICE.choices("abcdefghijklmnoprstuvwz", k=_DICE.randint(2, 9))) for _ in range(30_000)]


def sentence(dice: random.Random, length: int) -> str:
    # ranks as in texts: the square puts most words among the frequent ones
    return " ".join(WORDS[int(len(WORDS) * dice.random() ** 3)] for _ in range(length))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--cases", type=int, default=5_000)
    args = parser.parse_args()
    dice = random.Random(2)  # noqa: S311 - as above
    cases = [Case(f"c{n}", input=sentence(dice, 60), place=Place("g.jsonl", n + 1)) for n in range(args.cases)]
    planted = {dice.randrange(args.megabytes * 1000): case for case in dice.sample(cases, min(50, len(cases)))}
    pool = [sentence(dice, 140) for _ in range(20_000)]
    with tempfile.TemporaryDirectory(prefix="contamination-") as folder:
        path = Path(folder) / "train.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for number in range(args.megabytes * 1000):
                text = f"{number} {dice.choice(pool)}"
                if (case := planted.get(number)) is not None:
                    text = f"{text[:400]} {case.input}"
                file.write(json.dumps({"text": text[:970]}) + "\n")
        size = path.stat().st_size
        started = time.monotonic(), time.process_time()
        found = ContaminationIndex(cases).search(path, path.name)
        seconds, cpu = time.monotonic() - started[0], time.process_time() - started[1]
    wanted = {(case.id, number + 1) for number, case in planted.items()}
    assert {(one.case.id, one.line) for one in found} == wanted, "every planted text and no other is found"
    print(f"megabytes  {size / 1e6:>8,.0f}; {args.cases:,} cases, {len(wanted)} planted, all found with their lines")
    print(f"seconds    {seconds:>8.1f} (CPU {cpu:.1f})")
    print(f"memory     {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:>8.0f} MB")


if __name__ == "__main__":
    main()
