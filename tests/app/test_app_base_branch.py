from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import BaselineError, SettingsError, UserError
from pytest_evalgate.records.verdicts import GateChange
from pytest_evalgate.runs.plan import NO_CHANGES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.conftest import Repository

    from pytest_evalgate.records.cases import Case

_BASELINE = ".evalgate/baselines/faq.json"
_KEY = "suites.faq.baseline"


def _row(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "input": f"question {name}", **fields}


def _asked(case: Case) -> tuple[str, str, Any]:
    return case.id, case.golden_id, case.input


def test_a_golden_set_that_stands_as_it_stood_has_no_sides(repository: Repository) -> None:
    repository.golden("faq", "c", "a", _row("b", tags=["new"]))
    assert repository.sides() == NO_CHANGES


def test_a_removed_case_still_runs_under_an_id_of_its_own(repository: Repository) -> None:
    repository.golden("faq", "a", "c")
    sides = repository.sides()
    [case] = sides.base_cases
    assert (list(sides.changed), _asked(case), case.side) == ([], ("b@base", "b", "question b"), "base")
    assert str(case.place) == "golden/faq.jsonl:2"


def test_an_edited_case_runs_in_both_versions(repository: Repository) -> None:
    repository.golden("faq", "a", _row("b", expected="anything"), "c")
    sides = repository.sides()
    assert (list(sides.changed), [_asked(case) for case in sides.base_cases]) == (
        ["b"],
        [("b@base", "b", "question b")],
    )
    assert sides.base_cases[0].expected is None


def test_an_added_case_belongs_to_this_branch_alone(repository: Repository) -> None:
    repository.golden("faq", "a", "b", "c", "easy")
    sides = repository.sides()
    assert (list(sides.changed), sides.base_cases) == (["easy"], ())


def test_a_newly_skipped_case_still_runs_as_it_stood(repository: Repository) -> None:
    repository.golden("faq", "a", _row("b", skip="flaky"), "c")
    sides = repository.sides()
    [case] = sides.base_cases
    assert (list(sides.changed), case.id, case.skip) == (["b"], "b@base", None)


def test_a_renamed_case_runs_under_both_names(repository: Repository) -> None:
    repository.golden("faq", "a", _row("b2", input="question b"), "c")
    sides = repository.sides()
    assert (list(sides.changed), [case.id for case in sides.base_cases]) == (["b2"], ["b@base"])


def test_a_case_that_was_skipped_at_the_base_does_not_count_there_once_it_is_easy(repository: Repository) -> None:
    repository.golden("faq", "a", _row("b", skip="later"))
    repository.commit("skipped")
    repository.golden("faq", "a", _row("b", input="an easy question"))
    sides = repository.base("HEAD").sides("faq", repository.sets())
    assert (list(sides.changed), sides.base_cases) == (["b"], ())


def test_the_cases_of_a_file_that_is_gone_still_run(repository: Repository) -> None:
    (repository.root / "golden/faq.jsonl").unlink()
    repository.golden("other", "a")
    sides = repository.base().sides("faq", repository.sets("other"))
    assert [case.id for case in sides.base_cases] == ["b@base", "c@base"]


def test_a_file_that_the_base_names_and_does_not_have(repository: Repository) -> None:
    repository.git("rm", "-q", "golden/faq.jsonl")
    repository.commit("no golden set")
    repository.golden("faq", "a")
    sides = repository.base("HEAD").sides("faq", repository.sets())
    assert (list(sides.changed), sides.base_cases) == (["a"], ())


def test_a_suite_that_the_base_does_not_know_stands_alone(repository: Repository) -> None:
    repository.configure("faq", "new")
    repository.golden("new", "x")
    base = repository.base()
    assert base.sides("new", repository.sets("new")) == NO_CHANGES
    assert (base.has_suite("faq"), base.has_suite("new")) == (True, False)
    assert base.changes == (GateChange("suite added", "suites.new", "none", "golden/new.jsonl", "stricter"),)


def test_a_suite_that_is_gone_weakens_the_gate(repository: Repository) -> None:
    repository.configure()
    assert repository.base().changes == (
        GateChange("suite removed", "suites.faq", "golden/faq.jsonl", "none", "weaker"),
    )


