"""Weighted rates of samples over many seeds: bias, and variance of Neyman's, proportional and simple random samples.

    python benchmarks/sample_rates.py --seeds 2000

The log is synthetic: its rates are known. With --duplicates, a third of its rows are near copies of ten texts.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path
from statistics import fmean, pvariance
from typing import TYPE_CHECKING

from pytest_evalgate.curation.drawing import DrawOptions, draw, reserve_of, results_of
from pytest_evalgate.curation.log_files import open_log
from pytest_evalgate.curation.sample_plan import SampleDesign, plan_sample
from pytest_evalgate.curation.strata import LogQuestion, scan

if TYPE_CHECKING:
    from pytest_evalgate.stats.allocation import Allocation

WORDS = [f"word{number}" for number in range(400)]
RATES = {"en": (2400, 0.97), "de": (900, 0.9), "fr": (500, 0.6), "it": (150, 0.3), "pl": (50, 0.5)}


def write_log(path: Path, *, duplicates: bool) -> float:
    dice = random.Random(7)  # noqa: S311 - a log for measuring
    copied = [" ".join(dice.choices(WORDS, k=40)) for _ in range(10)]
    rows = []
    for lang, (size, rate) in RATES.items():
        for number in range(size):
            is_copy = duplicates and dice.random() < 1 / 3
            text = f"{dice.choice(copied)} please" if is_copy else " ".join(dice.choices(WORDS, k=12))
            passed = not is_copy and number < rate * size
            rows.append({"id": f"{lang}{number}", "lang": lang, "input": text, "passed": passed})
    dice.shuffle(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return fmean(row["passed"] is True for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=2_000)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--min", type=int, default=5)
    parser.add_argument("--duplicates", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        truth = write_log(path, duplicates=args.duplicates)
        log = open_log(path, path.name)
        print(f"rate of the log {100 * truth:.3f} %; {args.seeds:,} seeds, {args.n} cases each")
        for name, by in (("simple", ()), ("proportional", ("lang",)), ("neyman", ("lang",))):
            rates, fewest = [], args.n
            for seed in range(args.seeds):
                found = scan([log], LogQuestion(by, "passed"), reserve_of(args.n, drop=True), seed)
                rule: Allocation = "neyman" if name == "neyman" else "proportional"
                plan = plan_sample(found, SampleDesign(args.n, by, args.min, rule, seed, "passed"))
                drawn = draw([log], found, plan.cases, DrawOptions(by))
                pairs = list(results_of(drawn.cases, "passed"))
                rates.append(sum(w * y for w, y in pairs) / sum(w for w, _ in pairs))
                fewest = min(fewest, *(one.cases for one in drawn.strata))
            bias, error = fmean(rates) - truth, (pvariance(rates) / args.seeds) ** 0.5
            print(
                f"{name:<13} bias {100 * bias:+.3f} points (standard error {100 * error:.3f}), "
                f"standard deviation {100 * pvariance(rates) ** 0.5:.3f} points, fewest cases of a stratum {fewest}"
            )


if __name__ == "__main__":
    main()
