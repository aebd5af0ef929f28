"""What stands in the cells of a table of suites and gates, in whichever report."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.gates.decide import NO_BASELINE
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import wrap_lines
from pytest_evalgate.text.wording import OPTIONS, STOPPED, count, percent, points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.records.results import Delta, GateChange, GateResult, SuiteVerdict, VerdictName
    from pytest_evalgate.reports.view import ReportView, SuiteView
    from pytest_evalgate.text.layout import Line

COMPLETE_COMMAND: Final = "pytest --eval-gate --eval-stop never"
"""The command that sends what a stopped run left out."""


def stopped_lines(name: str, verdict: SuiteVerdict, width: int) -> Iterator[Line]:
    """Return the lines that say after which case a suite stopped, and how many calls that saved: one a case."""
    if verdict.stopped is not None:
        saved = f"{count(verdict.accounting.not_run, 'call')} saved"
        text = f"  {one_line(name)} stopped after {completed_part(verdict)}: its verdict was certain ({saved})"
        yield from wrap_lines(text, width)


def completed_part(verdict: SuiteVerdict) -> str:
    """Say how many of the cases have run."""
    counts = verdict.accounting
    every = counts.planned - counts.skipped
    return f"{every - counts.not_run:,} of {count(every, 'case')}"


def change_at_least(verdict: SuiteVerdict, delta: Delta) -> str:
    """Say on which side of ``delta`` the change lies, wherever the missing cases would have put it."""
    return f"at {'most' if verdict.verdict == 'fail' else 'least'} {points(delta.delta)}"


def stopped_reason(verdict: SuiteVerdict, gate: GateResult) -> str:
    """Say in one clause why a gate does not pass."""
    told, failed = str(gate.kind), gate.result == "fail"
    if gate.kind == "no-regression" and failed and verdict.delta is not None:
        told = change_at_least(verdict, verdict.delta)
    if gate.kind == "pass-rate" and failed and gate.value is not None and gate.required is not None:
        told = f"at most {percent(gate.value)} < {100 * gate.required:g}%"
    return f"{told} after {completed_part(verdict)}"


_WORDS: dict[VerdictName, str] = {
    "pass": "PASS",
    "fail": "FAIL",
    "inconclusive": "UNSURE",
    "incomplete": "INCOMPLETE",
    "not_evaluated": "NOT EVALUATED",
    "invalid": "INVALID",
}


def word(result: VerdictName) -> str:
    """Name what a gate or a suite says."""
    return _WORDS[result]


def result_of(verdict: SuiteVerdict, gate: GateResult) -> str:
    """Name what a gate says, and whether it blocks."""
    return word(gate.result) + ("" if is_blocking(verdict) else " (advisory)")


def is_blocking(verdict: SuiteVerdict) -> bool:
    """Tell whether the gates of a suite can fail the build."""
    return verdict.mode == "blocking"


def rate(verdict: SuiteVerdict) -> str:
    """Write the pass rate with its counts and its interval; how much has run, or was answered, where it is unknown."""
    if verdict.stopped is not None:
        return f"{completed_part(verdict)} run"
    if _is_unanswered(verdict):
        ended = verdict.accounting
        return f"{ended.passed + ended.missed:,} answered, {ended.errored:,} without"
    if verdict.accounting.not_run:
        ended = verdict.accounting
        return f"{ended.passed:,} of {ended.passed + ended.missed + ended.errored:,} run passed"
    if verdict.pass_rate is None or verdict.interval is None:
        return "-"
    counted = f"{verdict.cases:,} x{verdict.trials}" if verdict.trials > 1 else f"{verdict.passed:,}/{verdict.cases:,}"
    return f"{counted}  {share(verdict.pass_rate, verdict.interval)}"


def share(value: float, interval: tuple[float, float]) -> str:
    """Write a share with its interval: ``92.1% (88.0-94.9)``."""
    return f"{percent(value)} ({100 * interval[0]:.1f}-{100 * interval[1]:.1f})"


def base(delta: Delta | None) -> str:
    """Write the baseline's rate in percent, without the sign."""
    return "-" if delta is None else f"{100 * delta.baseline_rate:.1f}"


def change(verdict: SuiteVerdict) -> str:
    """Write the change with its bounds."""
    delta = verdict.delta
    if delta is None or _is_unanswered(verdict):
        return "-"
    if verdict.stopped is not None:
        return change_at_least(verdict, delta)
    return f"{points(delta.delta)} ({100 * delta.lower:+.1f}..{100 * delta.upper:+.1f})"


def _is_unanswered(verdict: SuiteVerdict) -> bool:
    """Tell whether too many answers are missing to say anything of the suite."""
    return verdict.verdict == "incomplete" and bool(verdict.accounting.errored)


def gate_name(gate: GateResult) -> str:
    """Name a gate by its kind, its minimum and what it is of; what it is of is the user's own text."""
    if gate.kind == "pass-rate" and gate.required is not None:
        return f"{'CI' if gate.bound is not None else 'rate'} >= {100 * gate.required:g}%"
    return f"{gate.kind} {gate.of}" if gate.of else gate.kind


_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")
_DIGITS: Final = 7

_CLAUSE_END: Final = re.compile(r"; |\. | \(")


@dataclass(frozen=True, slots=True)
class NextStep:
    """What a reader can do next: why, and the command that does it."""

    why: str
    command: str


def run_word(verdict: VerdictName) -> str:
    """Name a run's verdict."""
    return "INCONCLUSIVE" if verdict == "inconclusive" else word(verdict)


