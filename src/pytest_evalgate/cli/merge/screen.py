"""What ``pytest-evalgate merge`` prints: what pytest prints at the end of a session, or JSON."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from pytest_evalgate import files
from pytest_evalgate.runs import run_file, verdict_file
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from pytest_evalgate.cli.judging import Judged
    from pytest_evalgate.cli.project import Project
    from pytest_evalgate.data import Json, Run, Verdict


def stored(project: Project, run: Run, *, as_json: bool) -> str:
    """Say where the merged run is kept."""
    if as_json:
        return _json(project, run, None)
    cases = sum(len(suite.results) for suite in run.suites)
    return f"merged into run {run.id}, {count(cases, 'case')}: {_file(project, run)}"


def judged(project: Project, run: Run, found: Judged, report_file: str | None, *, as_json: bool) -> str:
    """Show what the gates say, and the verdict last."""
    from pytest_evalgate.reports.escape import one_line  # noqa: PLC0415 - the reports bring scipy
    from pytest_evalgate.reports.terminal import render, verdict_line  # noqa: PLC0415 - the same
    from pytest_evalgate.reports.texts import Texts  # noqa: PLC0415 - the same
    from pytest_evalgate.reports.view import Surroundings, build_view  # noqa: PLC0415 - the same

    verdict = found.verdict
    if as_json:
        return _json(project, run, verdict)
    width = shutil.get_terminal_size().columns
    written = files.relative_name(project.state.verdict, project.root)
    view = build_view(
        verdict,
        run,
        found.judgement.baselines,
        run_file=_file(project, run),
        verdict_file=written,
        around=Surroundings(report_file=report_file),
        texts=Texts.by(project.settings.report),
    )
    lines = [" eval gate ".center(width, "="), *(line.text for line in render(view, width))]
    lines += [one_line(found.note)] if found.note is not None else []
    lines += [f"NOT EVALUATED: {one_line(verdict.refused)}"] if verdict.refused is not None else []
    return "\n".join([*lines, verdict_line(view).text])


def _json(project: Project, run: Run, verdict: Verdict | None) -> str:
    facts: dict[str, Json] = {
        "run_id": run.id,
        "run": _file(project, run),
        "verdict": None if verdict is None else verdict_file.encode(verdict),
    }
    return json.dumps(facts, indent=1)


def _file(project: Project, run: Run) -> str:
    return files.relative_name(run_file.path_of(project.state.path, run.id), project.root)
