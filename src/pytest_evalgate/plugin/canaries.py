"""Canaries: before a judge grades anything it has to tell known good outputs from known bad ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_evalgate.errors import MissingAnswer, ScorerError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from pytest_evalgate.data import Score
    from pytest_evalgate.judging.canaries import Canary
    from pytest_evalgate.judging.judge import JudgeScorer
    from pytest_evalgate.plugin.assembly import ReadySuite
    from pytest_evalgate.plugin.session import EvalSession

_NAMED = 3


def hold_canaries(session: EvalSession, suites: Iterable[ReadySuite]) -> None:
    """Have the judges of ``suites`` grade their canaries; one that fails makes the run invalid and ends its calls."""
    judges = {
        name: judge
        for suite in suites
        for name, judge in zip(suite.judge_names, suite.judges, strict=True)
        if judge.counts
    }
    for name, judge in judges.items():
        problem = _broken(session, name, judge)
        if problem is not None:
            session.notices.problems.append(problem)
            session.wiring.halt.stop(problem)


def _broken(session: EvalSession, name: str, judge: JudgeScorer) -> str | None:
    from pytest_evalgate.judging.canaries import broken, canaries_of  # noqa: PLC0415 - few suites have a judge

    wiring = session.wiring
    canaries = canaries_of(wiring.configured.judges[name], root=wiring.root)
    lane = wiring.engine.lane(f"canaries of {name}", max(1, len(canaries)))
    futures = [lane.submit(_asked(judge, canary)) for canary in canaries]
    try:
        found = broken(canaries, [wiring.engine.wait(future) for future in futures])
    except (MissingAnswer, ScorerError) as error:
        return f"judges.{name}: its canaries could not be judged: {error}"
    if not found:
        return None
    named = "; ".join(map(str, found[:_NAMED]))
    return (
        f"judges.{name}: {len(found)} of {len(canaries)} canaries are broken, so nothing that it says counts: {named}"
    )


def _asked(judge: JudgeScorer, canary: Canary) -> Callable[[], Coroutine[Any, Any, Score]]:
    return lambda: judge.score(canary.case, canary.output)
