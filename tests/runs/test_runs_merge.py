from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import RunFileError
from pytest_evalgate.records.results import CaseResult, Place, PlannedCase, Run, SuitePlan, SuiteRun, Trial
from pytest_evalgate.runs.run_file import RunInfo
from pytest_evalgate.runs.shard import Shard
from pytest_evalgate.runs.shards import ShardFolder, ShardRun, merge

if TYPE_CHECKING:
    from collections.abc import Callable

_OUTCOMES: dict[str, tuple[Any, tuple[float | None, ...]]] = {
    "P": ("passed", (1.0,)),
    "m": ("missed", (0.0,)),
    "?": ("errored", (None,)),
    "s": ("skipped", ()),
}


def _suite(name: str, letters: str) -> SuiteRun:
    results = []
    for index, letter in enumerate(letters):
        skip = "later" if letter == "s" else None
        case = PlannedCase(f"c{index}", Place("g.jsonl", index + 1), f"f{index}", skip=skip)
        outcome, values = _OUTCOMES[letter]
        trials = tuple(Trial(number, value) for number, value in enumerate(values))
        results.append(CaseResult(case, outcome, trials, skip or ""))
    plan = SuitePlan(name, ("g.jsonl",), "g" * 64, "s" * 64, 1, tuple(result.case for result in results))
    return SuiteRun(plan, tuple(results))


def _whole(**suites: str) -> Run:
    held = tuple(_suite(name, letters) for name, letters in suites.items())
    return Run("r", "2026-01-01T00:00:00Z", "8c1f2d0", held, 1.5)


def _part(whole: Run, shard: Shard) -> ShardRun:
    """What a shard leaves of a run: other shards' cases are not run in it."""
    suites = tuple(
        replace(
            suite,
            results=tuple(
                result
                if result.case.id in shard.cases_of(suite.plan) or result.case.skip is not None
                else CaseResult(result.case, "not_run")
                for result in suite.results
            ),
        )
        for suite in whole.suites
    )
    run = replace(
        whole, id=f"r{shard.index}", created=f"2026-01-01T00:00:0{shard.index % 10}Z", duration_s=1.0 * shard.index,
        suites=suites,
    )  # fmt: skip
    return ShardRun(shard.file_name, shard, RunInfo("c" * 64, None, shard), run)


def _parts(whole: Run, count: int) -> list[ShardRun]:
    return [_part(whole, Shard(index, count)) for index in range(1, count + 1)]


def _refused(parts: list[ShardRun], count: int = 2) -> list[str]:
    with pytest.raises(RunFileError) as caught:
        merge(ShardFolder(tuple(parts)), count)
    return str(caught.value).splitlines()


_WHOLE = _whole(faq="PmPsP?", sql="Pm")


@given(st.text("Pm?s", max_size=12), st.text("Pm?s", max_size=3), st.integers(1, 9))
def test_the_parts_of_a_run_make_the_run(faq: str, sql: str, count: int) -> None:
    whole = _whole(faq=faq, sql=sql)
    run, origin = merge(ShardFolder(tuple(_parts(whole, count))), count)
    assert run.suites == whole.suites
    assert (run.commit, run.problems, run.refused) == (whole.commit, (), None)
    assert origin == RunInfo("c" * 64)


def test_what_is_said_of_the_merged_run_comes_from_its_shards() -> None:
    run, _ = merge(ShardFolder(tuple(_parts(_WHOLE, 3))), 3)
    assert run.created == "2026-01-01T00:00:03Z"
    assert run.duration_s == 3.0
    assert run.id.startswith("20260101T000003Z-")


def test_the_merged_run_does_not_depend_on_the_order_of_its_shards() -> None:
    parts = _parts(_WHOLE, 3)
    assert merge(ShardFolder(tuple(parts)), 3) == merge(ShardFolder(tuple(reversed(parts))), 3)


def test_other_runs_of_the_shards_make_another_run() -> None:
    first, second = _parts(_WHOLE, 2)
    again = replace(second, run=replace(second.run, id="again"))
    one, _ = merge(ShardFolder((first, second)), 2)
    other, _ = merge(ShardFolder((first, again)), 2)
    assert one.id != other.id


def test_a_missing_shard_is_named_with_the_cases_that_nobody_ran() -> None:
    whole = _whole(faq="PPsP")
    [second] = [_part(whole, Shard(2, 2))]
    mine = [
        f"faq/{case.id}"
        for case in whole.suites[0].plan.cases
        if case.id in Shard(1, 2).cases_of(whole.suites[0].plan)
    ]
    ran = [case for case in mine if case != "faq/c2"]
    assert _refused([second]) == [
        f"shard 1 of 2 is missing (1-of-2.jsonl): {len(ran)} case{'s' * (len(ran) > 1)} not run ({', '.join(ran)})"
    ]


