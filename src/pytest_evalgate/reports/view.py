"""Report view: one decided run, ready to be rendered.

A ``ReportView`` holds a ``SuiteView`` for each suite and iterates over a ``CaseView`` for each case. ``app.view``
builds it; the reports render it and compute nothing. Its texts have passed the ``TextPolicy`` of the configuration.
"""

from __future__ import annotations

import json
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.pictures import without_image_data
from pytest_evalgate.text.wording import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_evalgate.config import Report
    from pytest_evalgate.records.cases import Json, Place, Side
    from pytest_evalgate.records.raised import Raised
    from pytest_evalgate.records.results import Outcome, Score
    from pytest_evalgate.records.verdicts import Calibration, HistoryRow, SuiteVerdict, Verdict, VerdictName
    from pytest_evalgate.reports.diff import Piece

MAX_DETAILED: Final = 200
"""Cases of a suite that are shown in full, for reports that do not show all cases."""

Change = Literal["regressed", "fixed", "same", "new", "edited", "removed", ""]
"""Change of a case against the baseline; "" without a baseline."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ReportView:
    """One decided run.

    Args:
        verdict: Its verdict.
        suites: Its suites, in the order in which they ran.
        run_file: Name of the run file.
        verdict_file: Name of the verdict file.
        cases: All cases, for repeated iteration; those of a long run are read from the run file each time.
        facts: Facts about the run, as (name, value) pairs.
        calibrations: The calibration of each judge.
        links: Addresses of the repository, None if they are unknown.
        report_file: Name of the HTML report, None if none is written.
        notes: Notes on the run as a whole, shown below the numbers.
        case_changes: The change of each case against the baseline, by suite; none for suites without one.
        acknowledgement: Configuration that acknowledges what weakens the gate and accepted drops, to be filled in;
            "" if there is nothing to acknowledge.
    """

    verdict: Verdict
    suites: tuple[SuiteView, ...]
    run_file: str
    verdict_file: str
    cases: Iterable[CaseView] = ()
    facts: tuple[tuple[str, str], ...] = ()
    calibrations: Mapping[str, Calibration] = field(default_factory=lambda: _NOTHING)
    links: Links | None = None
    report_file: str | None = None
    notes: tuple[str, ...] = ()
    case_changes: Mapping[str, CaseChanges] = field(default_factory=lambda: _NOTHING)
    acknowledgement: str = ""


@dataclass(frozen=True, slots=True)
class CaseChanges:
    """The cases of a suite in comparison with its baseline.

    ``changes`` are change and baseline mean by case id, ``outputs`` the outputs of the baseline by golden id.
    """

    changes: Mapping[str, tuple[Change, float | None]] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    outputs: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SuiteView:
    """One suite.

    Args:
        name: The suite.
        verdict: Its verdict.
        regressed: Cases that got worse: those that must pass, then the largest drop first, then the lowest scores.
        fixed: Cases that got better, largest gain first.
        missed: Reasons of missed cases, most frequent first.
        missed_cases: Missed cases: those that must pass, then those that regressed, then the lowest first.
        worst: The three worst cases of a suite with a failed gate, with their texts.
        sentences: Plain-language reading of each gate that compares with the baseline.
        errors: Reasons of cases without an output, most frequent first.
        warned: For each scorer that only warns: the number of cases that it misses, with the reason of the first.
        uncached: Number of cases of which a call has no cached reply, so that a re-run repeats it.
        flaky: Cases that passed in some trials only.
        details: At most 200 cases in full, by id.
        history: Its last runs, this one included.
        scores_before: Scores of the baseline in [0, 1] by scorer, one per trial.
    """

    name: str
    verdict: SuiteVerdict
    regressed: tuple[ChangedCaseRow, ...] = ()
    fixed: tuple[ChangedCaseRow, ...] = ()
    missed: tuple[Reason, ...] = ()
    errors: tuple[Reason, ...] = ()
    uncached: int = 0
    flaky: tuple[FlakyCaseRow, ...] = ()
    details: Mapping[str, CaseView] = field(default_factory=lambda: _NOTHING)
    history: tuple[HistoryRow, ...] = ()
    scores_before: Mapping[str, Sequence[float]] = field(default_factory=lambda: _NOTHING)
    missed_cases: tuple[ChangedCaseRow, ...] = ()
    worst: tuple[WorstCase, ...] = ()
    sentences: tuple[GateSentence, ...] = ()
    warned: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class GateSentence:
    """Plain-language reading of a gate that compares with the baseline.

    ``index`` is its position among the gates. ``changed`` counts the cases that changed, ``sentence`` answers whether
    the change is real, and ``detail`` has the test, its p, and advice. All may contain text of the configuration.
    """

    index: int
    gate: str
    result: VerdictName
    changed: str
    sentence: str
    detail: str


@dataclass(frozen=True, slots=True)
class WorstCase:
    """A case of a failed suite, with its answers before and now.

    ``output`` is that of its worst trial. ``diff`` is the word diff from the baseline's output to it, none if the
    baseline's is unknown. ``why`` is the rationale of ``judge``; if that is "", the reason of a scorer or the target.
    """

    case: CaseView
    output: str
    diff: tuple[Piece, ...] = ()
    why: str = ""
    judge: str = ""


@dataclass(frozen=True, slots=True)
class ChangedCaseRow:
    """A case and its result in the baseline and now; both are from `format_mean`.

    ``before`` is "" if the case was not compared. ``cause`` is equal for cases that share a cause: the exception of
    the target and its place, else the reason; "" if that is unknown.
    """

    id: str
    place: Place
    tags: tuple[str, ...]
    before: str
    now: str
    reason: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class FlakyCaseRow:
    """A case that passed in some of its trials and missed in others."""

    id: str
    place: str
    passed: int
    trials: int


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason, the number of cases that have it, and the place of the first of them."""

    count: int
    text: str
    example: str


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case of a suite.

    ``value`` is the mean over its trials, None if it has no output or did not run; ``before`` is the baseline's mean.
    ``baseline_output`` is the output of the baseline's first trial, None if it was not stored.
    """

    suite: str
    id: str
    place: Place
    outcome: Outcome
    tags: tuple[str, ...] = ()
    slices: tuple[tuple[str, str], ...] = ()
    side: Side = "both"
    change: Change = ""
    before: float | None = None
    value: float | None = None
    reason: str = ""
    input: str = ""
    expected: str = ""
    trials: tuple[TrialView, ...] = ()
    baseline_output: str | None = None

    @property
    def flaky(self) -> bool:
        """Whether the case passed in some of its trials and missed in others."""
        return len({trial.value for trial in self.trials}) > 1


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial; ``value`` is 1.0, 0.0, or None if the output is missing.

    ``reasoning`` is not part of the output. ``raised``: where the target raised an exception.
    """

    value: float | None
    output: str
    reason: str = ""
    scores: tuple[Score, ...] = ()
    latency_s: float | None = None
    cost_usd: float | None = None
    tokens: int | None = None
    reasoning: str = ""
    raised: Raised | None = None


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses of a repository at one commit.

    ``folder`` is the root folder relative to the repository's, ``run`` the page of the CI run.
    """

    repository: str
    commit: str
    folder: str = ""
    run: str | None = None

    def line(self, place: Place) -> str:
        """Return the address of a line."""
        path = "/".join(filter(None, (self.folder, place.file)))
        return f"{self.repository}/blob/{self.commit}/{quote(path, errors='surrogatepass')}#L{place.line}"


def format_mean(value: float | None) -> str:
    """Format a case's mean over its trials: ``pass``, ``miss``, ``0.67``; an empty text for None."""
    if value is None:
        return ""
    return {0.0: "miss", 1.0: "pass"}.get(value, f"{value:.2f}")


