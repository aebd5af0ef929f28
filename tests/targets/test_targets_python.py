from __future__ import annotations

import asyncio
import math
from decimal import Decimal
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.data import Case, Output
from pytest_evalgate.targets import as_output, wrap

if TYPE_CHECKING:
    from collections.abc import Callable

_CASE = Case("1", input="hi", metadata={"lang": "de"})


def _ask(function: Callable[..., Any], case: Case = _CASE) -> Output:
    return asyncio.run(wrap(function).answer(case, 0))


async def _upper(text: str) -> str:
    await asyncio.sleep(0)
    return text.upper()


class _Bot:
    def answer(self, text: str) -> dict[str, Any]:
        return {"text": text}

    async def __call__(self, text: str) -> str:
        return text


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (lambda text: text + "!", "hi!"),
        (_upper, "HI"),
        (_Bot().answer, {"text": "hi"}),
        (_Bot(), "hi"),
        (partial("{}{}".format, "oh "), "oh hi"),
        (str.upper, "HI"),
        (lambda _: Output(["a", 1]), ["a", 1]),
        (lambda case: case.id, "1"),
        (lambda *, case: case.metadata["lang"], "de"),
    ],
)
def test_what_may_be_a_target(function: Callable[..., Any], value: Any) -> None:
    assert _ask(function).value == value


def test_a_callable_whose_signature_cannot_be_read_is_given_the_input() -> None:
    assert _ask(dict, Case("1", input=[["a", 1]])).value == {"a": 1}
    assert _ask(itemgetter("q"), Case("1", input={"q": "x"})).value == "x"


@pytest.mark.parametrize(
    ("case", "asked"),
    [
        (Case("1", input="x", vars={"a": 1}), "x"),
        (Case("1", messages=({"role": "user", "content": "x"},)), [{"role": "user", "content": "x"}]),
        (Case("1", vars={"a": 1}), {"a": 1}),
        (Case("1"), None),
    ],
)
def test_what_is_asked(case: Case, asked: Any) -> None:
    assert _ask(lambda given: {"asked": given}, case).value == {"asked": asked}


def test_latency_is_measured_unless_the_target_says_it() -> None:
    measured = _ask(lambda _: "x").latency_s
    assert measured is not None
    assert 0 <= measured < 5
    assert _ask(lambda _: Output("x", latency_s=1.5)).latency_s == 1.5


@pytest.mark.parametrize("returned", [None, 1, 1.5, True, b"x", ["x"], ("x",), object()])
def test_other_returns_are_refused_by_their_type(returned: Any) -> None:
    with pytest.raises(TypeError, match=f"returned {type(returned).__name__}: return a str, a dict or an Output"):
        as_output(returned)


@pytest.mark.parametrize(
    "returned",
    [
        {"a": math.nan},
        {"a": {1, 2}},
        {"a": Decimal(1)},
        Output(math.inf),
        Output(Decimal(1)),
        Output("x", {"cost": Decimal(1)}),
        Output("x", {"response": object()}),
        Output("x", latency_s=math.nan),
    ],
)
def test_what_json_cannot_hold_is_refused_wherever_it_stands(returned: Any) -> None:
    with pytest.raises(TypeError, match="the target returned what JSON cannot hold"):
        as_output(returned)


def test_an_output_that_could_not_be_stored_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(TypeError, match="nested deeper than 64"):
        as_output(deep)
    with pytest.raises(TypeError, match="return at most"):
        as_output("x" * (5 << 20))


def test_a_callable_may_ask_for_the_input_and_the_case() -> None:
    def both(question: str, case: Case) -> str:
        return f"{case.id}: {question}"

    output = asyncio.run(wrap(both).answer(Case("a", input="why"), 0))
    assert output.value == "a: why"


def test_outputs_are_copies_of_plain_values() -> None:
    class Text(str):
        __slots__ = ()

    given = {"items": ("a", Text("b"))}
    output = as_output(Output(given, {"usage": (1, 2)}))
    given.clear()
    assert output == Output({"items": ["a", "b"]}, {"usage": [1, 2]})
    assert type(output.value["items"][1]) is str
    assert type(as_output(Text("x")).value) is str
