"""Second decision of the runs of a release pack, from their run files, configuration, baselines and calibrations.

Taken from the verdict: the reason why a judge does not count, because it may have been its age on the day of the
decision, and what only the session knew, such as its exit code and the changes of the gate.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.app import reruns
from pytest_evalgate.app.decide import RunDecider, with_coverage
from pytest_evalgate.app.release_pack import ATTEMPTS, PROJECT, to_bytes
from pytest_evalgate.config import for_tier, owner_of, suite_named
from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates import decide
from pytest_evalgate.gates.rules import JudgeRule
from pytest_evalgate.judges import calibration as calibrations
from pytest_evalgate.judges import labels
from pytest_evalgate.judges.build import fingerprint, parts_of_judge
from pytest_evalgate.judges.calibration import gating_problems
from pytest_evalgate.judges.rubric import builtin_rubrics
from pytest_evalgate.records.attempts import Reruns
from pytest_evalgate.runs import history
from pytest_evalgate.runs.kept import RunFolder, encode
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.app.view import DecidedRun
    from pytest_evalgate.config import Settings, Suite
    from pytest_evalgate.gates import SuiteRules
    from pytest_evalgate.records.attempts import OnRerun
    from pytest_evalgate.records.verdicts import Baseline, Calibration, HistoryRow, JudgeVerdict, SuiteVerdict, Verdict

_TOLERANCE: Final = 1e-9
"""Relative difference between figures that other versions of scipy may cause."""

_OF_SESSION: Final = frozenset(
    {"exit_code", "duration_s", "problems", "refused", "resumed", "changed_in_gate", "base_problem"}
)
"""Fields of a verdict that its session knows, and its run file and configuration do not determine."""

_OF_HISTORY: Final = frozenset({"trend", "notes"})
_OF_OUTPUTS: Final = ("raw_agreement", "parsed_agreement")
"""Fields of pooled attempts that a session leaves out, because it decides them without their outputs."""

_OF_PACKAGE: Final = ("prompt", "parser")
"""Parts of a judge that are in this package, and may differ in the one that verifies."""


@dataclass(frozen=True, slots=True)
class PackedRun:
    """A decided run of a pack: its place below ``folder``, the pack, and the configuration with all tiers."""

    folder: Path
    decided: DecidedRun
    configured: Settings

    @property
    def name(self) -> str:
        """The folder of the run, relative to the pack."""
        return f"runs/{self.decided.run.id}"

    @property
    def settings(self) -> Settings:
        """The configuration of the tier that ran."""
        return for_tier(self.configured, self.decided.info.tier)

    @property
    def kept(self) -> RunFolder:
        """The files of the run."""
        return RunFolder(self.folder / self.name)

    def differences(self) -> Iterator[str]:
        """Yield what does not follow from the run file: files of judges, then the first field of the verdict.

        Raises:
            UserError: a file cannot be used.
        """
        yield from self._judge_problems()
        found: list[str] = []
        # the base branch and the variable CI decide whether a suite without a baseline may be recorded: try each case
        for may_record, is_new in itertools.product((True, False), (False, True)):
            derived = self._decide(may_record=may_record, is_new=is_new)
            found = [*itertools.islice(_differences(self.decided.verdict, derived, f"{self.name}/verdict.json"), 1)]
            if not found:
                break
        yield from found

    def _decide(self, *, may_record: bool, is_new: bool) -> Verdict:
        settings, claimed = self.settings, self.decided.verdict
        problems: list[str] = []
        baselines = {name: _with_source(one, claimed.suites[name]) for name, one in self.decided.baselines.items()}
        root = self.folder / PROJECT
        decider = RunDecider(root, settings, root, partial(_without_judges, settings), _baselines=baselines)
        names = [suite.plan.name for suite in self.decided.run.suites]
        rules: dict[str, SuiteRules] = {
            name: replace(
                rule,
                judges=self._judge_rules(name),
                record_without_baseline=may_record,
                is_new=is_new and rule.baseline is None,
            )
            for name, rule in decider.rules(names, problems.append).items()
        }
        if problems:
            raise UserError("; ".join(problems))
        pooled, policy = self._pooled(rules)
        verdict = decide(
            pooled.run,
            rules,
            warn_inconclusive=settings.on_inconclusive == "warn",
            not_run=[name for name in settings.suites if name not in rules and name not in map(owner_of, rules)],
            changes=claimed.changed_in_gate or (),
            tier=settings.default_tier,
        )
        return pooled.annotate(with_coverage(verdict, pooled.run, settings), self.decided.run, policy)

    def _pooled(self, rules: Mapping[str, SuiteRules]) -> tuple[reruns.PooledRun, OnRerun]:
        """Return the run with the trials of the attempts that its verdict names, whose run files are in the pack."""
        run, claimed = self.decided.run, self.decided.verdict
        counted = {name: suite.reruns for name, suite in claimed.suites.items() if suite.reruns is not None}
        path = self.kept.folder / ATTEMPTS
        if not counted and not path.exists():
            return reruns.PooledRun(run), "count"
        rows = history.read(path).attempts
        attempts = {suite.plan.name: _earlier(rows, suite.plan.name, run.id) for suite in run.suites}
        if all(one.pooled == 1 for one in counted.values()):
            gone = {name: counted[name].gone for name in counted}
            found = {name: Reruns(len(some) + 1, 1, gone.get(name, ())) for name, some in attempts.items() if some}
            return reruns.PooledRun(run, found), "count"
        before = {
            name: None if rule.baseline is None else rule.baseline.provenance.run_id for name, rule in rules.items()
        }
        return reruns.pool(run, attempts, before, state=self.folder, policy="pool"), "pool"

    def _judge_rules(self, name: str) -> dict[str, JudgeRule]:
        """Return the rules of the judges of a suite, from their calibrations and the reasons in the verdict."""
        suite = suite_named(self.settings, name)
        of_verdict = {judge.name: judge for judge in self.decided.verdict.suites[name].judges}
        found = {}
        for spec in () if suite is None else suite.scorers:
            if not isinstance(spec, dict) or "judge" not in spec:
                continue
            judge = str(spec["judge"])
            told = of_verdict.get(judge)
            found[str(spec.get("name") or judge)] = JudgeRule(
                name=judge,
                calibration=self._calibration(judge),
                fingerprint="" if told is None else told.fingerprint,
                why_not=None if told is None else told.why_not,
                report_only=self.settings.judges[judge].report_only or spec.get("severity") == "warn",
            )
        return found

    def _calibration(self, judge: str) -> Calibration | None:
        path = self.kept.calibration_file(judge)
        return calibrations.read(path) if path.exists() else None

    def _judge_problems(self) -> Iterator[str]:
        """Yield the judges that count although their files show that they may not, and labels that were edited."""
        told = {judge.name: judge for suite in self.decided.verdict.suites.values() for judge in suite.judges}
        for name, judge in told.items():
            found = self._calibration(name)
            labelled = None if found is None else self.folder / PROJECT / found.labels
            digest = None if labelled is None or not labelled.is_file() else labels.digest(labelled)
            if found is not None and digest not in (None, found.labels_sha256):
                yield f"{PROJECT}/{found.labels}: its labels are not those of {self.name}/calibrations/{name}.json"
            elif judge.why_not is None and judge.calibrated:
                yield from self._wrongly_counted(judge, found)

    def _wrongly_counted(self, judge: JudgeVerdict, found: Calibration | None) -> Iterator[str]:
        place, configured = f"{self.name}/calibrations/{judge.name}.json", self.settings.judges[judge.name]
        if found is None:
            yield f"{place}: missing, but the judge counts"
            return
        if found.fingerprint != judge.fingerprint or fingerprint(found.parts, found.threshold) != judge.fingerprint:
            yield f"{place}: it is of another judge than the one of the verdict"
            return
        parts = parts_of_judge(judge.name, self.configured, root=self.folder / PROJECT)
        ours = (*_OF_PACKAGE, *(("rubric",) if configured.rubric in builtin_rubrics() else ()))
        parts |= {name: found.parts[name] for name in ours if name in found.parts}
        day = date.fromisoformat(self.decided.run.created[:10])
        if problems := gating_problems(judge.name, found, configured, parts, None, day):
            yield f"{place}: the judge counts, but {problems[0]}"


def _earlier(rows: tuple[HistoryRow, ...], suite: str, run_id: str) -> tuple[HistoryRow, ...]:
    of_suite = [row for row in rows if row.suite == suite]
    own = next((row for row in of_suite if row.run_id == run_id), None)
    return () if own is None else history.earlier_attempts(of_suite, own)


def _with_source(baseline: Baseline | None, suite: SuiteVerdict) -> Baseline | None:
    if baseline is None or suite.delta is None:
        return baseline
    return replace(baseline, source=suite.delta.baseline)


def _without_judges(settings: Settings, name: str) -> Suite | None:
    """Return a suite without its judges, whose rules are made from the files of the pack."""
    suite = suite_named(settings, name)
    if suite is None:
        return None
    rules = tuple(spec for spec in suite.scorers if not (isinstance(spec, dict) and "judge" in spec))
    return suite.model_copy(update={"scorers": rules})


def _differences(claimed: Verdict, derived: Verdict, file: str) -> Iterator[str]:
    if derived.exit_code != 0 and claimed.exit_code == 0:
        yield f"{file}: exit_code is 0, but the gates give {derived.exit_code}"
    here, there = encode(claimed), encode(derived)
    for value in (here, there):
        for name in _OF_SESSION:
            value.pop(name, None)
        for suite in value["suites"].values():
            for name in _OF_HISTORY:
                suite.pop(name, None)
            if suite["reruns"] is not None and suite["repeats"] is not None:
                for name in _OF_OUTPUTS:
                    suite["repeats"].pop(name, None)
    for place, one, other in _unequal(_plain(here), _plain(there), ""):
        yield f"{file}: {place} is {one}, but the run file and the gates give {other}"


def _plain(value: Any) -> Any:
    return jsonl.loads(to_bytes(value))


def _unequal(one: Any, other: Any, place: str) -> Iterator[tuple[str, str, str]]:
    """Yield the places at which two JSON values differ, with both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from _unequal(one.get(key), other.get(key), f"{place}.{key}" if place else key)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from _unequal(*pair, f"{place}[{number}]")
    elif isinstance(one, float) and isinstance(other, (int, float)):
        if not math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            yield place, str(one), str(other)
    elif one != other:
        yield place, jsonl.escape_text(str(one)[:80]), jsonl.escape_text(str(other)[:80])
