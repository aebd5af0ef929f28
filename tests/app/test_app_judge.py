from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config
from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.errors import BaselineError, SettingsError
from pytest_evalgate.records.results import Run, SuiteRun, Trial
from pytest_evalgate.runs.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.app.conftest import Repository

    from pytest_evalgate.records.verdicts import Verdict
    from pytest_evalgate.runs.plan import BranchChanges

_LOOSE = '[{ kind = "pass-rate", min = 0.5, bound = "point" }]'
_STRICT = '[{ kind = "pass-rate", min = 0.9, bound = "point" }]'
_REGRESSION = '[{ kind = "no-regression" }]'


def _judgement(repository: Repository, *, base: bool = True, against: str | None = None, **fields: Any) -> RunDecider:
    configured = config.load(repository.root)
    given = {"base": repository.base() if base else None, "against": against, **fields}
    return RunDecider(repository.root, configured, repository.state, configured.suites.get, **given)


def _suite(repository: Repository, name: str, missed: Sequence[str], sides: BranchChanges) -> SuiteRun:
    """Run the golden set of a suite: all cases pass but those that are named."""
    plan = make_plan(name, repository.sets(), scorers=[], trials=1, slices=(), sides=sides)
    results = (combine_trials(case, [Trial(0, float(case.golden_id not in missed))]) for case in plan.cases)
    return SuiteRun(plan, tuple(results))


def _judge(repository: Repository, *missed: str, name: str = "faq", base: bool = True) -> Verdict:
    decider = _judgement(repository, base=base)
    found = decider.base
    suite = _suite(
        repository, name, missed, repository.sides() if found is None else found.sides(name, repository.sets())
    )
    run = Run("r", "2026-01-01T00:00:00Z", None, (suite,))
    return decider.decide(run, decider.rules([name], _no_problem))


@pytest.fixture
def strict(repository: Repository) -> Repository:
    """A base whose suite has to pass in nine of ten cases."""
    repository.configure("faq", gates=_STRICT)
    repository.commit("strict")
    repository.git("branch", "-f", "main")
    return repository


def test_a_gate_that_was_weakened_fails_a_build_that_it_lets_pass(strict: Repository) -> None:
    strict.configure("faq", gates=_LOOSE)
    verdict = _judge(strict, "a")
    assert [gate.result for gate in verdict.suites["faq"].gates] == ["pass"]
    assert (verdict.verdict, verdict.exit_code) == ("fail", 1)
    assert [change.where for change in verdict.changed_in_gate or ()] == ["suites.faq.gates[0].min"]


def test_a_weakening_that_somebody_answers_for_passes(strict: Repository) -> None:
    strict.configure("faq", gates=_LOOSE, head=strict.acknowledge("suites.faq.gates[0].min"))
    verdict = _judge(strict, "a")
    [change] = verdict.changed_in_gate or ()
    assert (verdict.verdict, change.acknowledged) == ("pass", "wanted so (qa@example.org)")


def test_without_a_base_nothing_is_listed(strict: Repository) -> None:
    strict.configure("faq", gates=_LOOSE)
    verdict = _judge(strict, "a", base=False)
    assert (verdict.verdict, verdict.changed_in_gate) == ("pass", ())


def test_a_removed_case_still_fails_the_build(strict: Repository) -> None:
    strict.golden("faq", "a", "b")
    assert _judge(strict).verdict == "pass"
    verdict = _judge(strict, "c")
    assert verdict.verdict == "fail"
    assert verdict.suites["faq"].gates[0].message.startswith("on the cases of the base branch: 2 of 3 passed")


def test_easy_cases_lift_no_rate(strict: Repository) -> None:
    strict.golden("faq", "a", "b", "c", *(f"easy-{number}" for number in range(20)))
    verdict = _judge(strict, "a")
    assert (verdict.verdict, verdict.suites["faq"].pass_rate) == ("fail", 22 / 23)


def test_suites_that_did_not_run_are_named(strict: Repository) -> None:
    strict.configure("faq", "other", gates=_STRICT)
    assert _judge(strict).suites_not_run == ("other",)


def _reason(decider: RunDecider, name: str = "faq") -> str | None:
    found = decider.baseline_of(name)
    return None if found is None else found.provenance.reason


@pytest.fixture
def promoted(repository: Repository) -> Repository:
    """A base with a baseline, and a branch with another one."""
    repository.promote("base", a=1.0, b=1.0)
    repository.commit("baseline")
    repository.git("branch", "-f", "main")
    repository.promote("branch", a=0.0, b=0.0)
    return repository


def test_with_a_base_its_baseline_counts(promoted: Repository) -> None:
    assert _reason(_judgement(promoted)) == "base"


def test_without_a_base_the_baseline_of_the_checkout_counts(promoted: Repository) -> None:
    assert _reason(_judgement(promoted, base=False)) == "branch"


def test_a_baseline_that_was_asked_for_counts_on_either_side(promoted: Repository) -> None:
    promoted.promote("asked for", "other.json", a=1.0)
    assert _reason(_judgement(promoted, against="other.json")) == "asked for"
    assert _reason(_judgement(promoted, base=False, against="other.json")) == "asked for"


def test_a_baseline_is_read_once(promoted: Repository) -> None:
    decider = _judgement(promoted, base=False)
    first = decider.baseline_of("faq")
    promoted.promote("later", a=1.0)
    assert decider.baseline_of("faq") is first
    assert decider.baselines == {"faq": first}


def test_a_baseline_that_cannot_be_used_is_a_problem_of_its_suite(repository: Repository) -> None:
    repository.write(".evalgate/baselines/faq.json", "torn")
    decider = _judgement(repository, base=False)
    problems: list[str] = []
    assert decider.rules(["faq"], problems.append)["faq"].baseline is None
    assert len(problems) == 1
    assert problems[0].startswith("suites.faq.baseline: file:.evalgate/baselines/faq.json: not JSON")
    with pytest.raises(BaselineError):
        decider.baseline_of("faq")


def _no_problem(text: str) -> None:
    pytest.fail(text)


def test_suites_that_the_base_does_not_know_are_new_to_it(repository: Repository) -> None:
    repository.configure("faq", "added")
    rules = _judgement(repository).rules(["faq", "added", "in code"], _no_problem)
    assert {name: rule.is_new for name, rule in rules.items()} == {"faq": False, "added": True, "in code": True}
    rules = _judgement(repository, base=False).rules(["faq", "added", "in code"], _no_problem)
    assert not any(rule.is_new for rule in rules.values())


@pytest.mark.parametrize(
    ("head", "gates", "ci", "records"),
    [
        ("", _REGRESSION, "", True),
        ("", _REGRESSION, "false", True),
        ("", _REGRESSION, "true", False),
        ("", _STRICT, "true", True),
        ('on_missing_baseline = "record"', _REGRESSION, "true", True),
        ('on_missing_baseline = "fail"', _STRICT, "", False),
    ],
)
def test_whether_a_missing_baseline_is_recorded(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, *, head: str, gates: str, ci: str, records: bool
) -> None:
    monkeypatch.setenv("CI", ci)
    repository.configure("faq", head=head, gates=gates)
    rules = _judgement(repository, base=False).rules(["faq", "in code"], _no_problem)
    assert rules["faq"].record_without_baseline is records
    assert rules["in code"].record_without_baseline is (head != 'on_missing_baseline = "fail"')


def test_a_history_outside_of_the_root_folder_is_refused(repository: Repository) -> None:
    repository.configure("faq", head='history = "../history.jsonl"')
    with pytest.raises(SettingsError, match="history"):
        _judgement(repository, base=False).check_history()
