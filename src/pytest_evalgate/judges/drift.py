"""Drift of a judge: repeated grading of anchors (labelled outputs) to detect a change of the model behind it.

Flow: `load` reads the anchors; `write_verdicts` stores several verdicts of each; later checks compare new verdicts
with the stored ones (`drift`) and write a `DriftRecord` beside the calibration, which `drift_problem` reads.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final, Literal, Self, get_args

from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges import labels
from pytest_evalgate.runs.record_file import RecordFile, check_filled, check_time
from pytest_evalgate.stats.agreement import judge_self_consistency
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.families import holm_adjusted
from pytest_evalgate.stats.numeric import binomial_tail
from pytest_evalgate.stats.trend import js_divergence, ks_statistic

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Output, Score
    from pytest_evalgate.records.verdicts import Calibration

FEWEST: Final = 100
"""The smallest number of anchors of each label.

At a flip rate of 2 %, a change of one verdict in ten is found by 95 % of the checks with 100 anchors, but only by 70 %
with 50 (`power_to_detect`).
"""


class AnchorsError(UserError):
    """Too few anchors."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """The labelled outputs of a file, with the digest of everything that the raters saw and of their labels."""

    name: str
    sha256: str
    rows: tuple[labels.Labelled, ...]

    def asked(self, when: str) -> list[tuple[Case, Output]]:
        """Return the cases and outputs to grade. The id of each contains ``when``, so that no cached reply is used."""
        return [(replace(row.case, id=f"{row.case.id}#{when}"), row.output) for row in self.rows]

    def only(self, ids: Collection[str]) -> Self:
        """Return the anchors with these ids.

        Raises:
            AnchorsError: too few passes or too few fails remain to detect drift.
        """
        kept = tuple(row for row in self.rows if row.case.id in ids)
        for passed, word in ((True, "passed"), (False, "failed")):
            usable = sum(row.passed is passed for row in kept)
            if usable < FEWEST:
                raise AnchorsError(
                    f"{self.name}: {usable} usable outputs that people {word}: anchors need {FEWEST} or more of each "
                    "kind, or drift would be missed; add labelled outputs"
                )
        return replace(self, rows=kept)


def load(path: Path, *, root: Path) -> Anchors:
    """Read a label file as anchors. Outputs on which the raters are evenly divided are left out.

    Raises:
        LabelsError: the file is malformed.
        AnchorsError: it has too few passes or too few fails.
    """
    found = labels.load(path, labels.Columns(), root=root)
    decided = {row.case.id for row in found.rows if row.passed is not None}
    return Anchors(found.name, found.sha256, found.rows).only(decided)


Label = Literal["pass", "fail"]
"""Human label of an anchor."""

DriftFinding = Literal["steady", "drifted", "incomplete"]
"""``incomplete``: the result depends on anchors without a new verdict."""

ALPHA: Final = 0.01
SHARES: Final = (0.05, 0.1, 0.2)
"""Shares of changed verdicts for which the power of the check is reported."""

_MIN_FLIP_RATE: Final = 0.01  # a few stored verdicts cannot show that a judge flips less often
_GRADES: Final = 5


@dataclass(frozen=True, slots=True)
class Rejudged:
    """An anchor: its label, two or more stored verdicts, and the new verdict or None."""

    label: Label
    stored: tuple[bool, ...]
    now: bool | None


@dataclass(frozen=True, slots=True)
class Detection:
    """Lower bound of the probability of detecting a change of ``share`` of the verdicts."""

    share: float
    chance: float


@dataclass(frozen=True, slots=True)
class ClassDrift:
    """Result for the anchors with one label.

    Attributes:
        label: The label.
        anchors: Number of anchors.
        flips: Anchors whose new verdict differs from the majority of the stored ones.
        to_pass: Flips that pass now.
        unanswered: Anchors without a new verdict.
        flip_rate: Rate of disagreement among the stored verdicts.
        p: Probability of this many flips or more at that rate, adjusted for the two tests.
        p_worst: The same with unanswered anchors counted as flips.
        detections: Power of the check.
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
    """Result of a check, tested at 0.01 over both labels together."""

    finding: DriftFinding
    classes: tuple[ClassDrift, ...]


