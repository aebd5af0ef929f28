"""JUnit report: the verdict, every gate and every case as a test. A gate can fail the build, a case never does.

A missed case is a passed test with its outcome as a property, because its gates decide whether the miss matters.
A case without a result is a skipped test.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.metric_tables import gated_figures
from pytest_evalgate.text.escape import xml_attribute, xml_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_evalgate.records.verdicts import GateResult, VerdictName
    from pytest_evalgate.reports.view import CaseView, ReportView, SuiteView

_Result = Literal["passed", "failure", "error", "skipped"]

_RESULTS: Final[Mapping[VerdictName, _Result]] = {"pass": "passed", "fail": "failure", "inconclusive": "skipped"}


@dataclass(frozen=True, slots=True)
class _Test:
    suite: str
    name: str
    result: _Result
    message: str = ""
    properties: tuple[tuple[str, str], ...] = ()
    file: str = ""
    line: int = 0
    seconds: float = 0.0


def render_junit(view: ReportView) -> Iterator[str]:
    """Render the document in pieces.

    ::

        <testsuite name="support-faq" tests="242" failures="1" errors="0" skipped="0">
        <testcase classname="evalgate.support-faq" name="gate: no-regression" time="0.000">...<failure ...></testcase>
        <testcase classname="evalgate.support-faq" name="refund-001" file="golden/faq.jsonl" line="1" time="0.412">...

    The cases are read twice, because a suite starts with the number of its tests.
    """
    build, results = _build_test(view), Counter((case.suite, _case_result(case)) for case in _own(view.cases))
    suites = {suite.name: [_gate_test(view, suite, gate) for gate in suite.verdict.gates] for suite in view.suites}
    for tests in (*suites.values(), [build]):
        results.update((test.suite, test.result) for test in tests)
    yield f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites name="evalgate"{_totals(results)}>\n'
    yield from _suite(build.suite, results, [build])
    for name, cases in groupby(_own(view.cases), key=attrgetter("suite")):
        yield from _suite(name, results, suites.pop(name, []), map(_case_test, cases))
    for name, tests in suites.items():
        yield from _suite(name, results, tests)
    yield "</testsuites>\n"


def _own(cases: Iterable[CaseView]) -> Iterator[CaseView]:
    """Leave out the cases that only the baseline has."""
    return (case for case in cases if case.change != "removed")


def _build_test(view: ReportView) -> _Test:
    """Return the verdict of the run as a test; it fails whenever the exit code is not 0."""
    verdict = view.verdict
    result: _Result = "passed" if not verdict.exit_code else _RESULTS.get(verdict.verdict, "error")
    if verdict.exit_code and result in {"passed", "skipped"}:
        result = "failure"
    unknown = {} if verdict.base_problem is None else {"base": phrases.base_problem(verdict.base_problem)}
    facts = {
        **unknown,
        "run": verdict.run_id,
        "tier": verdict.tier,
        "commit": verdict.commit or "",
        **dict(view.facts),
        **{
            f"metric.{suite.name}.{name}": value
            for suite in view.suites
            for name, value in gated_figures(suite.verdict)
        },
    }
    exit_note = phrases.exit_note(verdict, view.notes)
    message = f"{phrases.run_word(verdict.verdict)}: {phrases.reason(verdict)} ({exit_note})"
    properties = tuple((f"evalgate.{name}", value) for name, value in facts.items())
    return _Test("eval gate", "verdict", result, message, properties)


def _gate_test(view: ReportView, suite: SuiteView, gate: GateResult) -> _Test:
    """Return a gate as a test: an advisory gate cannot fail; an inconclusive gate fails if it fails the build."""
    result = _RESULTS.get(gate.result, "error")
    if result == "skipped" and view.verdict.exit_code and view.verdict.verdict == "inconclusive":
        result = "failure"
    if not phrases.is_blocking(suite.verdict) and result != "skipped":
        result = "passed"
    properties = (
        ("evalgate.result", phrases.result_of(suite.verdict, gate)),
        ("evalgate.message", gate.message),
    )
    return _Test(suite.name, f"gate: {phrases.gate_name(gate)}", result, gate.message, properties)


def _case_test(case: CaseView) -> _Test:
    message = case.reason or case.outcome.replace("_", " ")
    duration = sum(trial.latency_s or 0.0 for trial in case.trials)
    properties, place = tuple(_case_properties(case)), case.place
    return _Test(case.suite, case.id, _case_result(case), message, properties, place.file, place.line, duration)


def _case_result(case: CaseView) -> _Result:
    return "passed" if case.outcome in {"passed", "missed"} else "skipped"


def _case_properties(case: CaseView) -> Iterator[tuple[str, str]]:
    yield "evalgate.outcome", case.outcome
    if case.change:
        yield "evalgate.change", case.change
    if case.value is not None:
        yield "evalgate.value", f"{case.value:.6g}"
    if case.before is not None:
        yield "evalgate.before", f"{case.before:.6g}"
    if case.reason:
        yield "evalgate.reason", case.reason
    if case.tags:
        yield "evalgate.tags", ", ".join(case.tags)
    yield from ((f"evalgate.slice.{by}", value) for by, value in case.slices)
    for score in (score for trial in case.trials for score in trial.scores if score.value is not None):
        yield f"evalgate.score.{score.name}", f"{score.value:.6g}"


def _suite(
    name: str, results: Counter[tuple[str, _Result]], tests: Iterable[_Test], cases: Iterable[_Test] = ()
) -> Iterator[str]:
    own = Counter({key: number for key, number in results.items() if key[0] == name})
    yield f"<testsuite name={xml_attribute(name)}{_totals(own)}>\n"
    yield from map(_element, tests)
    yield from map(_element, cases)
    yield "</testsuite>\n"


def _totals(results: Counter[tuple[str, _Result]]) -> str:
    by_result: Counter[str] = Counter()
    for (_, result), number in results.items():
        by_result[result] += number
    counts = {
        "tests": by_result.total(),
        "failures": by_result["failure"],
        "errors": by_result["error"],
        "skipped": by_result["skipped"],
    }
    return "".join(f' {name}="{number}"' for name, number in counts.items())


def _element(test: _Test) -> str:
    names = f"classname={xml_attribute(f'evalgate.{test.suite}')} name={xml_attribute(test.name)}"
    place = f' file={xml_attribute(test.file)} line="{test.line}"' if test.file else ""
    inside = "".join(
        f"<property name={xml_attribute(key)} value={xml_attribute(value)}/>" for key, value in test.properties
    )
    properties = f"<properties>{inside}</properties>" if inside else ""
    return f'<testcase {names}{place} time="{test.seconds:.3f}">{properties}{_outcome(test)}</testcase>\n'


def _outcome(test: _Test) -> str:
    if test.result == "passed":
        return ""
    message = xml_attribute(test.message)
    if test.result == "skipped":
        return f"<skipped message={message}/>"
    return f'<{test.result} type="evalgate" message={message}>{xml_text(test.message)}</{test.result}>'