def test_what_main_did_after_the_branch_left_is_not_held_against_it(repository: Repository) -> None:
    repository.git("checkout", "-q", "main")
    repository.golden("faq", "a", "b", "c", "later")
    repository.configure("faq", gates='[{ kind = "pass-rate", min = 0.99 }]')
    repository.commit("main goes on")
    repository.git("checkout", "-q", "topic")
    assert (repository.sides(), repository.changes()) == (NO_CHANGES, ())


def test_a_broken_golden_set_of_the_base_is_told_as_its_own(repository: Repository) -> None:
    repository.write("golden/faq.jsonl", '{"id": "a"}\n{"id"\n{"id": 1.5}\n')
    repository.commit("broken")
    repository.golden("faq", "a")
    with pytest.raises(UserError) as caught:
        repository.base("HEAD").sides("faq", repository.sets())
    first, *others = str(caught.value).splitlines()
    assert first.startswith(f"at the merge base {repository.git('rev-parse', 'HEAD')[:12]}: golden/faq.jsonl:")
    assert all(line.startswith("at the merge base ") for line in others)


def test_a_broken_configuration_of_the_base_is_told_as_its_own(repository: Repository) -> None:
    repository.write("evalgate.toml", "suits = 1")
    repository.commit("broken")
    repository.configure("faq")
    with pytest.raises(SettingsError, match=r"^at the merge base [0-9a-f]{12}: evalgate\.toml:1: suits: unknown key"):
        repository.base("HEAD").sides("faq", repository.sets())


def test_the_configuration_comes_before_the_cases_and_those_before_the_baselines(repository: Repository) -> None:
    repository.configure("faq", gates='[{ kind = "pass-rate", min = 0.5 }]')
    repository.golden("faq", "a", "b")
    repository.promote("first", a=1.0)
    assert [(change.what, change.where, change.effect) for change in repository.changes()] == [
        ("gate changed", "suites.faq.gates[0].min", "weaker"),
        ("case removed", "golden/faq.jsonl:3 c", "neutral"),
        ("baseline added", _KEY, "neutral"),
    ]


def test_suites_are_listed_in_the_order_in_which_they_ran(repository: Repository) -> None:
    names = ("s1", "s2", "s3", "s4", "s5")
    for name in names:
        repository.golden(name, "a", "b")
    repository.configure(*names)
    repository.commit("suites")
    for name in names:
        repository.golden(name, "a")
    base = repository.base("HEAD")
    for name in reversed(names):
        base.sides(name, repository.sets(name))
    assert [change.where for change in base.changes] == [f"golden/{name}.jsonl:2 b" for name in reversed(names)]


_MIN = "suites.faq.gates[0].min"
_LOOSE = '[{ kind = "pass-rate", min = 0.5 }]'


@pytest.mark.parametrize(("change", "told"), [(_MIN, "wanted so (qa@example.org)"), ("suites.faq.gates", None)])
def test_a_weakening_is_answered_for_where_it_is_listed(repository: Repository, change: str, told: str | None) -> None:
    repository.configure("faq", gates=_LOOSE, head=repository.acknowledge(change))
    [found] = repository.changes()
    assert (found.where, found.effect, found.acknowledged) == (_MIN, "weaker", told)


def test_an_acknowledgement_that_the_base_holds_was_for_an_earlier_change(repository: Repository) -> None:
    earlier = repository.acknowledge(_MIN)
    repository.configure("faq", head=earlier)
    repository.commit("merged")
    repository.configure("faq", gates=_LOOSE, head=earlier)
    base = repository.base("HEAD")
    assert [change.acknowledged for change in base.changes] == [None]
    repository.configure("faq", gates=_LOOSE, head=earlier + repository.acknowledge(_MIN, "once more"))
    base = repository.base("HEAD")
    assert [change.acknowledged for change in base.changes] == ["once more (qa@example.org)"]


def _reason(repository: Repository) -> str | None:
    """Return why the baseline was promoted that the suite is compared with."""
    base = repository.base()
    found = base.baseline("faq", base._head_baseline("faq"))
    return None if found is None else found.provenance.reason


