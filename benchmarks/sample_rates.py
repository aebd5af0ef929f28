"""Weighted rates of samples over many seeds, from a synthetic log whose rates are known.

    python -m benchmarks.sample_rates --seeds 2000

Prints the bias and the standard deviation of simple random, proportional and Neyman's samples, and the fewest cases of
a stratum; the recall of planted near-duplicates; and whether the same seed gives the same bytes. Fails unless the bias
is under 0.1 points, or under 3 standard errors if the seeds are too few to show that; Neyman's variance is at most
the proportional one and that at most the simple one, but for 3 standard errors of their ratio; every stratum has its
minimum; and recall is 0.95 or more. With --duplicates, a third of the log are copies of ten texts, all of which fail:
only their weights keep the rate unbiased, and results vary as much in each stratum, so Neyman's rule gains nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import fmean, pvariance
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.curation.drawing import DrawOptions, draw, reserve_of, results_of
from pytest_evalgate.curation.log_files import open_log
from pytest_evalgate.curation.sample_plan import SampleDesign, plan_record, plan_sample
from pytest_evalgate.curation.strata import LogQuestion, scan
from pytest_evalgate.golden.near_texts import NearTexts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.curation.drawing import DrawnSet
    from pytest_evalgate.curation.log_files import LogFile
    from pytest_evalgate.stats.allocation import Allocation

WORDS: Final = [f"word{number}" for number in range(400)]
RATES: Final = {"en": (2400, 0.97), "de": (900, 0.9), "fr": (500, 0.6), "it": (150, 0.3), "pl": (50, 0.5)}
DESIGNS: Final[Sequence[tuple[str, tuple[str, ...], Allocation]]] = (
    ("simple", (), "proportional"),
    ("proportional", ("lang",), "proportional"),
    ("neyman", ("lang",), "neyman"),
)
_MOST_BIAS: Final = 0.001
_FEWEST_FOUND: Final = 0.95


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


def drawn_set(
    log: LogFile, by: tuple[str, ...], rule: Allocation, seed: int, n: int, minimum: int
) -> tuple[DrawnSet, dict[str, Any]]:
    """Draw a sample; return it, and the record that is written beside it."""
    found = scan([log], LogQuestion(by, "passed"), reserve_of(n, drop=True), seed)
    design = SampleDesign(n, by, minimum, rule, seed, "passed")
    plan = plan_sample(found, design)
    drawn = draw([log], found, plan.cases, DrawOptions(by))
    return drawn, plan_record([log], found, design, plan, drawn)


def near_copy(text: str, dice: random.Random) -> str:
    words = text.split()
    at = dice.randrange(len(words))
    return dice.choice(
        (
            text.upper(),
            f"Hello, {text}",
            f"{text} thank you!",
            " ".join([*words[:at], "other", *words[at + 1 :]]),
            " ".join([*words[:at], *words[at + 1 :]]),
        )
    )


def recall(seeds: int) -> tuple[int, int, int]:
    """Return the near copies of 20 of 100 texts for each seed, those that are found, and the others that are."""
    found = wrong = 0
    for seed in range(seeds):
        dice = random.Random(seed)  # noqa: S311 - texts for measuring
        texts = [" ".join(dice.choices(WORDS, k=dice.randint(30, 60))) for _ in range(100)]
        near = NearTexts([(text, "") for text in [*texts, *(near_copy(text, dice) for text in texts[:20])]])
        for index in range(120):
            match = near.find(index)
            found += match is not None and match[0] == index - 100
            wrong += match is not None and match[0] != index - 100
            near.add(index)
    return 20 * seeds, found, wrong


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=2_000)
    parser.add_argument("--n", type=int, default=250)
    parser.add_argument("--min", type=int, default=5)
    parser.add_argument("--duplicates", action="store_true")
    args = parser.parse_args()
    variances = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        truth = write_log(path, duplicates=args.duplicates)
        log = open_log(path, path.name)
        print(f"rate of the log {100 * truth:.3f} %; {args.seeds:,} seeds, {args.n} cases each")
        for name, by, rule in DESIGNS:
            rates, fewest = [], args.n
            for seed in range(args.seeds):
                drawn, _ = drawn_set(log, by, rule, seed, args.n, args.min)
                pairs = list(results_of(drawn.cases, "passed"))
                rates.append(sum(w * y for w, y in pairs) / sum(w for w, _ in pairs))
                fewest = min(fewest, *(one.cases for one in drawn.strata))
            bias, variance = fmean(rates) - truth, pvariance(rates)
            error = (variance / args.seeds) ** 0.5
            variances.append(variance)
            print(
                f"{name:<13} bias {100 * bias:+.3f} points (standard error {100 * error:.3f}), "
                f"standard deviation {100 * variance**0.5:.3f} points, fewest cases of a stratum {fewest}"
            )
            assert abs(bias) < max(_MOST_BIAS, 3 * error), "the weighted rate is unbiased"
            assert fewest >= args.min, "each stratum has its minimum"
        first, again = (drawn_set(log, ("lang",), "neyman", 1, args.n, args.min) for _ in range(2))
        assert [one.row for one in first[0].cases] == [one.row for one in again[0].cases]
        assert json.dumps(first[1]) == json.dumps(again[1])
        print("the same seed gives the same cases and the same plan, byte by byte")
    chance = 1 + 3 * (4 / args.seeds) ** 0.5  # the variance of v normal values has a relative error of sqrt(2 / v)
    assert all(after <= chance * before for before, after in pairwise(variances)), "strata reduce the variance"
    planted, found, wrong = recall(args.seeds)
    print(f"near-duplicates: {found:,} of {planted:,} planted ones found ({found / planted:.2%}), {wrong} wrong ones")
    assert found >= _FEWEST_FOUND * planted


if __name__ == "__main__":
    main()
