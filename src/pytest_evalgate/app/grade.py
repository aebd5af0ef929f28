"""Grading outside of pytest: one judge grades a list of outputs, through the engine and the cache."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_evalgate.app.wiring import RunContext, Wiring, new_run_id
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges.build import parts_of_judge
from pytest_evalgate.scorers.registry import ScorerOptions
from pytest_evalgate.targets.outputs import split_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.judges.labels import Labelled
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Output, Score

_AHEAD = 2  # twice as many queued as in flight: the next call is ready when a slot becomes free


def fields_of(project: Project, name: str, rows: Sequence[Labelled]) -> list[str | None]:
    """Return the path of the part that a judge is to grade in the output of each row; None for the whole.

    A whole output is graded at the ``field`` that the judge has in its suites. The output of a row with a
    ``graded_part`` is that part.

    Raises:
        SettingsError: a row has another part than the judge grades, or the judge grades several.
    """
    field = _field_of(project, name) if any(row.graded_part is None for row in rows) else None
    known = set(_fields(project, name).values())
    for row in rows:
        if row.graded_part is not None and row.graded_part not in known:
            shown = ", ".join(sorted({one or "the whole output" for one in known})) or "the whole output"
            raise SettingsError(
                f"{row.case.place}: graded_part is {row.graded_part}, but judge {name} grades {shown}: draw again"
            )
    return [None if row.graded_part is not None else field for row in rows]


def _fields(project: Project, name: str) -> dict[str, str | None]:
    """Return the ``field`` of a judge in each of its suites."""
    return {
        suite_name: spec.get("field")
        for suite_name, suite in project.settings.suites.items()
        for spec in suite.scorers
        if isinstance(spec, dict) and spec.get("judge") == name
    }


def _field_of(project: Project, name: str) -> str | None:
    fields = _fields(project, name)
    if len(set(fields.values())) > 1:
        shown = ", ".join(f"{field or 'the whole output'} in {suite_name}" for suite_name, field in fields.items())
        raise SettingsError(
            f"judge {name} grades {shown}: draw its labels with pytest-evalgate label sample, which names the part in "
            "each row, or configure a judge for each part"
        )
    return next(iter(fields.values()), None)


def run_judge(
    project: Project, name: str, cases: Sequence[tuple[Case, Output]], fields: Sequence[str | None] = ()
) -> tuple[tuple[Score, ...], dict[str, str]]:
    """Grade outputs with a judge; cached grades are reused.

    ``fields`` are the paths of the parts to grade, one for each of ``cases``, None for the whole; empty for all whole.

    Returns:
        The scores, in the order of ``cases``, and the parts of the judge's fingerprint.

    Raises:
        UserError: there is no such judge, it cannot be used, or its API key is missing.
        RunStopped: the run ended early: no further call can succeed, or the budget is spent.
    """
    judge = project.settings.judges.get(name)
    if judge is None:
        known = ", ".join(project.settings.judges) or "none"
        raise SettingsError(f"no judge is named {name!r} (configured: {known})")
    parts = parts_of_judge(name, project.settings, root=project.root)
    run = new_run_id()
    wiring = Wiring(project.root, project.settings, project.state, RunContext(run, run))
    try:
        wiring.client.check_key(judge.model)
        scorer = wiring.judge(name, ScorerOptions())
        window = _AHEAD * project.settings.models[judge.model].max_concurrency
        work_queue = wiring.engine.work_queue(name, window)
        # as in the suites of the judge, which grade the output without its reasoning
        strips = all(suite.strip_reasoning for suite in project.settings.suites.values() if name in suite.judges)
        graded = [(case, split_output(output) if strips else output) for case, output in cases]
        paths = fields or [None] * len(graded)
        futures = [
            work_queue.submit(partial(replace(scorer, field=path).score, case, output))
            for (case, output), path in zip(graded, paths, strict=True)
        ]
        return tuple(wiring.engine.wait(future) for future in futures), parts
    finally:
        wiring.close()
