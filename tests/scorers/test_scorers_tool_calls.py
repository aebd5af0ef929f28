from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import Context, build
from pytest_evalgate.scorers.tool_calls import tool_calls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.scorers.conftest import ScoreOf


def _graded(calls: Any, expected: Any, **params: Any) -> tuple[float | None, str]:
    wanted = None if expected is None else tuple(expected)
    return tool_calls(Case("1", expected_tools=wanted), Output("x", {"trajectory": calls}), **params)


_MODES = ("exact", "ordered", "unordered", "subset", "superset")


@pytest.mark.parametrize(
    ("made", "expected", "passing"),
    [
        ("ab", "ab", "exact ordered unordered subset superset"),
        ("ba", "ab", "unordered subset superset"),
        ("axb", "ab", "ordered superset"),
        ("bxa", "ab", "superset"),
        ("a", "ab", "subset"),
        ("aab", "ab", "ordered superset"),
        ("ab", "aab", "subset"),
        ("", "ab", "subset"),
        ("xy", "ab", ""),
        ("", "", "exact ordered unordered subset superset"),
        ("a", "", "ordered superset"),
    ],
)
def test_modes(made: str, expected: str, passing: str) -> None:
    values = {mode: _graded(list(made), list(expected), mode=mode)[0] for mode in _MODES}
    assert {mode for mode, value in values.items() if value == 1} == set(passing.split())
    assert set(values.values()) <= {0, 1}


def _call(**arguments: Any) -> dict[str, Any]:
    return {"name": "book", "arguments": arguments}


@pytest.mark.parametrize(
    ("made", "expected", "passing"),
    [
        ({"city": "Paris", "n": 2}, {"n": 2.0, "city": "Paris"}, "equal subset ignore one-of"),
        ({"city": "Paris", "n": 2}, {"city": "Paris"}, "subset ignore"),
        ({"city": "Paris"}, {"city": "Paris", "n": 2}, "ignore"),
        ({"city": "paris"}, {"city": "Paris"}, "ignore"),
        ({"city": "Paris"}, {"city": ["Rome", "Paris"]}, "ignore one-of"),
        ({"city": "Oslo"}, {"city": ["Rome", "Paris"]}, "ignore"),
        ({}, {"city": ["Rome", ""]}, "ignore one-of"),
        ({}, {"city": [""]}, "ignore one-of"),
        ({}, {"city": ["Rome"]}, "ignore"),
        ({"city": ["Rome", "Paris"]}, {"city": ["Rome", "Paris"]}, "equal subset ignore"),
        ({"city": ["Rome", "Paris"]}, {"city": [["Rome", "Paris"]]}, "ignore one-of"),
        ({"at": {"city": "Rome"}}, {"at": [{"city": ["Rome"], "zip": ["1", ""]}]}, "ignore one-of"),
        ({"at": {"city": "Rome", "x": 1}}, {"at": [{"city": ["Rome"]}]}, "ignore"),
        ({"at": [{"city": "Rome"}]}, {"at": [[{"city": ["Rome", "Oslo"]}]]}, "ignore one-of"),
        ({"at": [{"city": "Rome"}]}, {"at": [[{"city": ["Rome"]}, {"city": ["Oslo"]}]]}, "ignore"),
        ({"n": True}, {"n": 1}, "ignore"),
        ({"n": "2"}, {"n": 2}, "ignore"),
    ],
    ids=str,
)
def test_arguments(made: dict[str, Any], expected: dict[str, Any], passing: str) -> None:
    ways = ("equal", "subset", "ignore", "one-of")
    values = {args: _graded([_call(**made)], [_call(**expected)], args=args)[0] for args in ways}
    assert {args for args, value in values.items() if value == 1} == set(passing.split())


def test_an_expected_call_without_arguments_has_any() -> None:
    assert _graded([_call(city="Paris")], ["book"])[0] == 1
    assert _graded([_call(city="Paris")], [{"name": "book"}])[0] == 1
    assert _graded([_call(city="Paris")], [{"name": "book", "arguments": {}}])[0] == 0


def test_arguments_that_are_not_compared() -> None:
    made, wanted = _call(city="Paris", thought="a"), _call(city="Paris", reason="b")
    assert _graded([made], [wanted], ignore_args=["thought", "reason"])[0] == 1
    assert _graded([made], [wanted], ignore_args=["thought"])[0] == 0