def test_of_many_cases_that_nobody_ran_the_first_are_named() -> None:
    [line] = _refused([_part(_whole(faq="P" * 40), Shard(1, 2))])
    assert "20 cases not run (faq/c" in line
    assert line.endswith(" and 15 more)")


def test_every_missing_shard_is_named() -> None:
    lines = _refused([_part(_WHOLE, Shard(2, 4))], 4)
    assert [line.partition(" is missing")[0] for line in lines] == ["shard 1 of 4", "shard 3 of 4", "shard 4 of 4"]


def test_a_missing_shard_without_cases_is_missing_all_the_same() -> None:
    assert _refused([_part(_whole(faq=""), Shard(1, 2))]) == ["shard 2 of 2 is missing (2-of-2.jsonl)"]


def test_without_any_shard_all_are_missing() -> None:
    assert len(_refused([])) == 2


def test_a_shard_that_is_there_but_cannot_be_read_is_not_missing_too() -> None:
    folder = ShardFolder((_part(_WHOLE, Shard(1, 2)),), ("2-of-2.jsonl: torn",), frozenset({2}))
    with pytest.raises(RunFileError) as caught:
        merge(folder, 2)
    assert str(caught.value) == "2-of-2.jsonl: torn"


def test_a_shard_that_is_there_twice_is_refused() -> None:
    first, second = _parts(_WHOLE, 2)
    copy = replace(first, path="2-of-2.jsonl")
    assert _refused([first, second, replace(first, path="copy")])[0] == (
        "1-of-2.jsonl, copy: each contains shard 1 of 2; keep the one that belongs to this run"
    )
    lines = _refused([first, copy])
    assert lines[0].startswith("1-of-2.jsonl, 2-of-2.jsonl: each contains shard 1 of 2")
    assert lines[1].startswith("shard 2 of 2 is missing")


def test_another_number_of_shards_is_refused() -> None:
    lines = _refused(_parts(_WHOLE, 3))
    assert lines[0] == "1-of-3.jsonl: contains shard 1 of 3, expected one of 2"
    assert len(lines) == 3


_PLAN_CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "golden": ({"golden": ("h.jsonl",)}, "golden: g.jsonl in 1-of-2.jsonl; h.jsonl in 2-of-2.jsonl"),
    "golden set": ({"golden_sha256": "other"}, f"golden_sha256: {'g' * 64} in 1-of-2.jsonl; other in 2-of-2.jsonl"),
    "scorers": ({"scorers_sha256": "other"}, f"scorers_sha256: {'s' * 64} in 1-of-2.jsonl; other in 2-of-2.jsonl"),
    "trials": ({"trials": 3}, "trials: 1 in 1-of-2.jsonl; 3 in 2-of-2.jsonl"),
}


@pytest.mark.parametrize(("fields", "told"), _PLAN_CHANGES.values(), ids=_PLAN_CHANGES.keys())
def test_shards_of_different_plans_are_refused(fields: dict[str, Any], told: str) -> None:
    first, second = _parts(_WHOLE, 2)
    faq, sql = second.run.suites
    mixed = replace(second, run=replace(second.run, suites=(replace(faq, plan=replace(faq.plan, **fields)), sql)))
    assert _refused([first, mixed]) == [f"not of one run: suite faq: {told}"]


def _recommitted(shard: ShardRun) -> ShardRun:
    return replace(shard, run=replace(shard.run, commit="other"))


def _reconfigured(shard: ShardRun) -> ShardRun:
    return replace(shard, info=replace(shard.info, config_sha256="other"))


def _retargeted(shard: ShardRun) -> ShardRun:
    return replace(shard, info=replace(shard.info, target="model:b"))


def _without_sql(shard: ShardRun) -> ShardRun:
    return replace(shard, run=replace(shard.run, suites=shard.run.suites[:1]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_recommitted, "commit: 8c1f2d0 in 1-of-2.jsonl; other in 2-of-2.jsonl"),
        (_reconfigured, f"config_sha256: {'c' * 64} in 1-of-2.jsonl; other in 2-of-2.jsonl"),
        (_retargeted, "--eval-target: None in 1-of-2.jsonl; model:b in 2-of-2.jsonl"),
        (_without_sql, "suites: faq, sql in 1-of-2.jsonl; faq in 2-of-2.jsonl"),
    ],
)
def test_shards_of_different_runs_are_refused(change: Callable[[ShardRun], ShardRun], told: str) -> None:
    first, second = _parts(_whole(faq="PP", sql=""), 2)
    assert f"not of one run: {told}" in _refused([first, change(second)])


def _with_case(shard: ShardRun, **fields: Any) -> ShardRun:
    suite = shard.run.suites[0]
    results = (*suite.results[:-1], replace(suite.results[-1], case=replace(suite.results[-1].case, **fields)))
    plan = replace(suite.plan, cases=tuple(result.case for result in results))
    return replace(shard, run=replace(shard.run, suites=(SuiteRun(plan, results), *shard.run.suites[1:])))


