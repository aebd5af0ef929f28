"""Rules that detect something, measured on public data: personal data, refusals, planted markers.

* ``no-personal-data`` on 750 synthetic sentences of Presidio, whose spans are labelled: exact spans, and partial ones,
  which overlap a labelled span of their kind in at least one character.
* ``refusal`` on the replies of two systems to the prompts of XSTest, which people labelled.
* ``canary`` on the texts of BIPIA, with a marker in every disguise at three places, and on clean generated texts.

The figures of docs/scorers.md come from here.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from benchmarks.processes import ROOT, machine
from tests.support.disguises import DISGUISES

from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers.leaks import canary
from pytest_evalgate.scorers.private import no_personal_data
from pytest_evalgate.scorers.refusal import refusal
from pytest_evalgate.stats.intervals import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

MARKER: Final = "CANARY-7F3A9C21"
_DATA: Final = ROOT / "tests" / "data"
_XSTEST: Final = ROOT / "examples" / "golden_sets" / "xstest"
_LABELS: Final = {
    "EMAIL_ADDRESS": ("email",),
    "CREDIT_CARD": ("card",),
    "IBAN_CODE": ("iban",),
    "US_SSN": ("ssn",),
    "PHONE_NUMBER": ("phone",),
    "PHONE_NUMBER with the extra": ("phone", "national-phone"),
    "IP_ADDRESS": ("ip",),
}

Span = tuple[int, int]


def main() -> int:
    options = _arguments()
    print(f"rules that detect something, on public data\n  {machine()}")
    _presidio()
    _xstest()
    return _canary(options.clean)


def _presidio() -> None:
    rows = [*_rows(_DATA / "presidio_pii.jsonl.gz")]
    print(f"\nno-personal-data on {len(rows)} sentences of Presidio: precision, recall, F1")
    print(f"  {'':28}{'labelled':>9}{'found':>7}   {'exact':<20}{'partial':<20}")
    for label, kinds in _LABELS.items():
        pairs = [(_labelled(row, label.partition(" ")[0]), _detected(row["input"], kinds)) for row in rows]
        truth, found = (sum(len(pair[side]) for pair in pairs) for side in (0, 1))
        exact = _measures(pairs, lambda one, other: one == other)
        partial = _measures(pairs, lambda one, other: one[0] < other[1] and other[0] < one[1])
        print(f"  {label:28}{truth:>9}{found:>7}   {exact:<20}{partial:<20}")
    others = Counter(kind for row in rows for kind, *_ in row["spans"] if kind not in _LABELS)
    print(f"  not detected: {', '.join(f'{kind} {count}' for kind, count in others.most_common())}")


def _labelled(row: Any, label: str) -> list[Span]:
    return [(start, end) for kind, start, end in row["spans"] if kind == label]


def _detected(text: str, kinds: Sequence[Any]) -> list[Span]:
    return [(one.start, one.end) for one in no_personal_data(Case(""), Output(text), kinds=kinds).spans]


def _measures(pairs: Sequence[tuple[list[Span], list[Span]]], matches: Callable[[Span, Span], bool]) -> str:
    labelled, found = (sum(len(pair[side]) for pair in pairs) for side in (0, 1))
    right = sum(any(matches(one, other) for other in truth) for truth, spans in pairs for one in spans)
    reached = sum(any(matches(one, other) for other in spans) for truth, spans in pairs for one in truth)
    precision, recall = right / found if found else 0.0, reached / labelled
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return f"{precision:.3f} {recall:.3f} {f1:.3f}"


def _xstest() -> None:
    print("\nrefusal on the replies of XSTest, against human labels; a partial refusal counts as one")
    for system in ("llama2orig", "mistralguard"):
        labels = {row["id"]: row["label"] for row in _rows(_XSTEST / f"labels.{system}.jsonl")}
        counts = Counter(
            (labels[row["id"]], refusal(Case(row["id"]), Output(row["output"]))[0] == 1)
            for row in _rows(_XSTEST / f"outputs.{system}.jsonl")
            if row["output"] is not None
        )
        full, part, none = ("2_full_refusal", "3_partial_refusal", "1_full_compliance")
        print(f"  {system}")
        print(f"    sensitivity {_rate(counts[full, True] + counts[part, True], counts, full, part)}")
        print(f"      full refusals {_rate(counts[full, True], counts, full)}")
        print(f"      partial ones  {_rate(counts[part, True], counts, part)}")
        print(f"    specificity {_rate(counts[none, False], counts, none)}")


def _rate(hits: int, counts: Counter[tuple[str, bool]], *labels: str) -> str:
    total = sum(counts[label, found] for label in labels for found in (True, False))
    interval = wilson_interval(hits, total)
    return f"{hits}/{total} = {hits / total:.3f} (95 % {interval.lower:.3f} to {interval.upper:.3f})"


def _canary(clean: int) -> int:
    texts = [row["text"] for row in _rows(_DATA / "bipia_email.jsonl.gz")]
    print(f"\ncanary: {len(texts)} texts of BIPIA, {len(DISGUISES)} disguises, 3 places")
    start = time.process_time()
    missed = Counter[str]()
    for name, disguise in DISGUISES.items():
        for text in texts:
            for place in (0, len(text) // 2, len(text)):
                output = Output(f"{text[:place]} {disguise(MARKER)} {text[place:]}")
                missed[name] += canary(Case(""), output, marker=MARKER)[0] != 0
    planted = 3 * len(texts) * len(DISGUISES)
    print(f"  found {planted - missed.total():,} of {planted:,} in {time.process_time() - start:.1f} s")
    for name, number in missed.items():
        if number:
            print(f"  missed {name}: {number}")
    accused = sum(canary(Case(""), Output(text), marker=MARKER)[0] != 1 for text in _clean(texts, clean))
    print(f"  found in {accused} of {clean:,} clean texts")
    return int(bool(missed.total() or accused))


def _clean(texts: Sequence[str], number: int) -> Iterator[str]:
    """Yield texts of random words and, each third one, random characters: none has the marker."""
    draw = random.Random(20_261_201)  # noqa: S311 - no secret
    words = sorted({word for text in texts for word in text.split()})
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/="
    disguises = list(DISGUISES.values())
    for place in range(number):
        prose = " ".join(draw.choices(words, k=draw.randint(20, 200)))
        noise = "".join(draw.choices(letters, k=draw.randint(50, 800))) if place % 3 == 0 else ""
        yield f"{draw.choice(disguises)(prose[:200])} {prose} {noise}"


def _rows(path: Path) -> Iterator[Any]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clean", type=int, default=10_000, help="number of clean texts")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
