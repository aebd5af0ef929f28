"""Pairs of outputs, of a run and of the baseline it is compared with, for people to label: drawn, and read back.

Both outputs of a pair are labelled, in an order that shows neither side nor verdict. The strata are the pairs of
verdicts: people find most of a change among the pairs on which the verdicts differ. Pairs with equal outputs are not
drawn, because people could only label both alike.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.frame import digest_of, first_output
from pytest_evalgate.gates.pairing import pair_results
from pytest_evalgate.gates.run_labels import PairLabel, RunLabels, pairs_frame
from pytest_evalgate.judges.label_rows import id_of, label_of, read_rows
from pytest_evalgate.judges.label_scale import scale_of
from pytest_evalgate.judges.labels import LabelsError
from pytest_evalgate.records.results import Output
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.differences import allocate_labels
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.gates.pairing import Pair
    from pytest_evalgate.judges.label_rows import LabelRow
    from pytest_evalgate.judges.label_scale import LabelScale
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import CaseResult
    from pytest_evalgate.records.verdicts import Baseline

    Show = Callable[[str, Output], Json]

FIELD: Final = "pair_sample"
"""The field of a row that names its frame and its stratum."""

_DRAWN_FROM: Final = re.compile(r"([0-9a-f]{16})/([A-D])/([1-9][0-9]{0,8})(?:/([0-9a-f]{64}))?")
"""Frame, stratum, its number of pairs, and the digest of the whole output if people are shown a part of it."""

_DIGEST: Final = 64  # hexadecimal digits
_ROW_ID: Final = re.compile(r"(.+)#([12])", re.DOTALL)
FEWEST: Final = 10
"""Least labels of a stratum."""

SPREADS: Final = {"pass-pass": 0.25, "pass-miss": 0.6, "miss-pass": 0.6, "miss-miss": 0.45}
"""Strata, before and now, with the standard deviation of people's difference that is expected in them.

