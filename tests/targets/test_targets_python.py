from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import threading
import time
from decimal import Decimal
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets import as_output
from pytest_evalgate.targets.python import wrap_function
from pytest_evalgate.usercode import UserCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_CASE = Case("1", input="hi", metadata={"lang": "de"})


def _ask(function: Callable[..., Any], case: Case = _CASE) -> Output:
    with contextlib.closing(UserCode()) as code, contextlib.closing(wrap_function(function, code)) as target:
        return asyncio.run(target.answer(case, 0))


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
def test_any_callable_can_be_a_target(function: Callable[..., Any], value: Any) -> None:
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
def test_the_function_gets_the_input_messages_or_vars(case: Case, asked: Any) -> None:
    assert _ask(lambda given: {"asked": given}, case).value == {"asked": asked}


def test_latency_is_measured_unless_the_target_returns_it() -> None:
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
        Output("x", {"a": math.nan}),
    ],
)
def test_values_that_are_not_json_are_refused_at_any_depth(returned: Any) -> None:
    with pytest.raises(TypeError, match="the target returned a value that is not JSON"):
        as_output(returned)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"latency_s": math.nan}, "latency_s = nan: return seconds"),
        ({"latency_s": math.inf}, "latency_s = inf: return seconds"),
        ({"latency_s": -1.0}, "latency_s = -1.0: return seconds"),
        ({"latency_s": 10**400}, "latency_s = 1000"),
        ({"latency_s": True}, "latency_s = True"),
        ({"latency_s": "1"}, "latency_s = '1'"),
        ({"finish": "stop"}, "finish = 'stop': return one of complete, length"),
        ({"finish": ["stop"]}, r"finish = \['stop'\]"),
        ({"finish": None}, "finish = None"),
        ({"metadata": None}, "metadata of type NoneType"),
        ({"metadata": [("a", 1)]}, "metadata of type list"),
        ({"call": {}}, "call of type dict"),
        ({"reasoning": None}, "reasoning of type NoneType"),
    ],
)
def test_a_field_that_no_run_file_can_hold_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(TypeError, match=f"the target returned {problem}"):
        as_output(Output("x", **fields))


def test_an_output_that_could_not_be_stored_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(TypeError, match="returned reasoning of type list"):
        as_output(Output("x", reasoning=["y"]))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="nested deeper than 64"):
        as_output(deep)
    with pytest.raises(TypeError, match="return at most"):
        as_output("x" * (5 << 20))


def test_a_callable_may_take_the_input_and_the_case() -> None:
    def both(question: str, case: Case) -> str:
        return f"{case.id}: {question}"

    output = _ask(both, Case("a", input="why"))
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


def test_a_plain_function_runs_in_a_thread() -> None:
    assert _ask(lambda _: threading.current_thread().name).value.startswith("evalgate-target")


def test_an_async_function_runs_on_the_loop_of_the_users_code() -> None:
    async def where(_: object) -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert _ask(where).value == "evalgate-code"


def test_an_awaitable_from_a_plain_function_is_awaited_on_the_loop() -> None:
    def begin(text: str) -> Awaitable[str]:
        assert threading.current_thread() is not threading.main_thread()
        return _upper(text)

    assert _ask(begin).value == "HI"


def _ask_many(function: Callable[..., Any], count: int, max_concurrency: int) -> list[Output]:
    code = UserCode()
    target = wrap_function(function, code, max_concurrency=max_concurrency)

    async def ask() -> list[Output]:
        return await asyncio.gather(*(target.answer(_CASE, trial) for trial in range(count)))

    try:
        return asyncio.run(ask())
    finally:
        target.close()
        code.close()


def test_plain_functions_run_side_by_side() -> None:
    together = threading.Barrier(3, timeout=60)  # breaks unless three calls wait at it at the same time

    def meet(_: object) -> str:
        together.wait()
        return "met"

    assert [output.value for output in _ask_many(meet, 3, 3)] == ["met"] * 3


def test_no_more_async_calls_run_at_a_time_than_allowed() -> None:
    running: list[int] = []
    most: list[int] = []

    async def count(_: object) -> str:
        running.append(1)
        most.append(len(running))
        await asyncio.sleep(0.001)
        running.pop()
        return "x"

    _ask_many(count, 10, 3)
    assert max(most) == 3


def test_context_variables_reach_the_thread_and_stay_there() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("outside")

    def look(_: object) -> str:
        seen = variable.get()
        variable.set("inside")
        return seen

    assert _ask(look).value == "outside"
    assert variable.get() == "outside"


def test_latency_does_not_count_the_wait_for_a_slot() -> None:
    lasted: list[float] = []

    def note(_: object) -> str:
        begun = time.perf_counter()
        time.sleep(0.02)
        lasted.append(time.perf_counter() - begun)
        return "x"

    last = _ask_many(note, 5, 1)[-1].latency_s
    assert last is not None
    assert last < sum(lasted), "the last call waited for four others"


def test_a_closed_target_calls_nothing() -> None:
    target = wrap_function(lambda text: text, UserCode())
    target.close()
    with pytest.raises(RuntimeError, match="shutdown"):
        asyncio.run(target.answer(_CASE, 0))


def test_the_finish_reason_of_an_output_is_kept() -> None:
    assert as_output(Output("cut", finish="length")).finish == "length"
