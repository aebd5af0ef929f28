from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.engine.cache import CachedTarget, ReadThroughCache, ReplyCache
from pytest_evalgate.records.calls import CallFailed, CallRecord
from pytest_evalgate.records.results import Case, Output

if TYPE_CHECKING:
    from pytest_evalgate.engine.cache import Signer
    from pytest_evalgate.protocols import Target

_CASE = Case("refund-1", input="how long?", fingerprint="f" * 64)


class _App:
    """Returns what it was made with, and counts."""

    def __init__(self, output: Output | BaseException) -> None:
        self.output = output
        self.asked = 0

    async def answer(self, case: Case, trial: int) -> Output:  # noqa: ARG002 - the seam's signature
        self.asked += 1
        if isinstance(self.output, BaseException):
            raise self.output
        return self.output


def _target(app: _App, cache: ReplyCache, *, version: str = "1", offline: bool = False) -> CachedTarget:
    memory = ReadThroughCache(cache, offline=offline)
    return CachedTarget(app, memory, kind="python", endpoint="app:answer", suite="faq", version=version)


def _answer(target: Target, case: Case = _CASE, trial: int = 0) -> Output:
    return asyncio.run(_asked(target, case, trial))


async def _asked(target: Target, case: Case, trial: int) -> Output:
    return await target.answer(case, trial)


def test_an_application_is_asked_once_for_each_case_and_trial(cache: ReplyCache) -> None:
    app = _App(Output("30 days", {"source": "faq"}, latency_s=0.5))
    target = _target(app, cache)
    first, again = _answer(target), _answer(target)
    assert first == Output(
        "30 days", {"source": "faq"}, 0.5, call=CallRecord("target", "app:answer", 1, None, None, 0.0, 0.5)
    )
    assert again == replace(first, call=CallRecord("target", "app:answer", 0, None, None, 0.0, 0.5))
    _answer(target, trial=1)
    assert app.asked == 2


@pytest.mark.parametrize(
    ("case", "version"),
    [(replace(_CASE, fingerprint="0" * 64), "1"), (replace(_CASE, id="refund-2"), "1"), (_CASE, "2")],
)
def test_another_content_id_or_version_is_asked_anew(cache: ReplyCache, case: Case, version: str) -> None:
    app = _App(Output("x"))
    _answer(_target(app, cache))
    _answer(_target(app, cache, version=version), case)
    assert app.asked == 2


def test_tags_and_metadata_of_a_case_do_not_matter(cache: ReplyCache) -> None:
    app = _App(Output("x"))
    _answer(_target(app, cache))
    _answer(_target(app, cache), replace(_CASE, tags=("new",), metadata={"a": 1}))
    assert app.asked == 1


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3), CallFailed("no answer")])
def test_what_it_raises_is_raised_and_not_remembered(cache: ReplyCache, error: BaseException) -> None:
    app = _App(error)
    for asked in (1, 2):
        with pytest.raises(type(error)) as raised:
            _answer(_target(app, cache))
        assert raised.value is error
        assert app.asked == asked


def test_an_application_that_exits_does_not_take_the_loop_with_it(cache: ReplyCache) -> None:
    async def asked() -> str:
        try:
            await _target(_App(SystemExit(3)), cache).answer(_CASE, 0)
        except SystemExit:
            await asyncio.sleep(0)
        return "the loop lives"

    assert asyncio.run(asked()) == "the loop lives"


def test_an_answer_that_is_not_complete_is_not_remembered(cache: ReplyCache) -> None:
    app = _App(Output("half", finish="length"))
    assert [_answer(_target(app, cache)).finish for _ in range(2)] == ["length", "length"]
    assert app.asked == 2


@pytest.mark.parametrize(("value", "seen"), [((1, 2), [1, 2]), ({1: "a"}, {"1": "a"}), ({"a": None}, {"a": None})])
def test_a_value_is_the_same_the_first_time_and_the_second(cache: ReplyCache, value: Any, seen: Any) -> None:
    target = _target(_App(Output(value)), cache)
    assert [_answer(target).value, _answer(target).value] == [seen, seen]


def test_what_json_cannot_hold_is_returned_and_not_remembered(cache: ReplyCache) -> None:
    app = _App(Output({1, 2}))
    target = _target(app, cache)
    assert [_answer(target).value, _answer(target).value] == [{1, 2}, {1, 2}]
    assert app.asked == 2
    assert "faq::refund-1 cannot be cached" in (cache.problem or "")


def test_a_latency_that_the_target_does_not_tell_is_measured(cache: ReplyCache) -> None:
    output = _answer(_target(_App(Output("x")), cache))
    assert output.latency_s is not None
    assert output.latency_s >= 0


def test_offline_it_is_not_asked(cache: ReplyCache) -> None:
    app = _App(Output("x"))
    with pytest.raises(CallFailed, match="faq::refund-1: not cached"):
        _answer(_target(app, cache, offline=True))
    assert app.asked == 0


def test_the_next_run_knows_it(cache: ReplyCache, signer: Signer) -> None:
    _answer(_target(_App(Output("x")), cache))
    cache.close()
    with ReplyCache(cache.path.parent, signer) as later:
        assert _answer(_target(_App(ValueError("asked")), later)).value == "x"