@pytest.mark.parametrize(("loose", "value"), [(True, 1), (False, 0)])
def test_loose_texts(value: float, *, loose: bool) -> None:
    made = _call(city="new-york, NY.", to=["O'Hare"], at={"day": "May 1st"})
    wanted = _call(city="New York NY", to=['o"hare'], at={"day": "may 1st"})
    assert _graded([made], [wanted], loose_text=loose)[0] == value


@pytest.mark.parametrize(
    ("made", "expected", "params", "reason"),
    [
        (["a", "c"], ["a", "b"], {}, 'call 2: "c" instead of "b"'),
        (["a"], ["a", "b"], {}, "call 2 is missing: b"),
        (["a", "b", "c"], ["a", "b"], {}, 'call 3: "c" is one call too many'),
        (["a"], [], {}, 'call 1: "a", but no tool should be called'),
        ([], ["a"], {"mode": "superset"}, '"a" was not called'),
        (["b", "a"], ["a", "b"], {"mode": "ordered"}, "expected call 1 was not made in this order: a"),
        (["a"], ["a", "a"], {"mode": "superset"}, "expected call 2 was not made: a"),
        (["a", "x"], ["a"], {"mode": "subset"}, 'call 2: "x" is one call too many'),
        (
            ["a", _call(city="Paris")],
            ["a", _call(city=["Berlin", "Rome"])],
            {"args": "one-of"},
            'call 2: argument "city": "Paris" instead of one of "Berlin", "Rome"',
        ),
        (
            [_call(city="Paris")],
            [_call(city=["Berlin", ""])],
            {"args": "one-of", "mode": "superset"},
            'call 1: argument "city": "Paris" instead of "Berlin"',
        ),
        ([_call(n=1)], [_call(n=[""])], {"args": "one-of"}, 'call 1: argument "n": 1 instead of nothing'),
        (
            [_call(n=9)],
            [_call(n=[1, 2, 3, 4, 5])],
            {"args": "one-of"},
            'call 1: argument "n": 9 instead of one of 1, 2, 3 and 2 more',
        ),
        ([_call()], [_call(city="Rome")], {}, 'call 1: argument "city" is missing'),
        (
            [_call(flights=[{"no": 1, "day": 2}, {"no": 2, "day": 3}])],
            [_call(flights=[{"no": 1, "day": 2}, {"no": 2, "day": 4}])],
            {},
            'call 1: argument "flights.1.day": 3 instead of 4',
        ),
        ([_call(at={"a": 1, "b": 2})], [_call(at={"a": 1})], {}, 'call 1: argument "at.b" is not expected'),
        ([_call(at={"a": 1})], [_call(at={"a": 1, "b": 2})], {}, 'call 1: argument "at.b" is missing'),
        ([_call(n=[1])], [_call(n=[1, 2])], {}, 'call 1: argument "n": [1] instead of [1,2]'),
        ([_call(city="Rome", n=1)], [_call(city="Rome")], {}, 'call 1: argument "n" is not expected'),
        (["book"], [_call(city="Rome")], {}, "call 1: its arguments are not recorded"),
        ([{"name": "book", "arguments": "{"}], [_call(city="Rome")], {}, "call 1: its arguments are not JSON"),
        (["a", "b"], ["a", "b"], {}, "calls a, b"),
        (list("abcdefghij"), list("abcdefghij"), {}, "calls a, b, c, d, e, f, g, h and 2 more"),
        (["a\x1b[31m"], ["a\x1b[31m"], {}, "calls a\\x1b[31m"),
        ([], ["a\x1b[31m"], {}, "call 1 is missing: a\\x1b[31m"),
        ([], [], {}, "no tool was called"),
        (["b"], ["a", "b"], {"graded": True}, '1 of 2 expected calls in 1: call 1: "b" instead of "a"'),
    ],
    ids=str,
)
def test_the_reason_is_the_first_difference(made: Any, expected: Any, params: dict[str, Any], reason: str) -> None:
    assert _graded(made, expected, **params)[1].startswith(reason)


def test_of_calls_that_fit_several_expected_ones_the_best_pairs_count() -> None:
    wanted = [_call(city=["Rome", "Oslo"]), _call(city=["Rome"]), _call(city=["Oslo", "Bonn"])]
    made = [_call(city="Rome"), _call(city="Oslo"), _call(city="Bonn")]
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        calls = [made[index] for index in order]
        assert _graded(calls, wanted, mode="unordered", args="one-of")[0] == 1