@pytest.mark.parametrize(
    "fields",
    [{"tags": ("safety",)}, {"slices": (("lang", "de"),)}, {"cluster": "d1"}, {"place": Place("g", 9)}],
    ids=str,
)
def test_cases_that_are_not_planned_alike_are_refused(fields: dict[str, Any]) -> None:
    first, second = _parts(_whole(faq="PPP"), 2)
    assert _refused([first, _with_case(second, **fields)])[0] == (
        "not of one run: suite faq: cases: 1-of-2.jsonl and 2-of-2.jsonl differ, first in c2"
    )


def test_everything_that_is_wrong_is_said_at_once() -> None:
    first, second, _ = _parts(_WHOLE, 3)
    said = "\n".join(_refused([first, _retargeted(_reconfigured(_recommitted(second)))], 3))
    for told in ("commit: ", "config_sha256: ", "--eval-target: ", "shard 3 of 3 is missing"):
        assert told in said


def test_a_case_with_two_results_is_refused() -> None:
    whole = _whole(faq="PPPP")
    first, second = _parts(whole, 2)
    stolen = next(iter(Shard(1, 2).cases_of(whole.suites[0].plan)))
    suite = second.run.suites[0]
    results = tuple(
        replace(result, outcome="passed", trials=(Trial(0, 1.0),)) if result.case.id == stolen else result
        for result in suite.results
    )
    twice = replace(second, run=replace(second.run, suites=(replace(suite, results=results),)))
    assert _refused([first, twice]) == [f"1-of-2.jsonl, 2-of-2.jsonl: each contains a result of 1 case (faq/{stolen})"]


def _broken_off(shard: ShardRun, **fields: Any) -> ShardRun:
    suites = tuple(
        replace(suite, results=tuple(replace(result, outcome="not_run", trials=()) for result in suite.results))
        for suite in shard.run.suites
    )
    return replace(shard, run=replace(shard.run, suites=suites, **fields))


def test_a_shard_that_broke_off_is_named_with_its_cases() -> None:
    first, second = _parts(_whole(faq="PPPP"), 2)
    [line] = _refused([first, _broken_off(second)])
    assert line.startswith("2-of-2.jsonl: incomplete: 2 cases not run (faq/c")
    assert line.endswith("); run shard 2 of 2 again")


def test_a_shard_that_broke_off_is_named_beside_one_that_is_missing() -> None:
    first, second, _ = _parts(_whole(faq="PPPPPP"), 3)
    lines = _refused([first, _broken_off(second)], 3)
    assert [line.partition(":")[0] for line in lines] == ["shard 3 of 3 is missing (3-of-3.jsonl)", "2-of-3.jsonl"]


def test_a_case_that_another_shard_ran_is_not_lost() -> None:
    whole = _whole(faq="PPPP")
    everything = ShardRun("1-of-2.jsonl", Shard(1, 2), RunInfo(), replace(whole, id="all"))
    nothing = _broken_off(ShardRun("2-of-2.jsonl", Shard(2, 2), RunInfo(), replace(whole, id="none")))
    run, _ = merge(ShardFolder((everything, nothing)), 2)
    assert run.suites == whole.suites


def test_a_result_that_says_skipped_of_a_case_that_is_not_is_no_result() -> None:
    first, second = _parts(_whole(faq="PPPP"), 2)
    suite = second.run.suites[0]
    results = tuple(
        replace(result, outcome="skipped") if result.outcome == "passed" else result for result in suite.results
    )
    [line] = _refused([first, replace(second, run=replace(second.run, suites=(replace(suite, results=results),)))])
    assert "2-of-2.jsonl: incomplete: 2 cases not run" in line


def test_what_makes_a_shard_invalid_makes_the_run_invalid() -> None:
    first, second = _parts(_WHOLE, 2)
    broken = _broken_off(_without_sql(second), problems=("test_x.py could not be collected", "both"))
    run, _ = merge(ShardFolder((replace(first, run=replace(first.run, problems=("both",))), broken)), 2)
    assert run.problems == ("both", "test_x.py could not be collected")
    assert [suite.plan.name for suite in run.suites] == ["faq", "sql"]
    assert any(result.outcome == "not_run" for suite in run.suites for result in suite.results)


def test_a_shard_that_was_refused_its_calls_leaves_a_run_that_was() -> None:
    first, second = _parts(_WHOLE, 2)
    run, _ = merge(ShardFolder((first, _broken_off(second, refused="over budget"))), 2)
    assert run.refused == "shard 2 of 2: over budget"
    assert any(result.outcome == "not_run" for result in run.suites[0].results)


def test_names_are_shown_as_a_terminal_may_have_them() -> None:
    first, second = _parts(_whole(**{"f\x1b[31m": "PP"}), 2)
    lines = _refused([_broken_off(first), _broken_off(_retargeted(second))])
    assert lines
    assert all(line.isprintable() for line in lines)
