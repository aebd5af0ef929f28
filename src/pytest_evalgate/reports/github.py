"""GitHub Actions: annotations on lines of the golden set, the step's outputs and summary, and links to the repository.

No request is sent to GitHub and no token is used: the runner reads commands from the log, and two files.
"""

from __future__ import annotations

import json
import re
import secrets
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.markdown import render_summary
from pytest_evalgate.reports.view import Links, truncate
from pytest_evalgate.text.escape import format_command, one_line
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_evalgate.records.cases import Place
    from pytest_evalgate.reports.view import ReportView, SuiteView

_ANNOTATIONS: Final = 9  # GitHub shows ten for each step; the tenth gives the number of the others
_TEXT: Final = 400
_SUMMARY_LIMIT: Final = 1 << 20  # bytes; GitHub shows no summary of a step that has written more
_NO_KEYS: Final = Redactor()


def write_github(
    view: ReportView,
    environ: Mapping[str, str],
    print_line: Callable[[str], None],
    redactor: Redactor = _NO_KEYS,
) -> None:
    """Report a run to the GitHub runner; outside of GitHub Actions, do nothing.

    ``print_line`` prints a line of the log. A file that cannot be written is only reported there.
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
                print_line(one_line(f"evalgate: {variable} was not written: {problem}"))


def _append(path: Path, data: bytes, limit: int | None) -> Iterator[str]:
    """Append to a file, and yield the problem if that fails."""
    try:
        with path.open("ab") as file:
            if limit is not None and file.tell() + len(data) > limit:
                yield f"{path} already has {file.tell():,} of {limit:,} bytes: write other summaries in other steps"
                return
            file.write(data)
    except (OSError, ValueError) as error:
        yield f"{path}: {error}"


@dataclass(frozen=True, slots=True)
class _Annotation:
    """A message on a line of the golden set, or on the job if it has no place."""

    name: str
    title: str
    text: str
    place: Place | None = None


def annotate(view: ReportView) -> tuple[str, ...]:
    """Return workflow commands for an unreadable base, the verdict, the cases of failed gates, and inconclusive gates.

    ::

        ::error title=eval gate%3A FAIL::support-faq -6.2 pp: 19 worse, 4 better vs support-faq.json
        ::error file=golden_sets/support.jsonl,line=1,title=support-faq%3A refund-001::pass -> miss: exact: got ...
    """
    verdict = view.verdict.verdict
    annotations = [*_interleaved(map(_suite_annotations, phrases.worst_suites(view)))]
    if verdict not in {"pass", "inconclusive"}:
        title = f"eval gate: {phrases.run_word(verdict)}"
        annotations.insert(0, _Annotation("error", title, phrases.reason(view.verdict)))
    annotations.sort(key=lambda one: one.name != "error")
    if view.verdict.base_problem is not None:
        problem = phrases.base_problem(view.verdict.base_problem)
        annotations.insert(0, _Annotation("error", "eval gate: base branch not read", problem))
    lines = [_workflow_command(one, view.links) for one in annotations[:_ANNOTATIONS]]
    if len(annotations) > _ANNOTATIONS:
        more = f"and {len(annotations) - _ANNOTATIONS:,} more: see the summary of the job"
        lines.append(format_command(annotations[_ANNOTATIONS].name, more))
    return tuple(lines)


def _interleaved(groups: Iterable[Iterator[_Annotation]]) -> Iterator[_Annotation]:
    """Yield one annotation of each suite in turn: GitHub shows ten, which one suite would fill."""
    return (one for row in zip_longest(*groups) for one in row if one is not None)


def _suite_annotations(suite: SuiteView) -> Iterator[_Annotation]:
    """Yield the cases that changed, then the missed ones of a suite without a baseline, and inconclusive gates."""
    failed = {gate.kind for gate in suite.verdict.gates if gate.result == "fail"}
    name = "error" if phrases.is_blocking(suite.verdict) else "warning"
    regressed = suite.regressed if failed & {"no-regression", "slice"} else ()
    for row in regressed:
        yield _Annotation(name, f"{suite.name}: {row.id}", f"{row.before} -> {row.now}: {row.reason}", row.place)
    if failed - {"no-regression"}:
        annotated = {row.id for row in regressed}
        for row in suite.missed_cases:  # of those that missed in the baseline, too, a reviewer knows
            if row.before != row.now and row.id not in annotated:
                yield _Annotation(name, f"{suite.name}: {row.id}", f"missed: {row.reason}", row.place)
    for gate in suite.verdict.gates:
        if gate.result == "inconclusive":
            yield _Annotation("warning", f"{suite.name}: {phrases.gate_name(gate)}", gate.message)


def _workflow_command(one: _Annotation, links: Links | None) -> str:
    title, text = one_line(truncate(one.title, _TEXT)), one_line(truncate(one.text, _TEXT))
    if one.place is None:
        return format_command(one.name, text, title=title)
    folder = "" if links is None or not links.folder else f"{links.folder}/"
    return format_command(one.name, text, file=f"{folder}{one.place.file}", line=one.place.line, title=title)


def outputs(view: ReportView, delimiter: str) -> str:
    """Return the outputs of the step for later steps, in the format of the file ``GITHUB_OUTPUT``.

    ``pass_rate`` and ``delta`` are shares: a number if the run has one suite, else a JSON object by suite. The
    delimiter ends a value and must not be a line of one.
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


def _shares(by_suite: Mapping[str, float | None]) -> str:
    values = {name: None if share is None else round(share, 6) for name, share in by_suite.items()}
    if len(values) != 1:
        return json.dumps(values)
    [value] = values.values()
    return "" if value is None else json.dumps(value)


_REPOSITORY: Final = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_SERVER: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?")
_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")


def on_github(environ: Mapping[str, str]) -> bool:
    """Return whether this is a GitHub Actions job."""
    return environ.get("GITHUB_ACTIONS") == "true"


def links_of(environ: Mapping[str, str], root: Path) -> Links | None:
    """Return the addresses of the repository that is checked out at ``root``; None outside of GitHub Actions."""
    server, name = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY", "")
    event = _event(environ)
    commit = event.commit or environ.get("GITHUB_SHA", "")
    if not (_SERVER.fullmatch(server) and _REPOSITORY.fullmatch(name) and _COMMIT.fullmatch(commit)):
        return None
    number = event.run or environ.get("GITHUB_RUN_ID", "")
    run = f"{server}/{name}/actions/runs/{number}" if number.isdigit() else None
    return Links(f"{server}/{name}", commit, _folder_in_repository(environ.get("GITHUB_WORKSPACE"), root), run)


@dataclass(frozen=True, slots=True)
class _Event:
    """The commit and the run that a workflow is about, if they are not its own; "" for unknown ones."""

    commit: str = ""
    run: str = ""


def _event(environ: Mapping[str, str]) -> _Event:
    """Read the event of the workflow.

    ``GITHUB_SHA`` of a pull request is its merge commit, which no branch keeps. A workflow that comments after another
    one (``workflow_run``) has the commit of the default branch, and its own run has neither summary nor artifacts.
    """
    try:
        event = json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_bytes())
        if "workflow_run" in event:
            return _Event(_text(event["workflow_run"]["head_sha"]), str(int(event["workflow_run"]["id"])))
        return _Event(_text(event["pull_request"]["head"]["sha"]))
    except (KeyError, OSError, TypeError, ValueError):
        return _Event()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _folder_in_repository(workspace: str | None, root: Path) -> str:
    if not workspace:
        return ""
    top, here = Path(workspace).resolve(), root.resolve()
    return here.relative_to(top).as_posix().removeprefix(".") if here.is_relative_to(top) else ""
