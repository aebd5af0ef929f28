"""Phrases that all reports share: the cells of the table of gates, the reason of the verdict, and the next steps."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.wording import (
    LISTED_FIRST,
    NO_BASELINE,
    OPTIONS,
    RETRY,
    STOPPED,
    count,
    first_few,
    interval,
    label_command,
    p_value,
    percent,
    points,
    usd,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.records.attempts import Repeats
    from pytest_evalgate.records.corrected import MeasuredChange
    from pytest_evalgate.records.covered import CoveredField
    from pytest_evalgate.records.verdicts import (
        Calls,
        Delta,
        GateChange,
        GateResult,
        SliceResult,
        SuiteVerdict,
        Verdict,
        VerdictName,
    )
    from pytest_evalgate.reports.view import ReportView, SuiteView

_WORDS: dict[VerdictName, str] = {
    "pass": "PASS",
    "fail": "FAIL",
    "inconclusive": "UNSURE",
    "incomplete": "INCOMPLETE",
    "not_evaluated": "NOT EVALUATED",
    "invalid": "INVALID",
}

_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")
_DIGITS: Final = 7
_CLAUSE_END: Final = re.compile(r"; |\. | \(")
_COMPLETE_COMMAND: Final = "pytest --eval-gate --eval-stop never"


def coverage(field: CoveredField) -> str:
    """Return how many wanted values of a field have a case, and which have none: ``lang: 2 of 3 values ...``."""
    wanted = len(field.values)
    text = f"{field.by}: {wanted - len(field.missing)} of {count(wanted, 'wanted value')} covered"
    if field.missing:
        text += f"; no case has {first_few(field.missing, 10)}"
    failed = [one.value for one in field.values if one.cases and one.passed < one.cases]
    return f"{text}; not every case passed of {first_few(failed, 10)}" if failed else text


def word(result: VerdictName) -> str:
    """Return the word for the result of a gate or a suite, short enough for a table column."""
    return _WORDS[result]


def run_word(verdict: VerdictName) -> str:
    """Return the word for the verdict of a run."""
    return "INCONCLUSIVE" if verdict == "inconclusive" else word(verdict)


def result_of(verdict: SuiteVerdict, gate: GateResult) -> str:
    """Return the word for the result of a gate, with a mark if the gate is advisory or could not have failed."""
    marks = [] if is_blocking(verdict) else ["advisory"]
    if gate.blind_below is not None:
        marks.append(f"blind below {_size(gate.blind_below)}" if gate.blind_below < 1 else "blind")
    return f"{word(gate.result)} ({', '.join(marks)})" if marks else word(gate.result)


def _size(share: float) -> str:
    """Format the size of a drop: ``80 pp``, ``12.5 pp``."""
    return f"{round(100 * share, 1):g} pp"


def is_blocking(verdict: SuiteVerdict) -> bool:
    """Return whether the gates of a suite can fail the build."""
    return verdict.mode == "blocking"


def gate_name(gate: GateResult) -> str:
    """Return the name of a gate: ``CI >= 85%``, ``must-pass billing``; it may contain text of the configuration."""
    if gate.kind == "pass-rate" and gate.required is not None:
        return f"{'CI' if gate.bound is not None else 'rate'} >= {100 * gate.required:g}%"
    if gate.kind == "violation-rate" and gate.required is not None:
        return f"violations <= {100 * gate.required:g}%"
    return f"{gate.kind} {gate.of}" if gate.of else gate.kind


def rate(verdict: SuiteVerdict) -> str:
    """Return ``221/240  92.1% (88.0-94.9)``, or the number of cases that ran if the pass rate is not known yet.

    A weighted rate is not that of the counts before it, and ends in ``weighted, n_eff 143``.
    """
    ended = verdict.accounting
    if verdict.stopped is not None:
        return f"{completed_part(verdict)} run"
    if _is_unanswered(verdict):
        return f"{ended.passed + ended.missed:,} answered, {ended.errored:,} missing"
    if ended.not_run:
        return f"{ended.passed:,} of {ended.passed + ended.missed + ended.errored:,} run passed"
    if verdict.pass_rate is None or verdict.interval is None:
        return "-"
    counted = f"{verdict.cases:,} x{verdict.trials}" if verdict.trials > 1 else f"{verdict.passed:,}/{verdict.cases:,}"
    n_eff = None if verdict.weighting is None else verdict.weighting.n_eff
    weighted = "" if n_eff is None else f" weighted, n_eff {n_eff:,.0f}"
    return f"{counted}  {share(verdict.pass_rate, verdict.interval)}{weighted}"


def slice_rate(piece: SliceResult) -> str:
    """Return the counts and the rate of a slice: ``166/178  93.3% (88.6-96.1)``."""
    weighted = "" if piece.n_eff is None else f" n_eff {piece.n_eff:,.0f}"
    return f"{piece.passed:,}/{piece.n:,}  {share(piece.pass_rate, piece.interval)}{weighted}"


def cost(calls: Calls) -> str:
    """Return the cost of the calls: ``US$0.31 plus 2 calls of unknown price``."""
    unknown = f" plus {count(calls.unknown_price, 'call')} of unknown price" if calls.unknown_price else ""
    if not calls.local:
        return f"{usd(calls.cost_usd)}{unknown}"
    own = local_calls(calls.local)
    return own if calls.local == calls.sent else f"{usd(calls.cost_usd)}{unknown} plus {own}"


def local_calls(number: int) -> str:
    """Return ``30 calls of your function (cost unknown)``. The costs of functions and commands are not measured."""
    return f"{count(number, 'call')} of your function (cost unknown)"


def sent(calls: Calls) -> str:
    """Return the cost and the number of the calls: ``US$0.31: 188 calls sent, 772 cached``."""
    number = "" if calls.local and calls.local == calls.sent else f": {count(calls.sent, 'call')} sent"
    return f"{cost(calls)}{number}, {calls.cached:,} cached"


def share(value: float, bounds: tuple[float, float]) -> str:
    """Format a share with its interval: ``92.1% (88.0-94.9)``."""
    return f"{percent(value)} ({interval(bounds)})"


def base(delta: Delta | None) -> str:
    """Return the baseline's pass rate in percent, without the sign."""
    return "-" if delta is None else f"{100 * delta.baseline_rate:.1f}"


