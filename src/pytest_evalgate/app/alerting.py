"""Events of a decided run: what changed, by how much, since which run, and what else changed since then."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.config import BudgetGate
from pytest_evalgate.errors import RunFileError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.trend import trend_of
from pytest_evalgate.judges.build import calibration_of, drift_of
from pytest_evalgate.judges.drift import drift_problem
from pytest_evalgate.records.alerts import Alert
from pytest_evalgate.reports import phrases
from pytest_evalgate.runs import kept, run_file
from pytest_evalgate.text.wording import count, percent, usd

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from pytest_evalgate.app.decide import RunDecider
    from pytest_evalgate.records.alerts import AlertKind
    from pytest_evalgate.records.results import Run
    from pytest_evalgate.records.verdicts import Calls, HistoryRow, Provenance, SuiteVerdict, Verdict

BUDGET_SHARE: Final = 0.8
"""Share of ``budget_usd`` from which the cost of a run is an event."""

_UNDECIDED: Final = frozenset({"incomplete", "invalid"})
_MOST_REASONS: Final = 3
_COMMIT_DIGITS: Final = 7
_PROMPT: Final = ", prompt "
"""Start of the prompt in the fact about a model as the target; see ``run_facts`` of the plugin."""


@dataclass(frozen=True, slots=True)
class _Point:
    """A run to compare with, as far as it is known."""

    run_id: str
    commit: str | None
    golden_sha256: str
    scorers_sha256: str

    @classmethod
    def of(cls, known: HistoryRow | Provenance) -> _Point:
        """Return the run of a row of the history, or of a baseline."""
        return cls(known.run_id, known.commit, known.golden_sha256, known.scorers_sha256)

    def __str__(self) -> str:
        """Return the run with its commit."""
        return f"run {self.run_id}" + (f" (commit {self.commit[:_COMMIT_DIGITS]})" if self.commit else "")


class AlertFinder:
    """Finder of the events of one decided run. ``with_reasons``: whether messages may quote reasons of cases."""

    def __init__(
        self, run: Run, facts: Mapping[str, str], verdict: Verdict, decider: RunDecider, *, with_reasons: bool = True
    ) -> None:
        """Read the past runs."""
        self._run, self._facts, self._verdict, self._decider = run, facts, verdict, decider
        self._with_reasons = with_reasons
        self._rows = decider.past

    def find(self, kinds: Collection[AlertKind]) -> tuple[Alert, ...]:
        """Return the events of these kinds."""
        finders: Mapping[AlertKind, Callable[[], Iterator[Alert]]] = {
            "fail": self._fail,
            "recovered": self._recovered,
            "trend": self._trend,
            "drift": self._drift,
            "stalled": self._stalled,
            "cost": self._cost,
        }
        return tuple(
            replace(alert, owner=self._owner(alert))
            for kind, find in finders.items()
            if kind in kinds
            for alert in find()
        )

    def _owner(self, alert: Alert) -> str:
        suite = None if alert.kind == "drift" else self._decider.suite_of(alert.subject)  # of a judge
        return (suite and suite.owner) or ""

    # -- the events

    def _fail(self) -> Iterator[Alert]:
        failing = {"fail"} if self._verdict.verdict == "fail" else set()
        if self._verdict.verdict == "inconclusive" and self._verdict.exit_code:
            failing = {"inconclusive"}  # on_inconclusive = "fail"
        for name, suite in self._verdict.suites.items():
            if suite.verdict not in failing or suite.mode == "advisory":
                continue
            what = "; ".join(gate.message for gate in suite.gates if gate.result == suite.verdict)
            since = self._last(name, lambda row: row.verdict == "pass") or self._baseline(name)
            yield Alert("fail", name, what, _amount(suite), _text(since), self._causes(name, since, self._own(name)))

    def _recovered(self) -> Iterator[Alert]:
        for name, suite in self._verdict.suites.items():
            before = self._before(name)
            if suite.verdict != "pass" or not before or before[-1].verdict != "fail":
                continue
            streak = len(before)
            while streak and before[streak - 1].verdict == "fail":
                streak -= 1
            last, first = before[-1], before[streak]
            what = f"passes after {count(len(before) - streak, 'failed run')}"
            known = suite.pass_rate is not None and not last.stopped  # the rate of a part would mislead
            now = f"{percent(last.pass_rate)} -> {percent(suite.pass_rate or 0.0)}" if known else ""
            causes = self._causes(name, _Point.of(last), self._own(name))
            yield Alert("recovered", name, what, now, str(_Point.of(first)), causes)

    def _trend(self) -> Iterator[Alert]:
        for name, suite in self._verdict.suites.items():
            trend, before = suite.trend, [row for row in self._before(name) if not row.stopped]
            if trend is None or not trend.alarm or self._was_alarmed(before):
                continue
            rows = [row for row in self._rows if row.suite == name and not row.stopped]
            at = next((place for place, row in enumerate(rows) if row.run_id == trend.since), 0)
            start = _Point.of(rows[at]) if rows else None
            earlier = _Point.of(rows[at - 1]) if at else None
            low = percent(trend.level)
            amount = "" if suite.pass_rate is None else f"{percent(suite.pass_rate)}, usually {low}"
            yield Alert("trend", name, trend.message, amount, _text(start), self._causes(name, earlier, start))

    def _was_alarmed(self, before: Sequence[HistoryRow]) -> bool:
        """Return whether the run before this one already had the alarm: an alarm is reported once."""
        trend = trend_of(before[:-1], before[-1]) if before else None
        return trend is not None and trend.alarm

    def _drift(self) -> Iterator[Alert]:
        settings = self._decider.settings
        suites = (self._decider.suite_of(name) for name in self._verdict.suites)
        ran = {judge for suite in suites if suite is not None for judge in suite.judges}
        for name in sorted(ran):
            judge, root = settings.judges[name], self._decider.judge_root(name)
            with contextlib.suppress(UserError):  # an unreadable record is a problem of the run already
                calibration = calibration_of(judge, root=root)
                problem = drift_problem(drift_of(judge, root=root), calibration)
                if problem is not None and calibration is not None:
                    since = f"the calibration of {calibration.created[:10]}"
                    model = settings.models[judge.model].model
                    yield Alert("drift", name, problem, "", since, (f"judge: {model} grades differently",))

    def _stalled(self) -> Iterator[Alert]:
        verdict = self._verdict
        if verdict.verdict not in _UNDECIDED and verdict.refused is None:
            return
        counts = verdict.accounting
        missing = counts.errored + counts.not_run
        amount = f"{missing:,} of {count(counts.planned, 'case')} without a result" if missing else ""
        earlier = [row for row in self._rows if row.run_id != self._run.id]
        since = str(_Point.of(earlier[-1])) if earlier else ""
        yield Alert("stalled", "", phrases.reason(verdict), amount, since, tuple(self._reasons()))

    def _reasons(self) -> Iterator[str]:
        """Yield the most frequent reasons of the cases without a result."""
        if not self._with_reasons:
            return
        reasons = Counter(
            result.reason
            for suite in self._run.suites
            for result in suite.results
            if result.outcome == "errored" and result.reason
        )
        for reason, number in reasons.most_common(_MOST_REASONS):
            yield f"{count(number, 'case')}: {reason}"

    def _cost(self) -> Iterator[Alert]:
        spent, budget = self._verdict.calls.cost_usd, self._decider.settings.budget_usd
        if budget is not None and spent >= BUDGET_SHARE * budget and spent:
            yield self._costly("", "the run used most of budget_usd", f"{usd(spent)} of {usd(budget)}")
        for name, suite in self._verdict.suites.items():
            configured = self._decider.suite_of(name)
            gates = () if configured is None else configured.gates or ()
            limits = {gate.max_cost_usd for gate in gates if isinstance(gate, BudgetGate)}
            for gate in suite.gates:
                if gate.kind == "budget" and gate.result == "fail" and gate.required in limits:
                    amount = "" if gate.value is None else f"{usd(gate.value)}, at most {usd(gate.required or 0.0)}"
                    yield self._costly(name, gate.message, amount)

    def _costly(self, name: str, what: str, amount: str) -> Alert:
        rows = [row for row in self._rows if row.run_id != self._run.id and name in ("", row.suite)]
        since = _Point.of(rows[-1]) if rows else None
        causes = [] if since is None else [*self._calls_since(since)]
        return Alert("cost", name, what, amount, _text(since), tuple(causes))

    def _calls_since(self, since: _Point) -> Iterator[str]:
        """Yield the change of the run's calls, if the earlier verdict is still stored."""
        folder = kept.RunFolder(run_file.path_of(self._decider.state, since.run_id).parent)
        with contextlib.suppress(RunFileError):
            before, now = kept.read(folder.verdict_file).calls, self._verdict.calls
            yield f"{_calls(now)} (before: {_calls(before)})"

    # -- what they are compared with

    def _before(self, name: str) -> list[HistoryRow]:
        rows = [row for row in self._rows if row.suite == name]
        ids = [row.run_id for row in rows]
        return rows[: ids.index(self._run.id)] if self._run.id in ids else rows

    def _last(self, name: str, fits: Callable[[HistoryRow], bool]) -> _Point | None:
        return next((_Point.of(row) for row in reversed(self._before(name)) if fits(row)), None)

    def _baseline(self, name: str) -> _Point | None:
        baseline = self._decider.baselines.get(name)
        return None if baseline is None else _Point.of(baseline.provenance)

    def _own(self, name: str) -> _Point | None:
        row = next((row for row in self._rows if row.suite == name and row.run_id == self._run.id), None)
        if row is not None:
            return _Point.of(row)
        plan = next((suite.plan for suite in self._run.suites if suite.plan.name == name), None)
        return (
            None if plan is None else _Point(self._run.id, self._run.commit, plan.golden_sha256, plan.scorers_sha256)
        )

    # -- what else changed

    def _causes(self, name: str, before: _Point | None, now: _Point | None) -> tuple[str, ...]:
        """Return what differs between two runs, in the order of the runbooks."""
        if before is None or now is None:
            return ()
        old, new = self._facts_of(before), self._facts_of(now)
        found = [
            *(["data: the golden set changed"] if before.golden_sha256 != now.golden_sha256 else []),
            *self._other_models(name, now),
            *_target_changes(old.get(f"{name}: target"), new.get(f"{name}: target")),
            *_judge_changes(name, old, new),
            *(["judge: scorers or their judges changed"] if before.scorers_sha256 != now.scorers_sha256 else []),
            *_code_changes(before, now),
        ]
        if found:
            return tuple(found)
        if not old or not new:
            return (f"unknown: the run file of {before if not old else now} is not stored here",)
        return ("nothing that a run records changed: chance, or a provider changed a model without a new name",)

    def _facts_of(self, point: _Point) -> Mapping[str, str]:
        if point.run_id == self._run.id:
            return self._facts
        return run_file.read_facts(run_file.path_of(self._decider.state, point.run_id))

    def _other_models(self, name: str, now: _Point) -> Iterator[str]:
        if now.run_id == self._run.id:
            for other in self._verdict.suites[name].other_models:
                yield f"model: {other.served} replied in place of {other.asked} ({other.purpose})"


