"""What a GitHub runner is told: annotations on the golden set's lines, the step's outputs and its summary.

Nothing is asked of GitHub itself, and no token is used: a runner reads all of this from the log and from two files.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.markdown import render_summary
from pytest_evalgate.reports.view import MAX_DETAILED, on_github, truncate
from pytest_evalgate.text.escape import format_command, one_line
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_evalgate.records.results import Place
    from pytest_evalgate.reports.view import Links, ReportView, SuiteView

_MOST: Final = 9
_TEXT: Final = 400
_SUMMARY_LIMIT: Final = 1 << 20  # bytes; GitHub shows nothing of a step that has written more
_NO_KEYS: Final = Redactor()


@dataclass(frozen=True, slots=True)
class _Annotation:
    """A remark on a line of the golden set, or on the job where it has no place."""

    name: str
    title: str
    text: str
    place: Place | None = None


def annotate(view: ReportView) -> tuple[str, ...]:
    """Return workflow commands: why the build fails, the cases of gates that failed, what no gate can decide.

    A runner shows ten of a step and drops the others without a word: the tenth says how many those are.
    """
    found = [*_of_verdict(view), *chain.from_iterable(map(_of_suite, view.suites))]
    found.sort(key=lambda one: one.name != "error")
    lines = [_command(one, view.links) for one in found[:_MOST]]
    if len(found) > _MOST:
        least = "at least " if any(len(suite.details) >= MAX_DETAILED for suite in view.suites) else ""
        lines.append(format_command(found[_MOST].name, f"and {least}{len(found) - _MOST:,} more, see summary"))
    return tuple(lines)


def outputs(view: ReportView, delimiter: str) -> str:
    """Return what a step says to later ones, as the file behind ``GITHUB_OUTPUT`` holds it.

    ``pass_rate`` and ``delta`` are shares: a number where the run has one suite, else a JSON object by suite.

    Args:
        view: The run.
        delimiter: Ends a value; must be one that no value can hold as a line of its own.

    """
    verdict = view.verdict
    deltas = {suite.name: suite.verdict.delta for suite in view.suites}
    values = {
        "verdict": verdict.verdict,
        "exit_code": str(verdict.exit_code),
        "pass_rate": _shares({suite.name: suite.verdict.pass_rate for suite in view.suites}),
        "delta": _shares({name: None if delta is None else delta.delta for name, delta in deltas.items()}),
        "cost_usd": f"{verdict.calls.cost_usd:.6f}",
        "report_path": view.report_file or "",
    }
    return "".join(f"{name}<<{delimiter}\n{value}\n{delimiter}\n" for name, value in values.items())


def write_github(
    view: ReportView,
    environ: Mapping[str, str],
    print_line: Callable[[str], None],
    redactor: Redactor = _NO_KEYS,
) -> None:
    """Tell the runner about a run; on any other machine, do nothing.

    Args:
        view: The run.
        environ: The environment, which says whether and where to write.
        print_line: Prints a line of the log; a file that cannot be written is one line there, and no error.
        redactor: Takes out keys.

    """
    if not on_github(environ):
        return
    for line in annotate(view):
        print_line(redactor.redact(line))
    texts = {
        "GITHUB_STEP_SUMMARY": (render_summary(view), _SUMMARY_LIMIT),
        "GITHUB_OUTPUT": (outputs(view, f"evalgate-{secrets.token_hex(16)}"), None),
    }
    for variable, (text, limit) in texts.items():
        if environ.get(variable):
            for problem in _append(Path(environ[variable]), redactor.redact(text).encode(), limit):
                print_line(one_line(f"evalgate: {variable} is not written: {problem}"))


def _append(path: Path, data: bytes, limit: int | None) -> Iterator[str]:
    """Append to a file, and yield why not."""
    try:
        with path.open("ab") as file:
            if limit is not None and file.tell() + len(data) > limit:
                yield f"{path} holds {file.tell():,} bytes of {limit:,} already: run other steps apart"
                return
            file.write(data)
    except (OSError, ValueError) as error:
        yield f"{path}: {error}"


def _shares(by_suite: Mapping[str, float | None]) -> str:
    values = {name: None if share is None else round(share, 6) for name, share in by_suite.items()}
    if len(values) != 1:
        return json.dumps(values)
    [value] = values.values()
    return "" if value is None else json.dumps(value)


def _command(one: _Annotation, links: Links | None) -> str:
    title, text = one_line(truncate(one.title, _TEXT)), one_line(truncate(one.text, _TEXT))
    if one.place is None:
        return format_command(one.name, text, title=title)
    folder = "" if links is None or not links.folder else f"{links.folder}/"
    return format_command(one.name, text, file=f"{folder}{one.place.file}", line=one.place.line, title=title)


def _of_verdict(view: ReportView) -> Iterator[_Annotation]:
    verdict = view.verdict.verdict
    if verdict not in {"pass", "inconclusive"}:
        yield _Annotation("error", f"eval gate: {phrases.run_word(verdict)}", phrases.reason(view))


def _of_suite(suite: SuiteView) -> Iterator[_Annotation]:
    """Annotate the cases of the gates that failed, and say what a gate cannot decide."""
    failed: set[str] = {gate.kind for gate in suite.verdict.gates if gate.result == "fail"}
    if failed:
        yield from _cases(suite, failed)
    for gate in suite.verdict.gates:
        if gate.result == "inconclusive":
            yield _Annotation("warning", f"{suite.name}: {phrases.gate_name(gate)}", gate.message)


def _cases(suite: SuiteView, failed: set[str]) -> Iterator[_Annotation]:
    name = "error" if phrases.is_blocking(suite.verdict) else "warning"
    regressed = suite.regressed if failed & {"no-regression", "slice"} else ()
    for case in regressed:
        yield _Annotation(name, f"{suite.name}: {case.id}", f"{case.before} -> {case.now}: {case.reason}", case.place)
    if failed - {"no-regression"}:
        told = {case.id for case in regressed}
        for shown in suite.details.values():
            if shown.outcome == "missed" and shown.id not in told:
                yield _Annotation(name, f"{suite.name}: {shown.id}", f"missed: {shown.reason}", shown.place)
