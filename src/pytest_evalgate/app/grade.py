"""Grading outside of pytest: one judge grades a list of outputs, through the engine and the cache."""

from __future__ import annotations

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
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Output, Score

_AHEAD = 2  # twice as many queued as in flight: the next call is ready when a slot becomes free


def run_judge(
    project: Project, name: str, cases: Sequence[tuple[Case, Output]]
) -> tuple[tuple[Score, ...], dict[str, str]]:
    """Grade outputs with a judge; cached grades are reused.

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
        futures = [work_queue.submit(partial(scorer.score, case, output)) for case, output in graded]
        return tuple(wiring.engine.wait(future) for future in futures), parts
    finally:
        wiring.close()
