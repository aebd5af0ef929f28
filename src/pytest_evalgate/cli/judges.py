"""Judges at work outside of pytest: each output graded once, through the engine and its cache."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judging.configured import parts_of_judge
from pytest_evalgate.scorers.params import Entry
from pytest_evalgate.wiring import Errand, Wiring

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from pytest_evalgate.cli.project import Project
    from pytest_evalgate.data import Case, Output, Score
    from pytest_evalgate.protocols import Scorer

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
    wiring = Wiring(project.root, project.settings, project.state, Errand(run, run))
    try:
        wiring.client.check_key(judge.model)
        scorer = wiring.judge(name, Entry())
        window = _AHEAD * project.settings.models[judge.model].max_concurrency
        lane = wiring.engine.lane(name, window)
        futures = [lane.submit(_asked(scorer, case, output)) for case, output in cases]
        return tuple(wiring.engine.wait(future) for future in futures), parts
    finally:
        wiring.close()


def _asked(scorer: Scorer, case: Case, output: Output) -> Callable[[], Coroutine[Any, Any, Score]]:
    return lambda: scorer.score(case, output)