That of a judge with a TPR of 0.9 and a TNR of 0.8 if four of five outputs are good; a wrong guess costs only width.
"""


@dataclass(frozen=True, slots=True)
class PairCandidate:
    """A pair that people may label: the result now, what people are shown of both outputs, and the stratum.

    ``digests`` are those of the whole outputs, now and before, if people are shown parts.
    """

    result: CaseResult
    now: Json
    before: Json
    stratum: str
    digests: tuple[str, str] | None = None

    @property
    def id(self) -> str:
        """The id of the case in the golden set."""
        return self.result.case.golden_id


@dataclass(frozen=True, slots=True)
class PairSheetRow:
    """One output of a drawn pair: the id of the row, that of the case, and the value of ``pair_sample``."""

    id: str
    case_id: str
    output: Json
    drawn_from: str


@dataclass(frozen=True, slots=True)
class PairSample:
    """Rows to add to a sheet, with the number of pairs and of drawn pairs by stratum."""

    rows: tuple[PairSheetRow, ...]
    pairs: Mapping[str, int]
    drawn: Mapping[str, int]
    same: int


def draw_pairs(  # noqa: PLR0913 - the two sides, and how to draw
    results: Sequence[CaseResult],
    baseline: Baseline,
    outputs: Mapping[str, Json],
    before: Iterable[str],
    n: int,
    *,
    seed: int,
    show: Show | None = None,
) -> PairSample:
    """Draw at most ``n`` further pairs of ``results`` and ``baseline``, whose outputs are given by case id.

    ``before`` are the ids of the cases of an earlier sample of the same pairs. ``show`` returns the part of an output
    that people are shown, by the id of its case; without it, they are shown the whole.

    Raises:
        SettingsError: there is no pair with two outputs, a case has several trials, or an earlier pair is not one.
    """
    pairing = pair_results([result for result in results if result.case.side != "head"], baseline)
    found = [candidate for pair in pairing.pairs if (candidate := _candidate(pair, outputs, show)) is not None]
    if not found:
        raise SettingsError(
            f"no case of suite {baseline.suite} has an output both in this run and in the baseline: the outputs of a "
            "baseline are stored beside it, or in its run"
        )
    strata: dict[str, list[PairCandidate]] = {name: [] for name in SPREADS}
    for one in found:
        if jsonl.digest(one.now) != jsonl.digest(one.before):
            strata[one.stratum].append(one)
    strata = {name: members for name, members in strata.items() if members}
    earlier = set(before)
    if stray := sorted(earlier - {one.id for members in strata.values() for one in members}):
        raise SettingsError(f"{stray[0]} is no pair of this run any more: draw a new sample into another file")
    frame = pairs_frame([pair.now for pair in pairing.pairs], baseline.provenance.run_id)
    sizes = [len(members) for members in strata.values()]
    had = [sum(one.id in earlier for one in members) for members in strata.values()]
    shares = allocate_labels(sizes, [SPREADS[name] for name in strata], len(earlier) + n, had, FEWEST)
    letters = _letters(frame)
    random = np.random.default_rng((seed, len(earlier)))
    rows = []
    for (name, members), share, drawn in zip(strata.items(), shares, had, strict=True):
        left = [one for one in members if one.id not in earlier]
        source = f"{frame}/{letters[name]}/{len(members)}"
        chosen = random.permutation(len(left))[: share - drawn].tolist()
        rows += [_rows(left[place], source, swapped=bool(random.integers(2))) for place in chosen]
    order = random.permutation(len(rows)).tolist()
    return PairSample(
        rows=tuple(row for place in order for row in rows[place]),
        pairs=dict(zip(strata, sizes, strict=True)),
        drawn=dict(zip(strata, shares, strict=True)),
        same=len(found) - sum(sizes),
    )


def _candidate(pair: Pair, outputs: Mapping[str, Json], show: Show | None) -> PairCandidate | None:
    result, name = pair.now, pair.now.case.golden_id
    if len(result.trials) != 1 or len(pair.before.values) != 1:
        raise SettingsError(f"{name} has several trials: label sample --against takes runs with one trial a case")
    trial = first_output(result)
    if trial is None or trial.output is None or trial.value is None or name not in outputs:
        return None
    verdicts = ("pass" if value == 1 else "miss" for value in (pair.before.values[0], trial.value))
    stratum, now, before = "-".join(verdicts), trial.output, Output(outputs[name])
    if show is None:
        return PairCandidate(result, now.value, before.value, stratum)
    digests = digest_of(now), digest_of(before)
    return PairCandidate(result, show(name, now), show(name, before), stratum, digests)


def _letters(frame: str) -> dict[str, str]:
    """Return a letter for each stratum, which does not show the verdicts to the people who label."""
    order = sorted(SPREADS, key=lambda name: jsonl.digest([frame, name]))
    return dict(zip(order, "ABCD", strict=True))


def _rows(pair: PairCandidate, source: str, *, swapped: bool) -> tuple[PairSheetRow, ...]:
    sources = [source, source] if pair.digests is None else [f"{source}/{digest}" for digest in pair.digests]
    sides = list(zip((pair.now, pair.before), sources, strict=True))
    if swapped:
        sides.reverse()
    return tuple(PairSheetRow(f"{pair.id}#{at}", pair.id, *side) for at, side in enumerate(sides, start=1))


def drawn_cases(path: Path) -> list[str]:
    """Return the ids of the cases in a sheet of pairs.

    Raises:
        LabelsError: the file cannot be read, or a row is none of a pair.
    """
    rows, problems = read_rows(path, name=str(path))
    members = _members(rows, problems)
    if problems:
        raise LabelsError(problems)
    return [*members]


def read_run_labels(path: Path, *, root: Path) -> RunLabels:
    """Read the labels of a sheet of pairs.

    Raises:
        LabelsError: the file is invalid, a row has no label yet, or its rows are of several samples.
    """
    name = files.relative_name(path, root)
    rows, problems = read_rows(path, name=name)
    members = _members(rows, problems)
    labels = [label for row in rows if (label := label_of(row)) is not None]
    scale = scale_of(labels)
    unlabelled = [row for row in rows if label_of(row) is None]
    if unlabelled:
        message = (
            f"{len(unlabelled):,} of {len(rows):,} rows have no label yet: label all of them, or remove run_labels"
        )
        problems.append(LineProblem(name, unlabelled[0].place.line, "label", message))
    found = [] if problems else [_pair_label(case_id, pair, scale, problems) for case_id, pair in members.items()]
    frames = {_source(row)[0] for pair in members.values() for row in pair}
    if len(frames) > 1:
        problems.append(LineProblem(name, 0, FIELD, "the rows are of several runs: keep one file for each"))
    if not rows and not problems:
        problems.append(LineProblem(name, 0, "", "the file has no rows"))
    if problems:
        raise LabelsError(problems)
    return RunLabels(name, next(iter(frames)), tuple(found))


def _members(rows: Sequence[LabelRow], problems: list[LineProblem]) -> dict[str, list[LabelRow]]:
    """Return the two rows of each case; adds a problem for each row that is none of two."""
    members: dict[str, list[LabelRow]] = defaultdict(list)
    for row in rows:
        parts, source = _ROW_ID.fullmatch(id_of(row)), row.values.get(FIELD)
        if parts is None or not isinstance(source, str) or _DRAWN_FROM.fullmatch(source) is None:
            message = "must be as label sample --against wrote it"
            problems.append(LineProblem(row.place.file, row.place.line, FIELD, message))
        else:
            members[parts[1]].append(row)
    for case_id, pair in members.items():
        if sorted(id_of(row) for row in pair) != [f"{case_id}#1", f"{case_id}#2"]:
            message = f"{jsonl.quote_text(case_id)} must have the two rows #1 and #2, once each"
            problems.append(LineProblem(pair[0].place.file, pair[0].place.line, "id", message))
    return members


def _pair_label(case_id: str, rows: Sequence[LabelRow], scale: LabelScale, problems: list[LineProblem]) -> PairLabel:
    passed: dict[str, bool] = {}
    for row in rows:
        verdict = scale.passed(label_of(row))
        if verdict is None:
            message = f"unknown label {jsonl.quote_text(str(label_of(row)))}: write pass or fail"
            problems.append(LineProblem(row.place.file, row.place.line, "label", message))
        passed[_whole_digest(row)] = bool(verdict)
    if len(passed) != len(rows) or len({_source(row) for row in rows}) != 1:
        message = f"the two rows of {jsonl.quote_text(case_id)} must differ in their output and be of one stratum"
        problems.append(LineProblem(rows[0].place.file, rows[0].place.line, "output", message))
    _, stratum, pairs = _source(rows[0])
    return PairLabel(case_id, passed, stratum, pairs)


def _source(row: LabelRow) -> tuple[str, str, int]:
    """Return the frame, the stratum and its number of pairs of a row that `_members` has checked."""
    frame, stratum, pairs, *_ = str(row.values[FIELD]).split("/")
    return frame, stratum, int(pairs)


def _whole_digest(row: LabelRow) -> str:
    """Return the digest of the output of a row, of which people may have been shown a part."""
    *_, last = str(row.values[FIELD]).split("/")
    return last if len(last) == _DIGEST else jsonl.digest(row.values.get("output"))
