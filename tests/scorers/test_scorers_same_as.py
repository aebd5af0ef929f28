"""``same-as``: a variant compared with its original, of which the output may be missing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.scorers.asked import ScriptedClient, context_of

from pytest_evalgate.engine import Grading, grade_output
from pytest_evalgate.engine.suite_outputs import SuiteOutputs
from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.records.calls import CallFailed, CallRecord
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output, Score
from pytest_evalgate.scorers import build, build_all
from pytest_evalgate.testing import ScriptedTarget

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLACE = Place("golden/faq.jsonl", 2)


def _cases(*more: Case) -> list[Case]:
    return [
        Case("a", expected="14 days", place=Place("golden/faq.jsonl", 1)),
        Case("a~typo", expected="14 days", metadata={"variant_of": "a"}, place=PLACE),
        *more,
    ]


@dataclass
class _Suite:
    """A suite with scripted outputs, and the scorers ``specs``."""

    script: Mapping[str, Any]
    specs: Sequence[Any] = ("same-as",)
    cases: Sequence[Case] = field(default_factory=_cases)
    vectors: Mapping[str, Any] = field(default_factory=dict)
    target: Any = None

    def __post_init__(self) -> None:
        self.outputs = SuiteOutputs(self.cases)
        self.client = ScriptedClient(self.vectors)
        context = context_of(self.client)
        self.scorers = build_all(
            self.specs, context=type(context)(models=context.models, originals=self.outputs, place="s")
        )
        self.grading = Grading(self.scorers)
        self.target = self.target or ScriptedTarget(self.script)
        self.outputs.connect(self.target, lambda _: self.grading)

    def score(self, output: Any, case: int = 1, trial: int = 0) -> Score:
        scorer: Any = self.scorers[0]
        found: Score = asyncio.run(scorer.of_trial(trial).score(self.cases[case], Output(output)))
        return found

    def problem(self, case: int = 1) -> str | None:
        scorer: Any = self.scorers[0]
        found: str | None = scorer.case_problem(self.cases[case])
        return found


@pytest.mark.parametrize(
    ("spec", "output", "passed"),
    [
        ("same-as", " 14 days\n", True),
        ("same-as", "14 Days", False),
        ({"kind": "same-as", "ignore_case": True}, "14 Days", True),
        ({"kind": "same-as", "strip": False}, " 14 days", False),
        ({"kind": "same-as", "collapse_space": True}, "14   days", True),
        ("not-same-as", "14 days", False),
        ("not-same-as", "30 days", True),
    ],
)
def test_the_output_is_compared_with_that_of_the_original(spec: Any, output: str, *, passed: bool) -> None:
    found = _Suite({"a": "14 days"}, [spec]).score(output)
    assert found.passed is passed
    assert found.value == float(passed)


def test_structured_outputs_and_parts_are_compared() -> None:
    suite = _Suite({"a": {"days": 14, "id": 1}}, [{"kind": "same-as", "field": "days"}, "same-as"])
    assert suite.score('{"days": 14.0, "id": 2}').passed is True
    assert suite.score('{"id": 2}').reason == "the output has no days"
    assert asyncio.run(suite.scorers[1].score(suite.cases[1], Output({"id": 1, "days": 14}))).passed is True


def test_the_original_is_asked_for_the_same_trial() -> None:
    suite = _Suite({"a": "14 days"})
    suite.score("14 days", trial=2)
    assert suite.target.asked == [("a", 2)]
    trial = asyncio.run(grade_output(suite.grading, suite.cases[1], 3, Output("14 days")))
    assert (trial.value, suite.target.asked[-1]) == (1.0, ("a", 3))


def test_a_missing_original_makes_the_score_unknown_and_never_a_pass() -> None:
    for spec in ("same-as", "not-same-as"):
        found = _Suite({}, [spec]).score("14 days")
        assert (found.value, found.passed, found.may_change) == (None, None, True)
        assert found.reason == 'the original "a" has no output: the script has no output for a'
    record = CallRecord("target", "m", 5)
    final = CallFailed("refused", record, is_final=True)
    found = _Suite({"a": final}).score("14 days")
    assert (found.value, found.may_change, found.calls) == (None, False, (record,))


def test_an_original_that_failed_is_not_the_same_nor_another_one() -> None:
    for spec in ("same-as", "not-same-as"):
        found = _Suite({"a": ValueError("no model")}, [spec]).score("14 days")
        assert (found.value, found.passed) == (0.0, False)
        assert found.reason == 'the original "a" failed: ValueError: no model'


@dataclass
class _Target:
    output: Output

    async def answer(self, case: Case, trial: int) -> Output:  # noqa: ARG002 - the seam's signature
        return self.output


def test_an_original_that_was_cut_off_is_not_compared() -> None:
    suite = _Suite({}, target=_Target(Output("14 da", finish="length")))
    assert suite.score("14 da").reason.startswith('the original "a" failed: the reply was cut off')


def test_the_reasoning_of_the_original_is_not_compared() -> None:
    assert _Suite({}, target=_Target(Output("<think>hm</think>14 days"))).score("14 days").passed is True


def test_a_call_for_the_original_is_counted_where_it_was_sent() -> None:
    sent = CallRecord("target", "m", 1, 10, 5, 0.1)
    assert _Suite({}, target=_Target(Output("x", call=sent))).score("x").calls == (sent,)
    cached = CallRecord("target", "m", 0, 10, 5, 0.0)
    assert _Suite({}, target=_Target(Output("x", call=cached))).score("x").calls == ()


def test_by_similar_compares_embeddings() -> None:
    spec = {"kind": "same-as", "by": "similar", "threshold": 0.9}
    suite = _Suite({"a": "14 days"}, [spec], vectors={"14 days": [1.0, 0.0], "two weeks": [0.95, 0.1], "no": [0.0, 1]})
    found = suite.score("two weeks")
    assert (found.passed, len(found.calls), found.name) == (True, 2, "same-as")
    assert found.reason == 'cosine 0.995 with "14 days"'
    assert suite.score("no").passed is False
    negated = _Suite({"a": "14 days"}, [{**spec, "kind": "not-same-as"}], vectors=suite.vectors)
    assert (negated.score("two weeks").passed, negated.score("no").passed) == (False, True)
    assert _Suite({"a": ""}, [spec]).score("x").passed is False
    assert len([*suite.scorers[0].calls_of(suite.cases[1], Output("two weeks"))]) == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("original", "variant", "passed"),
    [("14 days", "14 days", True), ("14 days", "30 days", False), ("30 days", "14 days", False), ("x", "y", True)],
)
def test_by_passes_compares_the_results_of_the_other_scorers(original: str, variant: str, *, passed: bool) -> None:
    suite = _Suite({"a": original}, [{"kind": "same-as", "by": "passes"}, "exact"])
    found = suite.score(variant)
    assert found.passed is passed
    if not passed:
        results = ["passes", "misses"] if variant == "14 days" else ["misses", "passes"]
        assert found.reason == f'{results[0]}, and the original "a" {results[1]}'


def test_by_passes_counts_an_original_that_failed_as_missed() -> None:
    suite = _Suite({"a": ValueError("x")}, [{"kind": "same-as", "by": "passes"}, "exact"])
    assert (suite.score("14 days").passed, suite.score("30 days").passed) == (False, True)
    assert _Suite({}, suite.specs).score("14 days").value is None


def test_an_original_of_the_base_branch_is_that_of_its_side() -> None:
    base = Case("a@base", side="base")
    variant = Case("b@base", metadata={"variant_of": "a"}, side="base")
    outputs = SuiteOutputs([*_cases(), base, variant])
    assert (outputs.find(variant), outputs.find(_cases()[1])) == (base, _cases()[0])
    assert SuiteOutputs([*_cases(), variant]).find(variant) == _cases()[0]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"variant_of": "b"}, 'metadata.variant_of = "b": the suite has no such case'),
        ({"variant_of": "a~typ"}, 'metadata.variant_of = "a~typ": the suite has no such case; did you mean "a~typo"?'),
        ({"variant_of": "x"}, 'metadata.variant_of = "x": the case cannot be a variant of itself'),
        ({"variant_of": 7}, "metadata.variant_of must be the id of the case that this one is a variant of"),
        ({}, "metadata.variant_of must be the id of the case that this one is a variant of"),
        (
            {"variant_of": "off"},
            'metadata.variant_of = "off": that case is skipped, so it has no output: skip the variant as well',
        ),
        ({"variant_of": "a"}, None),
    ],
)
def test_a_name_that_no_case_has_is_refused_before_the_run(metadata: Any, message: str | None) -> None:
    suite = _Suite({}, cases=_cases(Case("x", metadata=metadata), Case("off", skip="later")))
    assert suite.problem(2) == message
    if message is not None and "skipped" not in message:
        with pytest.raises(ScorerError, match='case "x": same-as: '):
            suite.score("y", case=2)


def test_by_passes_needs_another_scorer() -> None:
    suite = _Suite({}, [{"kind": "same-as", "by": "passes"}])
    assert suite.problem() == 'by = "passes" compares what the other scorers decide: add another scorer'


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"by": "size"}, "same-as: by: "),
        ({"threshold": 0.9}, 'same-as: threshold is for by = "similar": remove it'),
        ({"by": "similar"}, 'same-as: by = "similar" needs a threshold, the least cosine that passes'),
        ({"by": "passes", "field": "x"}, 'same-as: by = "passes" compares results, not a part of the output'),
    ],
)
def test_a_specification_that_cannot_be_used_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _Suite({}, [{"kind": "same-as", **more}])
    assert f"s[0]: {message}" in str(caught.value)


def test_it_is_a_scorer_of_a_suite_alone() -> None:
    with pytest.raises(SettingsError, match="same-as compares two cases of a suite"):
        build("same-as", context=context_of(ScriptedClient({})))


def test_a_comparison_that_warns_decides_nothing() -> None:
    specs = ({"kind": "same-as", "severity": "warn"}, "exact")
    found = _Suite({"a": "14 days"}, specs).score("15 days")
    assert (found.passed, found.counts) == (False, False)