def drift(anchors: Sequence[Rejudged]) -> Drift:
    """Test whether anchors flip more often than the stored verdicts did among themselves.

    The p-value of a label is ``P(X >= flips)`` for ``X ~ Binomial(anchors, max(flip rate, 0.01))``, adjusted by Holm's
    method. In simulations of judges that did not change, with 100 and 200 anchors of each label and three or five
    stored verdicts, at most 0.5 % of the checks found drift.

    Raises:
        ValueError: a label has no anchor, or an anchor has fewer than two stored verdicts.
    """
    counts = [_count(label, anchors) for label in get_args(Label)]
    p = holm_adjusted([_p_value(count, count.flips) for count in counts])
    p_worst = holm_adjusted([_p_value(count, count.flips + count.unanswered) for count in counts])
    return Drift(
        finding="drifted" if min(p) <= ALPHA else "incomplete" if min(p_worst) <= ALPHA else "steady",
        classes=tuple(
            replace(count, p=one, p_worst=worst) for count, one, worst in zip(counts, p, p_worst, strict=True)
        ),
    )


def _count(label: Label, anchors: Sequence[Rejudged]) -> ClassDrift:
    """Return the counts of a label, with 1 for both p-values."""
    group = [anchor for anchor in anchors if anchor.label == label]
    flipped = [anchor.now for anchor in group if anchor.now is not None and anchor.now != majority(anchor.stored)]
    flip_rate = judge_self_consistency([anchor.stored for anchor in group]).flip_rate
    return ClassDrift(
        label=label,
        anchors=len(group),
        flips=len(flipped),
        to_pass=sum(flipped),
        unanswered=sum(anchor.now is None for anchor in group),
        flip_rate=flip_rate,
        p=1.0,
        p_worst=1.0,
        detections=tuple(Detection(share, power_to_detect(share, len(group), flip_rate)) for share in SHARES),
    )


def _p_value(count: ClassDrift, flips: int) -> float:
    return float(binomial_tail(flips, count.anchors, max(count.flip_rate, _MIN_FLIP_RATE)))


def majority(verdicts: Sequence[bool]) -> bool:
    """Return the verdict of the majority. A tie fails."""
    return 2 * sum(verdicts) > len(verdicts)


def power_to_detect(share: float, anchors: int, flip_rate: float) -> float:
    """Return the power of a label's test against a change of ``share`` of its verdicts in addition to the usual flips.

    This is a lower bound: it uses the stricter of the two levels of Holm's method.
    """
    p = binomial_tail(np.arange(anchors + 1), anchors, max(flip_rate, _MIN_FLIP_RATE))
    needed = int(np.argmax(p <= ALPHA / 2)) if (p <= ALPHA / 2).any() else anchors + 1
    return float(binomial_tail(needed, anchors, flip_rate + share * (1 - 2 * flip_rate)))


@dataclass(frozen=True, slots=True)
class GradeShift:
    """Difference between the stored and the new grades: a description, not a test.

    ``ks`` is the Kolmogorov-Smirnov distance with its conservative ``p``, ``js_bits`` the Jensen-Shannon divergence of
    histograms with five bins.
    """

    ks: float
    p: float
    js_bits: float


def shift(stored: Sequence[float], now: Sequence[float]) -> GradeShift:
    """Describe the shift of grades in [0, 1]. Shapes: (n,) and (m,).

    Raises:
        ValueError: one of them is empty, or a grade is not finite.
    """
    moved = ks_statistic(stored, now)
    bins = [np.histogram(grades, bins=_GRADES, range=(0.0, 1.0))[0] for grades in (stored, now)]
    return GradeShift(moved.D, moved.p, js_divergence(*bins).divergence_bits)


_MIN_VERDICTS: Final = 2  # one verdict cannot show how often the judge contradicts itself


class StoredVerdictsError(UserError):
    """Stored verdicts that are missing or invalid."""


@dataclass(frozen=True, slots=True)
class StoredVerdicts:
    """Several verdicts of a judge on each of its anchors.

    ``parts`` are the digests of the judge's parts, ``anchors_sha256`` is that of the labels. ``passed`` and ``values``
    are the verdicts and the scores in [0, 1] by anchor id.
    """

    judge: str
    created: str
    parts: Mapping[str, str]
    anchors_sha256: str
    passed: Mapping[str, tuple[bool, ...]]
    values: Mapping[str, tuple[float, ...]]


def verdicts_file(anchors: Path, judge: str) -> Path:
    """Return the file of the stored verdicts of ``judge``, beside the anchors."""
    return anchors.parent / f"{anchors.stem}.{judge}.verdicts.json"


