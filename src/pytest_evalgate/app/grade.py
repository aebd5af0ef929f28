"""Judges at work outside of pytest: each output graded once, through the engine and its cache."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pytest_evalgate.app.wiring import RunContext, Wiring
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges.build import parts_of_judge
from pytest_evalgate.scorers.registry import ScorerOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.protocols import Scorer
    from pytest_evalgate.records.results import Case, Output, Score

_AHEAD = 2


def run_judge(
    project: Project, name: str, cases: Sequence[tuple[Case, Output]]
) -> tuple[tuple[Score, ...], dict[str, str]]:
    """Have a judge grade outputs; what it graded before is remembered.

    Returns:
        The scores, in order, and the parts of the judge's fingerprint.

    Raises:
        UserError: there is no such judge, it cannot be used, or its key is missing.
        RunStopped: no call can succeed, or may be paid.

    """
    judge = project.settings.judges.get(name)
    if judge is None:
        known = ", ".join(project.settings.judges) or "none is configured"
        raise SettingsError(f"no judge is named {name!r}: {known}")
    parts = parts_of_judge(name, project.settings, root=project.root)
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    wiring = Wiring(project.root, project.settings, project.state, RunContext(run, run))
    try:
        wiring.client.check_key(judge.model)
        scorer = wiring.judge(name, ScorerOptions())
        window = _AHEAD * project.settings.models[judge.model].max_concurrency
        work_queue = wiring.engine.work_queue(name, window)
        futures = [work_queue.submit(_grading_of(scorer, case, output)) for case, output in cases]
        return tuple(wiring.engine.wait(future) for future in futures), parts
    finally:
        wiring.close()


def _grading_of(scorer: Scorer, case: Case, output: Output) -> Callable[[], Coroutine[Any, Any, Score]]:
    return lambda: scorer.score(case, output)