def _amount(suite: SuiteVerdict) -> str:
    change = phrases.change(suite)
    if change != "-":
        return change
    return "" if suite.pass_rate is None else f"pass rate {percent(suite.pass_rate)}"


def _text(point: _Point | None) -> str:
    return "" if point is None else str(point)


def _target_changes(old: str | None, new: str | None) -> Iterator[str]:
    """Yield the changes of a target: of the model, and of the prompt."""
    if old is None or new is None or old == new:
        return
    (model, _, prompt), (new_model, _, new_prompt) = old.partition(_PROMPT), new.partition(_PROMPT)
    if model != new_model:
        yield f"model: {model} -> {new_model}"
    if prompt != new_prompt:
        yield f"prompt: {prompt or 'none'} -> {new_prompt or 'none'}"


def _judge_changes(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    prefix = f"{name}: judge "
    for key in sorted({*old, *new}):
        if key.startswith(prefix) and key in old and key in new and old[key] != new[key]:
            yield f"judge: {key.removeprefix(prefix)}: {old[key]} -> {new[key]}"


def _code_changes(before: _Point, now: _Point) -> Iterator[str]:
    if before.commit and now.commit and before.commit != now.commit:
        yield f"code: commit {before.commit[:_COMMIT_DIGITS]} -> {now.commit[:_COMMIT_DIGITS]}"


def _calls(calls: Calls) -> str:
    tokens = f"{calls.tokens_in + calls.tokens_out:,} tokens"
    return f"{usd(calls.cost_usd)}, {calls.sent:,} sent, {calls.cached:,} cached, {tokens}"