def reason(view: ReportView) -> str:
    """Say in a clause why the verdict is what it is; it may hold text of the user's and of models."""
    verdict = view.verdict
    if verdict.problems:
        return _clause(verdict.problems[0])
    if verdict.refused is not None:
        return _clause(verdict.refused)
    weakened = [change for change in verdict.changed_in_gate if _is_unacknowledged(change)]
    if weakened and verdict.verdict == "fail":
        return f"this branch weakens the gate: {weakened[0].where} {weakened[0].what}"
    if verdict.verdict == "pass":
        return _all_passed(view)
    gates = ((suite, gate) for suite in _blocking(view) for gate in suite.verdict.gates)
    reasons = (_gate_reason(suite, gate) for suite, gate in gates if gate.result == verdict.verdict)
    return next(reasons, "no case was selected")


def exit_note(view: ReportView) -> str:
    """Say what the exit code is, and what it means where the verdict does not say so."""
    code, verdict = view.verdict.exit_code, view.verdict.verdict
    if verdict == "incomplete" and any(note.startswith(STOPPED) for note in view.notes):
        return f"exit {code}: the run was stopped, see above"
    if verdict == "incomplete":
        return f"exit {code}: retry the job, not the prompt"
    if verdict == "inconclusive" and NO_BASELINE not in reason(view):
        return f'exit {code}; on_inconclusive = "{"fail" if code else "warn"}"'
    if verdict == "pass" and code:
        return f"exit {code}: pytest's own, the gates passed"
    return f"exit {code}"


def next_steps(view: ReportView) -> tuple[NextStep, ...]:
    """Say what to do about what did not pass, suite by suite."""
    options = dict(view.facts).get(OPTIONS, "")
    return tuple(step for suite in view.suites for step in suite_steps(suite, options))


def compare_command(name: str, verdict: SuiteVerdict, *, regressed: bool = False) -> str:
    """Return the command that lists the cases of a suite beside those that it was compared with."""
    kind, _, where = ("", "", "") if verdict.delta is None else verdict.delta.baseline.partition(":")
    against = {"file": where, "git": f"git:{where[:_DIGITS] if _COMMIT.fullmatch(where) else where}"}.get(kind)
    side = [] if against is None else [shlex.quote(against)]
    only = ["--regressed"] if regressed else []
    return " ".join(["pytest-evalgate compare", *side, "--suite", shlex.quote(name), *only])


def suite_steps(suite: SuiteView, options: str = "") -> Iterator[NextStep]:
    """Say what to do about a suite that did not pass; ``options`` are those that its run was given."""
    name = shlex.quote(suite.name)
    failed = {gate.kind for gate in suite.verdict.gates if gate.result == "fail"}
    if failed:
        yield NextStep("look", f"pytest --eval-gate --eval-fail-cases -k {name}{options and f' {options}'}")
    if "no-regression" in failed and suite.regressed:
        first = "" if suite.verdict.stopped is None else f"{COMPLETE_COMMAND}, then "
        yield NextStep("accept on purpose", f'{first}pytest-evalgate baseline promote --suite {name} --reason "..."')
        if suite.verdict.delta is not None and suite.verdict.delta.baseline.startswith("git:"):
            yield NextStep("and answer for it", f'[[acknowledged]] change = "suites.{name}.baseline", reason, owner')
    if any(gate.result == "inconclusive" and not gate.message.startswith(NO_BASELINE) for gate in suite.verdict.gates):
        yield NextStep("how many cases it needs", f"pytest-evalgate power {name}")


def _blocking(view: ReportView) -> Iterator[SuiteView]:
    return (suite for suite in view.suites if is_blocking(suite.verdict))


def _is_unacknowledged(change: GateChange) -> bool:
    return change.effect == "weaker" and change.acknowledged is None


def _all_passed(view: ReportView) -> str:
    passed = {True: 0, False: 0}
    every = {True: 0, False: 0}
    for suite in view.suites:
        blocking = is_blocking(suite.verdict)
        every[blocking] += len(suite.verdict.gates)
        passed[blocking] += sum(gate.result == "pass" for gate in suite.verdict.gates)
    text = f"{passed[True]} of {count(every[True], 'gate')}"
    return text if not every[False] else f"{text}; {passed[False]} of {every[False]} advisory, which never block"


def _file_name(source: str) -> str:
    """Name a baseline shortly: by its file, or by the branch or the first digits of the commit that it stands at."""
    kind, _, where = source.partition(":")
    if kind == "git":
        return f"git:{where[:_DIGITS]}" if _COMMIT.fullmatch(where) else source
    return where.rpartition("/")[2] if kind == "file" else source


def _gate_reason(suite: SuiteView, gate: GateResult) -> str:
    delta = suite.verdict.delta
    if gate.message.startswith(NO_BASELINE):
        return f"{suite.name}: {NO_BASELINE}"
    if gate.result == "incomplete":
        counts = suite.verdict.accounting
        return f"{suite.name}: {counts.errored:,} of {counts.planned:,} unanswered"
    if suite.verdict.stopped is not None:
        return f"{suite.name} {stopped_reason(suite.verdict, gate)}"
    if gate.kind == "no-regression" and gate.result == "fail" and delta is not None:
        changed = f"{points(delta.delta)}: {delta.losses:,} worse, {delta.gains:,} better"
        return f"{suite.name} {changed} vs {_file_name(delta.baseline)}"
    if gate.kind == "pass-rate" and gate.result == "fail" and gate.value is not None and gate.required is not None:
        return f"{suite.name} {percent(gate.value)} < {100 * gate.required:g}%"
    return f"{suite.name}: {_clause(gate.message).removesuffix(' this gate')}"


def _clause(text: str) -> str:
    """Return what stands before the first advice or aside: the whole of it stands elsewhere in the report."""
    return _CLAUSE_END.split(" ".join(text.split()))[0]
