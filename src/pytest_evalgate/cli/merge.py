"""``pytest-evalgate merge``: merge the shards of a run, and decide the run."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.decide import BASE_VARIABLE, BASELINE_VARIABLE, decide
from pytest_evalgate.app.notifying import notify
from pytest_evalgate.app.project import Project
from pytest_evalgate.app.report import ReportWriter, baseline_outputs_of
from pytest_evalgate.app.shard_folders import checked_url, shard_folder
from pytest_evalgate.cli.options import whole_number
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.config import key_variables
from pytest_evalgate.runs import kept, run_file
from pytest_evalgate.runs.remote import is_url
from pytest_evalgate.runs.shard import MOST_SHARDS
from pytest_evalgate.runs.shards import merge_into, read_folder
from pytest_evalgate.text import files
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import screen_width
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.uncollected import without_garbage_collection
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse

    from pytest_evalgate.app.decide import RunDecision
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import Run
    from pytest_evalgate.records.verdicts import Verdict
    from pytest_evalgate.reports.view import ReportView
    from pytest_evalgate.runs.run_file import RunInfo


def stored(project: Project, run: Run, *, as_json: bool) -> str:
    """Return the line, or the JSON, that names the file of the merged run."""
    if as_json:
        return _json(project, run, None)
    cases = sum(len(suite.results) for suite in run.suites)
    return f"merged into run {run.id}, {count(cases, 'case')}: {_file(project, run)}"


def decision_view(project: Project, run: Run, found: RunDecision, report_file: str | None) -> ReportView:
    """Return the view that both the screen and the reports show."""
    from pytest_evalgate.app.view import ReportContext, build_view  # noqa: PLC0415 - the reports import scipy
    from pytest_evalgate.reports.view import TextPolicy  # noqa: PLC0415 - the same

    return build_view(
        found.verdict,
        run,
        found.decider.baselines,
        run_file=_file(project, run),
        verdict_file=files.relative_name(project.state.verdict, project.root),
        context=ReportContext(
            report_file=report_file,
            baseline_outputs={name: baseline_outputs_of(found.decider, name) for name in found.verdict.suites},
        ),
        texts=TextPolicy.by(project.settings.report),
        worst_from=run_file.path_of(project.state.path, run.id),
    )


def decision_text(view: ReportView, found: RunDecision) -> str:
    """Return the section of the gates, with the verdict as its last line."""
    from pytest_evalgate.reports.terminal import render, verdict_line  # noqa: PLC0415 - scipy

    width = screen_width()
    verdict = found.verdict
    lines = [" eval gate ".center(width, "="), *(line.text for line in render(view, width))]
    lines += [f"NOT EVALUATED: {one_line(verdict.refused)}"] if verdict.refused is not None else []
    return "\n".join([*lines, verdict_line(verdict).text])


def _json(project: Project, run: Run, verdict: Verdict | None) -> str:
    facts: dict[str, Json] = {
        "run_id": run.id,
        "run": _file(project, run),
        "verdict": None if verdict is None else kept.encode(verdict),
    }
    return json.dumps(facts, indent=1)


def _file(project: Project, run: Run) -> str:
    return files.relative_name(run_file.path_of(project.state.path, run.id), project.root)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option(
        "folder",
        metavar="DIR",
        help="folder with the files of the shards, or the URL of --eval-shards-to: s3://bucket/runs/1/, or store://1",
    )
    option(
        "--expect-shards",
        type=whole_number(MOST_SHARDS),
        required=True,
        metavar="N",
        help="number of shards of the run: fewer or more are an error",
    )
    option("--gate", action="store_true", help="decide the run, and exit with the code of its verdict")
    option(
        "--baseline",
        metavar="SPEC",
        help=f"baseline to use instead of each suite's own: a file, or git:REF (${BASELINE_VARIABLE})",
    )
    option(
        "--base-ref",
        metavar="REF",
        help=f"base branch (${BASE_VARIABLE}; default in a pull request on GitHub: its target branch)",
    )
    option("--report", metavar="DIR", help="folder for the reports (default: the state folder)")


def _run(args: argparse.Namespace) -> int:
    project = Project.find()
    project.state.prepare()
    with project.state.locked() as lock_note:
        run, origin = _merge(project, args.folder, args.expect_shards)
        if not args.gate:
            print(stored(project, run, as_json=args.json))
            return 0
        decided = decide(project, run, origin, baseline=args.baseline, base_ref=args.base_ref)
        redactor = Redactor.of(key_variables(project.settings), os.environ)
        kept.write(decided.verdict, project.state.verdict, redactor)
        report_writer = ReportWriter(
            project.root, project.state, project.settings.report, args.report, print_line=_log
        )
        report_writer.remove_old_report()
        view = decision_view(project, run, decided, report_writer.html_file)
        warnings = list(report_writer.report(decided.verdict, decided.decider, (run, origin), redactor, view))
        warnings += notify(run, origin.facts, decided.verdict, decided.decider, redactor)
        warnings += filter(None, [_store(project, run, origin, decided, redactor)])
        warnings += filter(None, [_export(project, run, origin, decided, redactor)])
    for warning in [*filter(None, [lock_note]), *warnings]:
        _log(f"pytest-evalgate: {warning}")
    text = _json(project, run, decided.verdict) if args.json else decision_text(view, decided)
    print(redactor.redact(text))
    return decided.verdict.exit_code


def _store(project: Project, run: Run, origin: RunInfo, decided: RunDecision, redactor: Redactor) -> str | None:
    from pytest_evalgate.app.storing import store_decided  # noqa: PLC0415 - only after a verdict

    file = run_file.path_of(project.state.path, run.id)
    return store_decided(decided.decider, run, origin, decided.verdict, file=file, redactor=redactor)


def _export(project: Project, run: Run, origin: RunInfo, decided: RunDecision, redactor: Redactor) -> str | None:
    """Send the span of the merged run and its metrics; return the line about a failure."""
    if project.settings.telemetry is None:
        return None
    from pytest_evalgate.app.tracing import TracedRun, export_decided  # noqa: PLC0415 - only if telemetry is configured
    from pytest_evalgate.records.traces import RunTrace  # noqa: PLC0415 - the same

    file = run_file.path_of(project.state.path, run.id)
    traced = TracedRun(run, origin, decided.verdict, file, RunTrace.begin(os.environ))
    return export_decided(decided.decider, traced, redactor)


def _merge(project: Project, folder: str, shards: int) -> tuple[Run, RunInfo]:
    """Merge the shards of a folder, and write the run file. Shards at a URL are copied to a temporary folder."""

    def merge_folder(path: Path, shown: str) -> tuple[Run, RunInfo]:
        with without_garbage_collection():
            return merge_into(
                read_folder(path, shards, shown),
                shards,
                partial(run_file.path_of, project.state.path),
                project.keeps_texts,
            )

    if not is_url(folder):
        return merge_folder(Path(folder), folder)
    with tempfile.TemporaryDirectory(prefix="shards-", dir=project.state.path) as copied:
        url = checked_url(folder, "merge")
        source = shard_folder(url, project.settings, root=project.root, state=project.state.path)
        source.fetch(Path(copied), shards)
        return merge_folder(Path(copied), url)


VERB: Final = Verb(
    "Merge the shards of a run (pytest --eval-gate --eval-shard I/N), and decide the whole run with --gate.",
    "pytest-evalgate merge .evalgate/shards --expect-shards 4 --gate",
    _run,
    _add_arguments,
)


def _log(line: str) -> None:
    """Print to stderr: GitHub runners read workflow commands there too, and stdout stays parsable."""
    print(line, file=sys.stderr)