# --- where the calls come from -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "value"),
    [
        ({"expected_tools": ("book",)}, 1),
        ({"expected_tools": ("book",), "expected": {"calls": ["other"]}}, 1),
        ({"expected": {"calls": [{"name": "book", "arguments": {}}]}}, 1),
        ({"expected": {"actions": [{"name": "book", "kwargs": {}}]}}, 1),
        ({"expected": {"tool_calls": [{"function": {"name": "book", "arguments": "{}"}}]}}, 1),
        ({"expected": {"calls": []}}, 0),
        ({"expected_tools": ()}, 0),
    ],
    ids=str,
)
def test_expected_calls_of_a_case(case: dict[str, Any], value: float, score_of: ScoreOf) -> None:
    output = {"content": None, "tool_calls": [{"name": "book", "arguments": {}}]}
    assert score_of("tool-calls", output, **case).value == value


def test_the_calls_of_an_assert(score_of: ScoreOf) -> None:
    spec = {"kind": "tool-calls", "calls": ["book"], "name": "books"}
    assert score_of(spec, {"tool_calls": [{"name": "book"}]}, expected_tools=("other",)).value == 1


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({}, 'no expected calls: add "expected_tools" to the case, \\[\\] if no tool should be called'),
        ({"expected": "book"}, "no expected calls"),
        ({"expected": {"calls": "book"}}, "no expected calls"),
        ({"expected_tools": (7,)}, r"expected_tools\[0\] is 7: write the name of a tool, or an object such as"),
        ({"expected_tools": ("a", {"arguments": {}})}, r"expected_tools\[1\] is"),
        (
            {"expected": {"calls": [{"name": "a", "arguments": "{"}]}},
            r"expected.calls\[0\]: its arguments are not JSON",
        ),
        ({"expected_tools": ({"name": "a", "arguments": [1]},)}, r"expected_tools\[0\]: its arguments are \[1\], not"),
    ],
    ids=str,
)
def test_cases_that_cannot_be_graded_are_refused_before_the_run(case: dict[str, Any], message: str) -> None:
    built: Any = build("tool-calls", context=Context())
    asked = Case("1", place=Place("golden/faq.jsonl", 3), **case)
    with pytest.raises(ScorerError, match=message):
        tool_calls(asked, Output("x", {"tool_calls": []}))
    assert built.case_problem(asked) is not None


@pytest.mark.parametrize(
    ("expected", "mode", "value"),
    [
        (["a"], "exact", 0),
        (["a"], "superset", 0),
        (["a"], "subset", None),
        ([], "exact", None),
        ([], "superset", None),
    ],
)
def test_an_output_that_says_nothing_about_its_calls_never_passes(expected: Any, mode: Any, value: Any) -> None:
    graded = tool_calls(Case("1", expected_tools=tuple(expected)), Output("It is booked."), mode=mode)
    assert graded[0] == value
    assert graded[1].startswith("the output does not contain its tool calls")


def test_a_trajectory_of_an_unknown_format_is_unknown() -> None:
    assert _graded([{"step": 1}], ["a"]) == (
        None,
        'metadata.trajectory[0] is neither a message nor a tool call: {"step":1}',
    )


@pytest.mark.parametrize("kind", ["not-tool-calls", "not-steps"])
def test_there_is_no_negation(kind: str) -> None:
    with pytest.raises(SettingsError, match=f'unknown scorer "{kind}"'):
        build({"kind": kind}, context=Context())


# --- schemas of the tools ----------------------------------------------------------------------------------------

_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "book",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "n": {"type": "integer", "minimum": 1}},
                "required": ["city"],
            },
        },
    },
    {"name": "wait", "input_schema": {"type": "object", "properties": {}}},
]


@pytest.mark.parametrize(
    ("made", "mode", "value", "reason"),
    [
        ([_call(city="Rome", n=1)], "superset", 1, "calls book"),
        ([_call(city="Rome", n=0)], "superset", 0, 'call 1: argument "n": 0 is less than the minimum of 1'),
        ([_call(city="Rome"), {"name": "wait"}], "superset", 0, "call 2: its arguments are not recorded"),
        ([_call(city="Rome"), {"name": "wait", "arguments": {}}], "superset", 1, ""),
        ([_call(city="Rome"), {"name": "wait", "arguments": {"s": 1}}], "superset", 0, "call 2: "),
        (
            [_call(city="Rome"), {"name": "fly", "arguments": {}}],
            "ordered",
            0,
            'call 2: "fly" is not one of the tools',
        ),
    ],
    ids=str,
)
def test_the_arguments_of_every_call_are_validated(made: Any, mode: Any, value: float, reason: str) -> None:
    graded = _graded(made, ["book"], mode=mode, schema=True, tools=_TOOLS)
    assert graded[0] == value
    assert graded[1].startswith(reason)