@dataclass(frozen=True, slots=True)
class Numbers:
    """Line of numbers in the table of gates: pass rate, the baseline's pass rate, and the change between them.

    ``of`` is the scorer whose scores they summarise; "" for the cases that pass.
    """

    rate: str
    base: str
    change: str
    of: str = ""


def numbers(verdict: SuiteVerdict) -> tuple[Numbers, ...]:
    """Return the numbers of a suite: those of its cases, followed by the corrected ones if a judge decides.

    The baseline's rate and the raw change are those of the judge's verdicts, so they are not mixed with the corrected
    change: ``judged 55.0%, 68.8, -13.8 pp`` and ``corrected 52.1%, -, -15.5 pp``.
    """
    delta, known = verdict.delta, verdict.stopped is None and not _is_unanswered(verdict)
    raw = None if delta is None else delta.measured
    corrected = verdict.corrected if known else None
    if not known or (raw is None and corrected is None):
        return (Numbers(rate(verdict), base(delta), change(verdict)),)
    judged = "-" if delta is None else change_text(raw or delta)
    better = "-" if corrected is None else f"corrected {share(corrected.value, corrected.interval)}"
    return (
        Numbers(f"judged {rate(verdict)}", base(delta), judged),
        Numbers(better, "-", "-" if delta is None else f"{change_text(delta)} corrected"),
    )


def scorer_numbers(verdict: SuiteVerdict, gate: GateResult) -> Numbers | None:
    """Return the numbers of a gate on a scorer's scores: the means and their change; None for other gates."""
    delta = gate.delta
    if gate.kind != "no-regression" or not gate.of or delta is None:
        return None
    change_of = change_text(delta) if verdict.stopped is None else "-"
    return Numbers(f"mean {100 * (delta.baseline_rate + delta.delta):.1f}", base(delta), change_of, gate.of)


def all_numbers(verdict: SuiteVerdict) -> tuple[Numbers, ...]:
    """Return the numbers of a suite, then those of its gates on scores."""
    return (*numbers(verdict), *filter(None, (scorer_numbers(verdict, gate) for gate in verdict.gates)))


def suite_rows(verdict: SuiteVerdict) -> Iterator[tuple[Numbers | None, GateResult | None]]:
    """Yield the rows of a suite in the table of gates: its numbers beside its gates, and those of a scorer's gate."""
    waiting = list(numbers(verdict))
    for gate in verdict.gates:
        own = scorer_numbers(verdict, gate)
        if own is not None:
            yield from ((line, None) for line in waiting)
            waiting = []
        yield own or (waiting.pop(0) if waiting else None), gate
    yield from ((line, None) for line in waiting)