LONGEST: Final = 20_000
"""Characters of one text in a report; the run file contains the whole text."""

_EXCERPT: Final = 200


@dataclass(frozen=True, slots=True)
class TextPolicy:
    """The parts of inputs, outputs and reasons that reports show: ``report.content`` and ``report.redact``."""

    content: str = "full"
    redact: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def by(cls, settings: Report) -> TextPolicy:
        """Return the policy of the configuration."""
        return cls(settings.content, tuple(tuple(path.split(".")) for path in settings.redact))

    def of(self, field: str, value: Json) -> str:
        """Return the text of a value; ``field`` is ``input``, ``expected`` or ``output``."""
        if value is None:
            return ""
        for path in self.redact:
            if path[0] == field:
                value = _without(value, path[1:])
        return self.plain(_text(value))

    def reason(self, text: str) -> str:
        """Return a reason, or "(left out)" if fields are redacted: a reason may quote them."""
        return self.plain(text) if not self.redact or not text else LEFT_OUT

    def reason_at(self, text: str, raised: Raised | None) -> str:
        """Return a reason followed by the place where the target raised an exception, if it did."""
        reason = self.reason(text)
        return f"{reason} ({raised.place})" if reason and raised is not None and raised.place else reason

    def plain(self, text: str) -> str:
        """Return a text, truncated or left out as configured, without the data of images."""
        text = without_image_data(text)
        if self.content == "full" and len(text) <= LONGEST:  # nearly every text of a run
            return text
        if self.content == "none":
            return LEFT_OUT if text else ""
        return truncate(text, _EXCERPT if self.content == "excerpt" else LONGEST)


FULL_TEXT: Final = TextPolicy()
"""The policy that redacts nothing and truncates only beyond 20,000 characters."""


def truncate(text: str, longest: int) -> str:
    """Return ``text``, or its beginning followed by the length of the whole."""
    return text if len(text) <= longest else f"{text[:longest]} ... ({len(text):,} characters)"


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(one, dict) and "role" in one for one in value):
        return "\n".join(f"{one['role']}: {_text(one.get('content'))}" for one in value)  # a list of chat messages
    return json.dumps(value, ensure_ascii=False, indent=1)


def _without(value: Json, path: tuple[str, ...]) -> Json:
    """Return a copy of ``value`` with the field at ``path`` replaced by ``***``, in every member of a list."""
    if isinstance(value, list):
        return [_without(one, path) for one in value]
    if not isinstance(value, dict) or path[0] not in value:
        return value
    inner = "***" if len(path) == 1 else _without(value[path[0]], path[1:])
    return {**value, path[0]: inner}