def test_an_invalid_call_beside_the_expected_ones_lowers_their_share() -> None:
    made = [_call(city="Rome"), _call(city="Oslo"), _call(town="Bonn")]
    for more, value in ((0, 1), (1, 1), (2, 1 / 2)):
        calls = made[: more + 1]
        graded = _graded(calls, [_call(city="Rome")], mode="superset", graded=True, schema=True, tools=_TOOLS)
        assert graded[0] == value


def test_the_tools_of_the_target_are_the_default(score_of: ScoreOf) -> None:
    context = Context(tools=_TOOLS)
    built: Any = build({"kind": "tool-calls", "schema": True}, context=context)
    case = Case("1", expected_tools=("book",))
    assert built.case_problem(case) is None
    assert built.case_problem(Case("1", expected_tools=("fly",))) == '"fly" is not one of the tools: book, wait'
    alone: Any = build({"kind": "tool-calls", "schema": True}, context=Context())
    assert alone.case_problem(case).startswith("schema = true needs the tools")
    assert score_of("tool-calls", {"tool_calls": ["book"]}, expected_tools=("book",)).passed


# --- the graded variant, and the definitions of pydantic-evals ---------------------------------------------------


def _longest_common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest list that is a subsequence of both, by trying all subsequences."""

    def contains(longer: Sequence[str], shorter: Sequence[str]) -> bool:
        rest = iter(longer)
        return all(item in rest for item in shorter)

    sizes = range(len(one), 0, -1)
    return next((size for size in sizes if any(contains(other, part) for part in combinations(one, size))), 0)


def _f1(found: int, made: int, expected: int) -> float:
    if not made and not expected:
        return 1.0
    precision, recall = found / made if made else 0.0, found / expected if expected else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


_SEQUENCES = st.lists(st.sampled_from("abcd"), max_size=7)


@given(_SEQUENCES, _SEQUENCES)
def test_trajectory_match_and_tool_correctness_of_pydantic_evals(made: list[str], expected: list[str]) -> None:
    # https://ai.pydantic.dev/evals/evaluators/agentic
    overlap = sum(min(made.count(name), expected.count(name)) for name in set(expected))
    in_order = _longest_common_subsequence(made, expected)
    exact = float(made == expected)
    assert _graded(made, expected)[0] == exact
    assert _graded(made, expected, mode="ordered", graded=True)[0] == pytest.approx(
        _f1(in_order, len(made), len(expected))
    )
    assert _graded(made, expected, mode="unordered", graded=True)[0] == pytest.approx(
        _f1(overlap, len(made), len(expected))
    )
    recall = overlap / len(expected) if expected else 1.0
    assert _graded(made, expected, mode="superset", graded=True)[0] == pytest.approx(recall)
    precision = overlap / len(made) if made else 1.0
    assert _graded(made, expected, mode="subset", graded=True)[0] == pytest.approx(precision)
    missing, extra = len(expected) - overlap, len(made) - overlap
    assert _graded(made, expected, mode="superset")[0] == float(not missing)  # ToolCorrectness(allow_extra=True)
    assert _graded(made, expected, mode="unordered")[0] == float(not missing and not extra)


def test_the_example_of_pydantic_evals() -> None:
    value, reason = _graded(["a", "x", "b"], ["a", "b", "c"], mode="ordered", graded=True)
    assert value == pytest.approx(2 / 3)
    assert reason.startswith("2 of 3 expected calls in 3: ")


@given(_SEQUENCES, _SEQUENCES, st.sampled_from(["exact", "unordered", "subset", "superset"]))
def test_the_graded_value_is_1_if_the_calls_pass(made: list[str], expected: list[str], mode: Any) -> None:
    is_right = _graded(made, expected, mode=mode)[0] == 1
    assert (_graded(made, expected, mode=mode, graded=True)[0] == 1) is is_right


def test_many_calls(score_of: ScoreOf) -> None:
    made = [_call(n=number % 7) for number in range(200)]
    wanted = tuple(_call(n=number % 5) for number in range(20))
    for mode in _MODES:
        score = score_of({"kind": "tool-calls", "mode": mode}, json.dumps({"tool_calls": made}), expected_tools=wanted)
        assert score.value is not None
