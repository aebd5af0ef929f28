"""Sample of a run's outputs for people to label, drawn by stratum with known inclusion probabilities.

The strata are the verdicts of a judge, or those of the cases. A sample that is topped up is again a random sample of
each stratum: its further rows are drawn from those that were left.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.frame import first_output, frame_of
from pytest_evalgate.stats.arrays import np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_evalgate.records.results import CaseResult, Output, Trial

_UNSURE: Final = (0.25, 0.75)
UNJUDGED: Final = "no verdict"
"""The stratum of all outputs of a run in which nothing decides a case."""

_DRAWN_FROM: Final = re.compile(r"([0-9a-f]{16})/([A-Z]+)/([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class DrawnFrom:
    """The stratum that a row was drawn from: its frame, its name, and its number of ``outputs``.

    The name is a letter that does not reveal the judge's verdict to the people who label.
    """

    frame: str
    name: str
    outputs: int

    @classmethod
    def parse(cls, text: object) -> DrawnFrom | None:
        """Read the field ``sample`` of a row; None if it has none or another form."""
        found = _DRAWN_FROM.fullmatch(text) if isinstance(text, str) else None
        return None if found is None else cls(found[1], found[2], int(found[3]))

    def __str__(self) -> str:
        """Format the field ``sample`` of a row."""
        return f"{self.frame}/{self.name}/{self.outputs}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An output that people may label: the result of its case, its trial and its stratum."""

    result: CaseResult
    trial: Trial
    stratum: str

    @property
    def id(self) -> str:
        """The id of its case."""
        return self.result.case.id

    @property
    def output(self) -> Output:
        """The output. Candidates have one."""
        assert self.trial.output is not None  # noqa: S101 - `first_output` returns trials with an output
        return self.trial.output


def was_asked(results: Iterable[CaseResult], judge: str) -> bool:
    """Return whether a run has scores of a judge."""
    return any(score.is_of(judge) for result in results for trial in result.trials for score in trial.scores)


def candidates_of(results: Iterable[CaseResult], judge: str | None) -> list[Candidate]:
    """Return the first complete output of each case, with its stratum.

    The stratum is the verdict of ``judge``; without a judge, that of the case. Outputs without a verdict are left out,
    since a calibration cannot use them. If no case has a verdict either, all outputs form one stratum.
    """
    found = [(result, trial) for result in results if (trial := first_output(result)) is not None]
    judged = [
        Candidate(result, trial, _stratum(verdict, [_verdict(each, judge) for each in result.trials]))
        for result, trial in found
        if (verdict := _verdict(trial, judge)) is not None
    ]
    if not judged and judge is None:
        return [Candidate(result, trial, UNJUDGED) for result, trial in found]
    return judged


def _verdict(trial: Trial, judge: str | None) -> tuple[bool, float] | None:
    """Return whether an output passed, and its score: the lowest one of several notes; None if that is unknown."""
    if judge is None:
        return None if trial.value is None else (trial.value == 1, trial.value)
    scores = [score for score in trial.scores if score.is_of(judge)]
    verdicts = [
        (score.passed, score.value) for score in scores if score.passed is not None and score.value is not None
    ]
    return min(verdicts, default=None) if len(verdicts) == len(scores) else None


def _stratum(verdict: tuple[bool, float], trials: Sequence[tuple[bool, float] | None]) -> str:
    passed, score = verdict
    low, high = _UNSURE
    unsure = low <= score <= high or len({one[0] for one in trials if one is not None}) > 1
    return f"{'pass' if passed else 'fail'}{', unsure' if unsure else ''}"


@dataclass(frozen=True, slots=True)
class SampledOutput:
    """A candidate that was drawn, the stratum it was drawn from, and the candidates of it per drawn one."""

    candidate: Candidate
    drawn_from: DrawnFrom
    weight: float


@dataclass(frozen=True, slots=True)
class LabelSample:
    """A sample: the rows to add, and the ``weights`` of all rows by id, those of an earlier sample included."""

    added: tuple[SampledOutput, ...]
    weights: Mapping[str, float]