def change(verdict: SuiteVerdict) -> str:
    """Return the change with its bounds, ``-6.2 pp (-9.1..-3.4)``; for a stopped suite, the bound that is certain."""
    delta = verdict.delta
    if delta is None or _is_unanswered(verdict):
        return "-"
    if verdict.stopped is not None:
        return _change_bound(verdict, delta)
    return change_text(delta)


def change_text(delta: Delta | MeasuredChange) -> str:
    """Return a change with its one-sided bounds: ``-6.2 pp (-9.1..-3.4)``."""
    return f"{points(delta.delta)} ({100 * delta.lower:+.1f}..{100 * delta.upper:+.1f})"


def _is_unanswered(verdict: SuiteVerdict) -> bool:
    """Return whether the pass rate of the suite is unknown because outputs are missing."""
    return verdict.verdict == "incomplete" and bool(verdict.accounting.errored)


def _change_bound(verdict: SuiteVerdict, delta: Delta) -> str:
    """Return the bound of the change for every possible result of the cases that did not run."""
    return f"at {'most' if verdict.verdict == 'fail' else 'least'} {points(delta.delta)}"


def completed_part(verdict: SuiteVerdict) -> str:
    """Return the number of cases that ran: ``212 of 500 cases``; skipped cases do not count."""
    counts = verdict.accounting
    every = counts.planned - counts.skipped
    return f"{every - counts.not_run:,} of {count(every, 'case')}"


def slice_gates(pieces: Sequence[SliceResult], gates: Iterable[GateResult], tested: str) -> str:
    """Return how slices of one key are gated: ``tested`` for a test of their change, and what is required of them.

    That is their rate, or their gap below the cases outside of them.
    """
    limits = [(gate.of, gate.required) for gate in gates if gate.kind == "slice" and gate.required is not None]
    rates = [limit for of, limit in limits if of == pieces[0].by]
    gaps = [limit for of, limit in limits if of == f"{pieces[0].by} gap"]
    required = [f"rate >= {percent(max(rates))} gated"] if rates else []
    required += [f"gap <= {_size(min(gaps))} gated"] if gaps else []
    if any(piece.gated for piece in pieces):
        return "; ".join([tested, *required])
    return f"{'; '.join(required) or 'not gated'}, p not adjusted"


def slice_change(piece: SliceResult) -> tuple[str, str, str]:
    """Return the cells change, worse / better and p of a slice; p is Holm's if the slice is gated."""
    delta = piece.delta
    if delta is None:
        return "-", "-", "-"
    p = delta.p if delta.p_adjusted is None else delta.p_adjusted
    return points(delta.delta), f"{delta.losses:,} / {delta.gains:,}", p_value(p)


def trials_agreement(repeats: Repeats) -> str:
    """Return how far the trials of a case agree, and how much the suite's mean varies between runs; may be empty.

    Sample: ``all trials have the same output in 12.0% of the cases, the same answer in 88.0%; the mean varies by 0.8
    points (sd) from run to run``.
    """
    parts = []
    if repeats.raw_agreement is not None and repeats.parsed_agreement is not None:
        parts.append(
            f"all trials have the same output in {percent(repeats.raw_agreement)} of the cases, the same answer in "
            f"{percent(repeats.parsed_agreement)}"
        )
    if repeats.run_sd is not None:
        parts.append(f"the mean varies by {100 * repeats.run_sd:.1f} points (sd) from run to run")
    return "; ".join(parts)


def trend_warning(verdict: SuiteVerdict) -> str | None:
    """Return the message of the trend if it needs attention."""
    trend = verdict.trend
    return trend.message if trend is not None and (trend.alarm or "unusually" in trend.message) else None


def scorer_warnings(suite: SuiteView) -> Iterator[str]:
    """Yield a warning for each scorer that only warns: ``length missed 12 cases, first golden/faq.jsonl:3: ...``."""
    for one in suite.warned:
        scorer, _, why = one.text.partition(": ")
        text = f'{scorer} (severity = "warn") missed {count(one.count, "case")}, first {one.example}'
        yield f"{text}: {why}" if why else text


def weakest_first(changes: Sequence[GateChange]) -> list[GateChange]:
    """Return the changes in the gate by kind, weakenings first, and of these the kinds in ``LISTED_FIRST``."""
    return sorted(
        changes,
        key=lambda change: (
            change.effect != "weaker",
            LISTED_FIRST.index(change.what) if change.what in LISTED_FIRST else len(LISTED_FIRST),
            change.what,
            change.effect,
        ),
    )


