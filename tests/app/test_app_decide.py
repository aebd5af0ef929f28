from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.builders import plan_of, planned, result_of, run_of, suite_of

from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.config import Settings

if TYPE_CHECKING:
    from tests.app.conftest import Repository


def _decider(repository: Repository, trials: int, *, has_base: bool) -> RunDecider:
    settings = Settings.model_validate(
        {"suites": {"faq": {"golden": "g.jsonl", "trials": trials, "gates": [{"kind": "must-pass"}]}}}
    )
    base = repository.base() if has_base else None
    return RunDecider(repository.root, settings, repository.state, settings.suites.get, base=base)


@pytest.mark.parametrize(("configured", "is_listed"), [(3, True), (2, False), (1, False)])
def test_fewer_trials_than_are_configured_weaken_the_gate(
    repository: Repository, configured: int, *, is_listed: bool
) -> None:
    repository.configure("faq")
    repository.golden("faq", {"id": "a", "input": "b", "expected": "c"})
    repository.commit("base")
    run = run_of(suite_of([result_of("PP", planned("a"))], trials=2))
    assert plan_of([], trials=2).trials == run.suites[0].plan.trials == 2
    decider = _decider(repository, configured, has_base=True)
    changes = decider.decide(run, decider.rules(["faq"], pytest.fail)).changed_in_gate or ()
    found = [(one.where, one.before, one.now, one.effect) for one in changes if one.what == "fewer trials requested"]
    assert found == ([("suites.faq.trials", "3", "2", "weaker")] if is_listed else [])


def test_a_run_without_a_base_lists_no_changes(repository: Repository) -> None:
    run = run_of(suite_of([result_of("PP", planned("a"))], trials=2))
    decider = _decider(repository, 3, has_base=False)
    assert decider.decide(run, decider.rules(["faq"], pytest.fail)).changed_in_gate == ()