def draw(candidates: Sequence[Candidate], n: int, seed: int) -> LabelSample:
    """Draw at most ``n`` candidates, in their order; equally many of each stratum that is large enough."""
    return top_up(candidates, {}, n, seed)


def top_up(
    candidates: Sequence[Candidate], before: Mapping[str, DrawnFrom], n: int | Mapping[str, int], seed: int
) -> LabelSample:
    """Draw at most ``n`` further candidates, or ``n`` of each stratum.

    ``before`` are the strata of the rows of an earlier sample, by id.

    Raises:
        SettingsError: the earlier sample was drawn from other outputs or by other verdicts.
    """
    strata: dict[str, list[Candidate]] = {}
    for one in candidates:
        strata.setdefault(one.stratum, []).append(one)
    frame = frame_of((one.id, one.output) for one in candidates)
    names = _names(strata, before, frame, seed)
    sizes = {name: len(members) for name, members in strata.items()}
    drawn = {name: [one for one in members if one.id in before] for name, members in strata.items()}
    had = {name: len(rows) for name, rows in drawn.items()}
    shares = allocate(sizes, had, n) if isinstance(n, int) else {name: had[name] + n.get(name, 0) for name in had}
    random = np.random.default_rng((seed, len(before)) if before else seed)  # independent of the earlier draw
    new: dict[str, SampledOutput] = {}
    weights: dict[str, float] = {}
    for name in sorted(strata):
        left = [one for one in strata[name] if one.id not in before]
        chosen = [left[place] for place in random.permutation(len(left))[: shares[name] - len(drawn[name])].tolist()]
        weight = round(sizes[name] / max(1, len(drawn[name]) + len(chosen)), 6)
        source = DrawnFrom(frame, names[name], sizes[name])
        new |= {one.id: SampledOutput(one, source, weight) for one in chosen}
        weights |= {one.id: weight for one in (*drawn[name], *chosen)}
    return LabelSample(tuple(new[one.id] for one in candidates if one.id in new), weights)


def _names(
    strata: Mapping[str, Sequence[Candidate]], before: Mapping[str, DrawnFrom], frame: str, seed: int
) -> Mapping[str, str]:
    """Return the letter of each stratum: that of the earlier sample, else letters in a seeded order."""
    letters = [chr(ord("A") + place) for place in range(len(strata))]
    order = np.random.default_rng((seed, 1)).permutation(len(strata)).tolist()
    names = {stratum: letters[place] for stratum, place in zip(sorted(strata), order, strict=True)}
    if not before:
        return names
    if any(one.frame != frame for one in before.values()):
        raise SettingsError("the sample was drawn from other outputs than those of this run: name its run, --run ID")
    known: dict[str, str] = {}
    stratum_of = {one.id: stratum for stratum, members in strata.items() for one in members}
    for case_id, source in before.items():
        stratum = stratum_of[case_id]
        if known.setdefault(stratum, source.name) != source.name or len(strata[stratum]) != source.outputs:
            raise SettingsError(
                f"the verdict on {case_id} or on other outputs changed since the sample was drawn: name its run, "
                "--run ID, or draw a new sample"
            )
    unused = iter([letter for letter in letters if letter not in known.values()])
    return {stratum: known[stratum] if stratum in known else next(unused) for stratum in names}


def allocate(sizes: Mapping[str, int], drawn: Mapping[str, int], n: int) -> dict[str, int]:
    """Add ``n`` to the numbers drawn: one place at a time to the stratum with the fewest, the smallest first."""
    shares = dict(drawn)
    order = sorted(sizes, key=lambda name: (sizes[name], name))
    for _ in range(min(n, sum(sizes.values()) - sum(drawn.values()))):
        open_strata = [name for name in order if shares[name] < sizes[name]]
        shares[min(open_strata, key=lambda name: shares[name])] += 1
    return shares