def base_problem(problem: str) -> str:
    """Return the first line of every report of a pull request whose base branch could not be read."""
    return f"WHAT CHANGED IN THE GATE IS UNKNOWN: {problem}"


def count_gate_changes(changes: Sequence[GateChange]) -> str:
    """Return ``3 changes against the base branch, 1 of them weaker``."""
    weaker = sum(change.effect == "weaker" for change in changes)
    weak = f"{weaker:,}" if weaker else "none"
    return f"{count(len(changes), 'change')} against the base branch, {weak} of them weaker"


def reason(verdict: Verdict) -> str:
    """Return the reason of the verdict as one clause; it may contain text of users and models."""
    if verdict.problems:
        return _first_clause(verdict.problems[0])
    if verdict.refused is not None:
        return _first_clause(verdict.refused)
    changes = verdict.changed_in_gate or ()
    weakened = [one for one in changes if one.effect == "weaker" and one.acknowledged is None]
    if weakened and verdict.verdict == "fail":
        return f"this branch weakens the gate: {weakened[0].where} {weakened[0].what}"
    if verdict.verdict == "pass":
        return _all_passed(verdict)
    found = worst_gates(verdict, verdict.verdict)
    return _gate_reason(*found[0]) if found else "no case was selected"


def worst_gates(verdict: Verdict, result: VerdictName) -> list[tuple[str, SuiteVerdict, GateResult]]:
    """Return the blocking gates with ``result``, the worst first: cases that must pass, the largest drop, then minima.

    Drops are compared by the bound that is nearest to no change, so that a large drop of few cases does not come
    before a proven one; rates by their distance from the minimum. Gates that are equally bad keep their order.
    """
    found = [
        (name, suite, gate)
        for name, suite in verdict.suites.items()
        if is_blocking(suite)
        for gate in suite.gates
        if gate.result == result
    ]
    return sorted(found, key=lambda one: (_rank(one[2]), -_severity(one[1], one[2])))


def worst_suites(view: ReportView) -> list[SuiteView]:
    """Return the suites with the worst failed gates first, then the others, those that passed last."""
    failed = worst_gates(view.verdict, "fail")
    place = {name: number for number, (name, _, _) in reversed([*enumerate(failed)])}
    return sorted(view.suites, key=lambda one: (place.get(one.name, len(failed)), one.verdict.verdict == "pass"))


def _rank(gate: GateResult) -> int:
    """Return the rank of a gate: cases that must pass, then changes, then minima."""
    return 0 if gate.kind == "must-pass" else 1 if gate.delta is not None else 2


def _severity(suite: SuiteVerdict, gate: GateResult) -> float:
    """Return the share by which a gate fell short."""
    if gate.result == "incomplete":
        return suite.accounting.errored / max(suite.accounting.planned, 1)
    if gate.delta is not None:
        return -gate.delta.upper
    if gate.kind == "budget" or gate.required is None:
        return 0.0
    reached = gate.value if gate.bound is None or gate.result == "fail" else gate.bound
    return 0.0 if reached is None else abs(gate.required - reached)  # `required` is a minimum or a maximum


def _all_passed(verdict: Verdict) -> str:
    passed = {True: 0, False: 0}
    every = {True: 0, False: 0}
    for suite in verdict.suites.values():
        blocking = is_blocking(suite)
        every[blocking] += len(suite.gates)
        passed[blocking] += sum(gate.result == "pass" for gate in suite.gates)
    text = f"{passed[True]} of {count(every[True], 'gate')}"
    return text if not every[False] else f"{text}; {passed[False]} of {every[False]} advisory, which never block"


def _gate_reason(name: str, suite: SuiteVerdict, gate: GateResult) -> str:
    delta, failed = gate.delta or suite.delta, gate.result == "fail"
    if gate.message.startswith(NO_BASELINE):
        return f"{name}: {NO_BASELINE}"
    if gate.result == "incomplete":
        return f"{name}: {suite.accounting.errored:,} of {suite.accounting.planned:,} unanswered"
    below = ""
    if gate.kind == "pass-rate" and failed and gate.value is not None and gate.required is not None:
        below = f"{percent(gate.value)} < {100 * gate.required:g}%"
    if suite.stopped is not None:
        bound = f"at most {below}" if below else gate.kind
        if gate.kind == "no-regression" and failed and delta is not None:
            bound = _change_bound(suite, delta)
        return f"{name} {bound} after {completed_part(suite)}"
    if gate.kind == "no-regression" and failed and delta is not None:
        changed = f"{points(delta.delta)}: {delta.losses:,} worse, {delta.gains:,} better"
        which = f"{name}, {gate.of}" if gate.of else name
        return f"{which} {changed} vs {_short_source(delta.baseline)}"
    return f"{name} {below}" if below else f"{name}: {_first_clause(gate.message).removesuffix(' this gate')}"