def of_scores(
    scores: Mapping[str, Sequence[Score]],
) -> tuple[dict[str, tuple[bool, ...]], dict[str, tuple[float, ...]]]:
    """Return verdicts and values by anchor id. An anchor is left out if one of its scores lacks either."""
    passed, values = {}, {}
    for anchor, given in scores.items():
        verdicts = tuple(score.passed for score in given if score.passed is not None)
        shares = tuple(score.value for score in given if score.value is not None)
        if len(verdicts) == len(shares) == len(given):
            passed[anchor], values[anchor] = verdicts, shares
    return passed, values


def write_verdicts(verdicts: StoredVerdicts, path: Path) -> None:
    """Write stored verdicts atomically, one line per anchor for reviewable diffs."""
    rows = {}
    for anchor, passed in sorted(verdicts.passed.items()):
        values = verdicts.values[anchor]
        rows[anchor] = _AnchorRow(passed, None if values == tuple(map(float, passed)) else values)
    file = _VerdictsFile(verdicts.judge, verdicts.created, dict(verdicts.parts), verdicts.anchors_sha256, rows)
    _VERDICTS.write(file, path)


def read_verdicts(path: Path, *, name: str) -> StoredVerdicts:
    """Read stored verdicts. ``name`` is the name of the file in messages.

    Raises:
        StoredVerdictsError: the file is missing, truncated, edited, malformed or of a newer schema.
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


def _encode(file: _VerdictsFile) -> dict[str, Json]:
    value = asdict(file)
    for row in value["verdicts"].values():
        if row["values"] is None:
            del row["values"]
    return value


def _check(file: _VerdictsFile) -> None:
    check_time("created", file.created)
    check_filled(judge=file.judge, anchors_sha256=file.anchors_sha256)
    if "" in (*file.parts, *file.parts.values(), *file.verdicts):
        raise ValueError("parts: a name or a digest is empty, or the id of an anchor is")
    for anchor, row in file.verdicts.items():
        if len(row.passed) < _MIN_VERDICTS:
            raise ValueError(
                f"anchor {anchor}: passed must have at least {_MIN_VERDICTS} verdicts, got {list(row.passed)}"
            )
        if len(row.scores) != len(row.passed) or not all(0 <= score <= 1 for score in row.scores):
            raise ValueError(f"anchor {anchor}: values must be in [0, 1], one per verdict, not {list(row.scores)}")


_VERDICTS: Final = RecordFile(
    _VerdictsFile,
    noun="a file of stored verdicts",
    kind="evalgate-anchors",
    error=StoredVerdictsError,
    next_step="restore it from git, or record the verdicts again with --record",
    rows="verdicts",
    rows_digest=True,
    seal="if present",
    encode=_encode,
    check=_check,
)


class DriftRecordError(UserError):
    """A drift record that cannot be read."""


@dataclass(frozen=True, slots=True)
class DriftRecord:
    """Result of one check: the judge, the time (UTC, ISO 8601), the anchors and the finding."""

    judge: str
    checked: str
    anchors: str
    finding: DriftFinding


def drift_file(calibration: Path) -> Path:
    """Return the file of the drift record, beside the calibration."""
    return calibration.with_name(f"{calibration.stem}.drift.json")


def write_drift(record: DriftRecord, path: Path) -> None:
    """Write a drift record atomically."""
    _DRIFT.write(record, path)


def read_drift(path: Path) -> DriftRecord | None:
    """Read a drift record; None if there is no file. Raises DriftRecordError if it is not a drift record."""
    return _DRIFT.read(path) if path.exists() else None


def _check_record(record: DriftRecord) -> None:
    check_time("checked", record.checked)
    check_filled(judge=record.judge, anchors=record.anchors)


_DRIFT: Final = RecordFile(
    DriftRecord,
    noun="a drift record",
    kind="evalgate-drift",
    error=DriftRecordError,
    next_step="check again with: pytest-evalgate drift",
    seal="if present",
    check=_check_record,
)


def drift_problem(record: DriftRecord | None, calibration: Calibration | None) -> str | None:
    """Return why a calibration is no longer valid; None unless its anchors drifted after it was made."""
    if record is None or calibration is None or record.finding != "drifted" or record.checked < calibration.created:
        return None
    return (
        f"its anchors ({record.anchors}) have drifted: the check of {record.checked[:10]} found more flips than "
        "chance explains. Calibrate again"
    )
