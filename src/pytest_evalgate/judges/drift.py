"""Anchors: labelled outputs that a judge grades again from time to time, to see whether it is still the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, Self, get_args

import numpy as np

from pytest_evalgate.errors import UserError
from pytest_evalgate.judges import labels
from pytest_evalgate.runs.record_file import RecordFile
from pytest_evalgate.stats.agreement import judge_self_consistency
from pytest_evalgate.stats.families import holm_adjusted
from pytest_evalgate.stats.numeric import binomial_tail
from pytest_evalgate.stats.trend import js_divergence, ks_statistic

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.records.results import Calibration, Case, Json, Output, Score

Label = Literal["pass", "fail"]
"""What people said of an anchor."""

DriftFinding = Literal["steady", "drifted", "incomplete"]
"""``incomplete``: it depends on anchors without a verdict."""

ALPHA: Final = 0.01
FEWEST: Final = 100
"""Anchors of each label: at a flip rate of 2 %, one verdict in ten that turns is found in 95 % of the checks with 100
of them, and in 70 % with 50 (`power_to_detect`)."""

SHARES: Final = (0.05, 0.1, 0.2)
"""Shares of verdicts that turn, for which the chance to find that out is shown."""

_LEAST_FLIP_RATE: Final = 0.01  # no judge is steadier than its stored verdicts can show
_GRADES: Final = 5


@dataclass(frozen=True, slots=True)
class Rejudged:
    """An anchor: its label, the verdicts that were stored (two or more), and the new one, None where there is none."""

    label: Label
    stored: tuple[bool, ...]
    now: bool | None


@dataclass(frozen=True, slots=True)
class Detection:
    """The chance, at least, that ``share`` of the verdicts turning would be found out."""

    share: float
    chance: float


@dataclass(frozen=True, slots=True)
class ClassDrift:
    """The anchors of one label.

    Of ``anchors`` the new verdict of ``flips`` differs from the stored majority, and ``to_pass`` of these pass now;
    ``unanswered`` have no new verdict. ``flip_rate`` is that of the stored verdicts among themselves. ``p`` is the
    probability of so many flips at that rate, adjusted for the two tests; ``p_worst`` takes the unanswered as flips.
    """

    label: Label
    anchors: int
    flips: int
    to_pass: int
    unanswered: int
    flip_rate: float
    p: float
    p_worst: float
    detections: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """What the anchors say: drift is tested at 0.01 over both labels together."""

    finding: DriftFinding
    classes: tuple[ClassDrift, ...]


@dataclass(frozen=True, slots=True)
class GradeShift:
    """How far the grades then and now lie apart: a description, not a test.

    ``ks`` is the largest distance of the distribution functions and ``p`` its conservative p, ``js_bits`` the
    Jensen-Shannon divergence of the histograms over five bins.
    """

    ks: float
    p: float
    js_bits: float


def drift(anchors: Sequence[Rejudged]) -> Drift:
    """Test whether anchors flip more often than the stored verdicts did among themselves.

    For each label ``P(X >= flips)`` for ``X ~ Binomial(anchors, max(flip rate, 0.01))``, adjusted by Holm's method.
    In simulations of judges that did not change, with 100 and 200 anchors of each label and three or five stored
    verdicts, at most 0.5 % of the checks found drift.

    Raises:
        ValueError: a label has no anchor, or an anchor fewer than two stored verdicts.

    """
    counts = [_counted(label, anchors) for label in get_args(Label)]
    p = holm_adjusted([_p(count, count.flips) for count in counts])
    p_worst = holm_adjusted([_p(count, count.flips + count.unanswered) for count in counts])
    return Drift(
        finding="drifted" if min(p) <= ALPHA else "incomplete" if min(p_worst) <= ALPHA else "steady",
        classes=tuple(_with_p(*each) for each in zip(counts, p, p_worst, strict=True)),
    )


def power_to_detect(share: float, anchors: int, flip_rate: float) -> float:
    """Return the chance that a label's test finds drift where ``share`` of its verdicts turn, beside the usual flips.

    That is a lower bound: the test at the stricter level of Holm's two.
    """
    least = max(flip_rate, _LEAST_FLIP_RATE)
    p = binomial_tail(np.arange(anchors + 1), anchors, least)
    needed = int(np.argmax(p <= ALPHA / 2)) if (p <= ALPHA / 2).any() else anchors + 1
    return float(binomial_tail(needed, anchors, flip_rate + share * (1 - 2 * flip_rate)))


def majority(verdicts: Sequence[bool]) -> bool:
    """Return what most of the verdicts say; a tie fails."""
    return 2 * sum(verdicts) > len(verdicts)


def shift(stored: Sequence[float], now: Sequence[float]) -> GradeShift:
    """Describe how far grades in [0, 1] moved, shapes (n,) and (m,).

    Raises:
        ValueError: one of them is empty, or a grade is not finite.

    """
    moved = ks_statistic(stored, now)
    bins = [np.histogram(grades, bins=_GRADES, range=(0.0, 1.0))[0] for grades in (stored, now)]
    return GradeShift(moved.D, moved.p, js_divergence(*bins).divergence_bits)


@dataclass(frozen=True, slots=True)
class _Counts:
    label: Label
    anchors: int
    flips: int
    to_pass: int
    unanswered: int
    flip_rate: float


def _counted(label: Label, anchors: Sequence[Rejudged]) -> _Counts:
    group = [anchor for anchor in anchors if anchor.label == label]
    flipped = [anchor.now for anchor in group if anchor.now is not None and anchor.now != majority(anchor.stored)]
    return _Counts(
        label=label,
        anchors=len(group),
        flips=len(flipped),
        to_pass=sum(flipped),
        unanswered=sum(anchor.now is None for anchor in group),
        flip_rate=judge_self_consistency([anchor.stored for anchor in group]).flip_rate,
    )


def _p(counts: _Counts, flips: int) -> float:
    return float(binomial_tail(flips, counts.anchors, max(counts.flip_rate, _LEAST_FLIP_RATE)))


def _with_p(counts: _Counts, p: float, p_worst: float) -> ClassDrift:
    chances = (Detection(share, power_to_detect(share, counts.anchors, counts.flip_rate)) for share in SHARES)
    return ClassDrift(**asdict(counts), p=p, p_worst=p_worst, detections=tuple(chances))


class AnchorsError(UserError):
    """Anchors that cannot be used."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """The labelled outputs of a file; ``sha256`` is the digest of all that people were shown and said."""

    name: str
    sha256: str
    rows: tuple[labels.Labelled, ...]

    def asked(self, when: str) -> list[tuple[Case, Output]]:
        """Return what a judge is asked; anew for each ``when``, since the id of a case is part of its question."""
        return [(replace(row.case, id=f"{row.case.id}#{when}"), row.output) for row in self.rows]

    def only(self, ids: Collection[str]) -> Self:
        """Leave out the anchors whose id is not among ``ids``.

        Raises:
            AnchorsError: too few passes, or too few fails, are left for drift to be found.

        """
        kept = tuple(row for row in self.rows if row.case.id in ids)
        for passed, word in ((True, "passed"), (False, "failed")):
            held = sum(row.passed is passed for row in kept)
            if held < FEWEST:
                raise AnchorsError(
                    f"{self.name}: {held} usable outputs that people {word}: anchors need {FEWEST} or more of each "
                    "kind, or drift goes unseen; add labelled outputs"
                )
        return replace(self, rows=kept)


def load(path: Path, *, root: Path) -> Anchors:
    """Read a file of labels as anchors; outputs on which the raters part evenly are left out.

    Raises:
        LabelsError: the file is malformed.
        AnchorsError: it holds too few passes, or too few fails.

    """
    found = labels.load(path, labels.Columns(), root=root)
    decided = {row.case.id for row in found.rows if row.passed is not None}
    return Anchors(found.name, found.sha256, found.rows).only(decided)


_DRIFTED: Final = "drifted"


class DriftRecordError(UserError):
    """The record of a check that cannot be read."""


@dataclass(frozen=True, slots=True)
class DriftRecord:
    """One check: of which judge, when (UTC, ISO 8601), on which anchors, and what it found."""

    judge: str
    checked: str
    anchors: str
    finding: str


def drift_file(calibration: Path) -> Path:
    """Return the file that stands beside a calibration."""
    return calibration.with_name(f"{calibration.stem}.drift.json")


_DRIFT: Final = RecordFile(
    DriftRecord,
    noun="a drift record",
    kind="evalgate-drift",
    error=DriftRecordError,
    next_step="check again with: pytest-evalgate drift",
)


def write_drift(record: DriftRecord, path: Path) -> None:
    """Write a record whole or not at all."""
    _DRIFT.write(record, path)


def read_drift(path: Path) -> DriftRecord | None:
    """Read a record; None if there is none.

    Raises:
        DriftRecordError: It cannot be used.

    """
    return _DRIFT.read(path) if path.exists() else None


def drift_problem(record: DriftRecord | None, calibration: Calibration | None) -> str | None:
    """Say why a calibration does not hold any more, if its anchors drifted after it was made."""
    if record is None or calibration is None or record.finding != _DRIFTED or record.checked < calibration.created:
        return None
    return (
        f"its anchors ({record.anchors}) have drifted: the check of {record.checked[:10]} found more flips than "
        "chance explains. Calibrate again"
    )


_FEWEST: Final = 2  # verdicts: one cannot show how often the judge changes its mind


class StoredVerdictsError(UserError):
    """Stored verdicts that cannot be used."""


@dataclass(frozen=True, slots=True)
class StoredVerdicts:
    """What a judge said of its anchors, of each several times.

    ``parts`` are digests of all that made the judge what it was, ``anchors_sha256`` that of the labels. ``passed``
    and ``values`` hold the verdicts and the scores in [0, 1] of each anchor, by its id.
    """

    judge: str
    created: str
    parts: Mapping[str, str]
    anchors_sha256: str
    passed: Mapping[str, tuple[bool, ...]]
    values: Mapping[str, tuple[float, ...]]


def verdicts_file(anchors: Path, judge: str) -> Path:
    """Return the file in which the verdicts of ``judge`` are kept: beside the anchors."""
    return anchors.parent / f"{anchors.stem}.{judge}.verdicts.json"


def of_scores(
    scores: Mapping[str, Sequence[Score]],
) -> tuple[dict[str, tuple[bool, ...]], dict[str, tuple[float, ...]]]:
    """Return the verdicts and the values of those anchors whose every score is known, by id."""
    passed, values = {}, {}
    for anchor, given in scores.items():
        said = tuple(score.passed for score in given if score.passed is not None)
        held = tuple(score.value for score in given if score.value is not None)
        if len(said) == len(held) == len(given):
            passed[anchor], values[anchor] = said, held
    return passed, values


def write_verdicts(verdicts: StoredVerdicts, path: Path) -> None:
    """Write stored verdicts whole or not at all, one line for each anchor so that a review shows what changed.

    Raises:
        OSError: They cannot be written.

    """
    rows = {anchor: _anchor_row(verdicts, anchor) for anchor in sorted(verdicts.passed)}
    file = _VerdictsFile(verdicts.judge, verdicts.created, dict(verdicts.parts), verdicts.anchors_sha256, rows)
    _VERDICTS.write(file, path)


def read_verdicts(path: Path, *, name: str) -> StoredVerdicts:
    """Read stored verdicts.

    Args:
        path: The file.
        name: Its name in messages.

    Raises:
        StoredVerdictsError: It is missing, cut, edited, malformed or of a newer schema.

    """
    if not path.exists():
        raise StoredVerdictsError(f"{name}: no verdicts are stored yet: record them with --record")
    file = _VERDICTS.read(path, name)
    return StoredVerdicts(
        file.judge,
        file.created,
        file.parts,
        file.anchors_sha256,
        {anchor: row.passed for anchor, row in file.verdicts.items()},
        {anchor: row.scores for anchor, row in file.verdicts.items()},
    )


@dataclass(frozen=True, slots=True)
class _AnchorRow:
    """The verdicts of one anchor. ``values`` are stored only if they are not 1 for a pass and 0 for a fail."""

    passed: tuple[bool, ...]
    values: tuple[float, ...] | None = None

    @property
    def scores(self) -> tuple[float, ...]:
        return tuple(map(float, self.passed)) if self.values is None else self.values


@dataclass(frozen=True, slots=True)
class _VerdictsFile:
    judge: str
    created: str
    parts: dict[str, str]
    anchors_sha256: str
    verdicts: dict[str, _AnchorRow]


def _anchor_row(verdicts: StoredVerdicts, anchor: str) -> _AnchorRow:
    passed, values = verdicts.passed[anchor], verdicts.values[anchor]
    return _AnchorRow(passed, None if values == tuple(map(float, passed)) else values)


def _encode(file: _VerdictsFile) -> dict[str, Json]:
    value = asdict(file)
    for row in value["verdicts"].values():
        if row["values"] is None:
            del row["values"]
    return value


def _check(file: _VerdictsFile) -> None:
    for anchor, row in file.verdicts.items():
        if len(row.passed) < _FEWEST:
            raise ValueError(f"anchor {anchor}: passed must have at least {_FEWEST} verdicts, got {list(row.passed)}")
        if len(row.scores) != len(row.passed) or not all(0 <= score <= 1 for score in row.scores):
            raise ValueError(f"anchor {anchor}: values must be one in [0, 1] a verdict, got {list(row.scores)}")


_VERDICTS: Final = RecordFile(
    _VerdictsFile,
    noun="a file of stored verdicts",
    kind="evalgate-anchors",
    error=StoredVerdictsError,
    next_step="restore it from git, or record the verdicts again with --record",
    rows="verdicts",
    digest="rows",
    encode=_encode,
    check=_check,
)