def _with_baseline(repository: Repository, *, at_base: bool = True, here: bool = True) -> None:
    """Have the base keep one baseline, and this branch another one."""
    if at_base:
        repository.git("checkout", "-q", "main")
        repository.promote("main", a=1.0, b=1.0)
        repository.commit("baseline")
        repository.git("checkout", "-q", "topic")
        repository.git("reset", "-q", "--hard", "main")
    (repository.root / _BASELINE).unlink(missing_ok=True)
    if here:
        repository.promote("topic", a=1.0, b=0.0)


def test_a_baseline_that_was_promoted_here_is_listed_and_not_used(repository: Repository) -> None:
    _with_baseline(repository)
    assert _reason(repository) == "main"
    [change] = repository.changes()
    assert (change.what, change.where, change.effect) == ("baseline edited", _KEY, "neutral")
    assert change.before == "run run-main, 2 cases, 100.0% passed"
    assert change.now.endswith("1 changed, 0 removed, 0 added; worse: b (not used: the base's own is)")


def test_a_baseline_that_somebody_answers_for_is_used(repository: Repository) -> None:
    _with_baseline(repository)
    repository.configure("faq", head=repository.acknowledge(_KEY, "a new prompt"))
    assert _reason(repository) == "topic"
    [change] = repository.changes()
    assert (change.effect, change.acknowledged) == ("weaker", "a new prompt (qa@example.org)")
    assert change.now.endswith("1 changed, 0 removed, 0 added; worse: b")


def test_a_first_baseline_is_used(repository: Repository) -> None:
    _with_baseline(repository, at_base=False)
    assert _reason(repository) == "topic"
    [change] = repository.changes()
    assert (change.what, change.effect) == ("baseline added", "neutral")


def test_a_baseline_that_is_gone_still_counts(repository: Repository) -> None:
    _with_baseline(repository, here=False)
    assert _reason(repository) == "main"
    [change] = repository.changes()
    assert (change.what, change.effect) == ("baseline removed", "neutral")


def test_without_any_baseline_there_is_none(repository: Repository) -> None:
    assert (_reason(repository), repository.changes()) == (None, ())


def test_a_suite_that_the_base_does_not_know_has_its_own_baseline(repository: Repository) -> None:
    _with_baseline(repository)
    base = repository.base()
    here = base._head_baseline("faq")
    assert here is not None
    assert base.baseline("new", here) is here


def test_a_baseline_that_moved_is_used_from_its_new_place_where_somebody_answers_for_it(
    repository: Repository,
) -> None:
    _with_baseline(repository, here=False)
    repository.promote("moved", "moved/faq.json", a=1.0)
    moved = 'baseline = "moved/faq.json"'
    repository.configure("faq", more=moved)
    assert _reason(repository) == "main"
    assert [(change.what, change.effect) for change in repository.changes()] == [
        ("suite changed", "weaker"),
        ("baseline edited", "neutral"),
    ]
    repository.configure("faq", more=moved, head=repository.acknowledge(_KEY))
    base = repository.base()
    found = base.baseline("faq", None)
    assert found is not None
    assert found.provenance.reason == "moved"


def test_a_state_folder_elsewhere_is_of_no_branch(repository: Repository, tmp_path: Path) -> None:
    state = tmp_path / "state"
    repository.promote("elsewhere", str(state / "baselines/faq.json"), a=1.0)
    base = repository.base(state=state)
    base.sides("faq", repository.sets())
    found = base.baseline("faq", None)
    assert found is not None
    assert (found.provenance.reason, base.changes) == ("elsewhere", ())


def test_the_baseline_of_a_suite_that_does_not_run_is_not_read(repository: Repository) -> None:
    repository.golden("other", "x")
    repository.configure("faq", "other")
    repository.commit("two suites")
    repository.write(".evalgate/baselines/other.json", "torn")
    base = repository.base("HEAD")
    base.sides("faq", repository.sets())
    assert base.changes == ()


def test_a_baseline_of_the_base_that_cannot_be_used_is_told(repository: Repository) -> None:
    repository.write(_BASELINE, "torn")
    repository.commit("torn")
    (repository.root / _BASELINE).unlink()
    with pytest.raises(BaselineError, match=r"^git:[0-9a-f]{40}: not JSON"):
        repository.base("HEAD").baseline("faq", None)