def _short_source(source: str) -> str:
    """Return the short name of a baseline: its file name, or its branch or abbreviated commit."""
    kind, _, where = source.partition(":")
    if kind == "git":
        return f"git:{where[:_DIGITS]}" if _COMMIT.fullmatch(where) else source
    return where.rpartition("/")[2] if kind == "file" else source


def _first_clause(text: str) -> str:
    """Return the first clause of a message; reports print the whole message elsewhere."""
    return _CLAUSE_END.split(" ".join(text.split()))[0]


def may_retry(verdict: SuiteVerdict) -> bool:
    """Return whether another run without any change may decide an incomplete suite."""
    return any(RETRY in gate.message for gate in verdict.gates if gate.result == "incomplete")


def exit_note(verdict: Verdict, notes: Iterable[str] = ()) -> str:
    """Return the exit code, with its meaning if the verdict alone does not explain it."""
    code, name = verdict.exit_code, verdict.verdict
    if name == "incomplete" and any(note.startswith(STOPPED) for note in notes):
        return f"exit {code}: the run was stopped, see above"
    if name == "incomplete":
        suites = [suite for suite in verdict.suites.values() if is_blocking(suite) and suite.verdict == name]
        helps = all(map(may_retry, suites))
        return f"exit {code}: {RETRY}, not the prompt" if helps else f"exit {code}: fix the reasons first, see above"
    if name == "inconclusive" and NO_BASELINE not in reason(verdict):
        return f'exit {code}; on_inconclusive = "{"fail" if code else "warn"}"'
    if name == "pass" and code:
        return f"exit {code}: set by pytest, the gates passed"
    return f"exit {code}"


@dataclass(frozen=True, slots=True)
class NextStep:
    """A command that a reader can run next, and its purpose."""

    why: str
    command: str


def next_steps(view: ReportView) -> tuple[NextStep, ...]:
    """Return the next steps of all suites that did not pass."""
    options = dict(view.facts).get(OPTIONS, "")
    return tuple(step for suite in view.suites for step in suite_steps(suite, options))


def suite_steps(suite: SuiteView, options: str = "") -> Iterator[NextStep]:
    """Yield the next steps of a suite that did not pass; ``options`` are the command line options of its run."""
    name = shlex.quote(suite.name)
    failed = {gate.kind for gate in suite.verdict.gates if gate.result == "fail"}
    if suite.verdict.accounting.unscored:
        yield NextStep("label outputs, then calibrate", label_command(suite.name))
    if failed:
        yield NextStep("look", look_command(suite.name, options))
    if "no-regression" in failed and suite.regressed:
        first = "" if suite.verdict.stopped is None else f"{_COMPLETE_COMMAND}; "
        yield NextStep("accept on purpose", f'{first}pytest-evalgate baseline promote --suite {name} --reason "..."')
    if any(gate.result == "inconclusive" and not gate.message.startswith(NO_BASELINE) for gate in suite.verdict.gates):
        yield NextStep("cases needed", f"pytest-evalgate power {name}")


def look_command(name: str, options: str = "") -> str:
    """Return the command that runs a suite again and shows its missed cases in full."""
    return f"pytest --eval-gate --eval-fail-cases -k {shlex.quote(name)}{options and f' {options}'}"


def compare_command(name: str, verdict: SuiteVerdict, *, regressed: bool = False) -> str:
    """Return the command that lists the cases of a suite next to those of its baseline."""
    kind, _, where = ("", "", "") if verdict.delta is None else verdict.delta.baseline.partition(":")
    against = {"file": where, "git": f"git:{where[:_DIGITS] if _COMMIT.fullmatch(where) else where}"}.get(kind)
    side = [] if against is None else [shlex.quote(against)]
    only = ["--regressed"] if regressed else []
    return " ".join(["pytest-evalgate compare", *side, "--suite", shlex.quote(name), *only])
