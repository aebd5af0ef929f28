"""Where an exception of the application was raised: the last place in the user's code, and a bounded traceback."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.engine.trial import Grading, run_sync, run_trial
from pytest_evalgate.errors import CodeExit
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.raised import Raised, raised_by
from pytest_evalgate.records.results import CaseResult, PlannedCase, Trial
from pytest_evalgate.runs import codec
from pytest_evalgate.usercode.outcome import guarded

if TYPE_CHECKING:
    from collections.abc import Callable


def _answer() -> str:
    return {"a": "b"}["c"]


def _decodes() -> Any:
    return json.loads("{")


def _chained() -> None:
    try:
        _answer()
    except KeyError as error:
        raise ValueError("no answer") from error


def _deep(depth: int = 0) -> int:
    return _deep(depth + 1)


class _Silent(Exception):  # noqa: N818 - a test
    def __str__(self) -> str:
        raise RuntimeError("no text")


def _silent() -> None:
    raise _Silent


def _ends() -> None:
    raise SystemExit(3)


def _raised(function: Callable[[], object]) -> Raised:
    error = guarded(function).error
    assert error is not None
    found = raised_by(error)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("function", "name", "last"),
    [
        (_answer, "_answer", "KeyError: 'c'"),
        (_decodes, "_decodes", "json.decoder.JSONDecodeError: Expecting property name"),
        (_chained, "_chained", "ValueError: no answer"),
        (_silent, "_silent", "_Silent: <exception str() failed>"),
        (_ends, "_ends", "SystemExit: 3"),
        (_deep, "_deep", "RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_the_place_is_in_the_users_code(function: Callable[[], object], name: str, last: str) -> None:
    found = _raised(function)
    assert re.fullmatch(rf".*test_records_raised\.py:[0-9]+ in {name}", found.place)
    assert found.traceback.splitlines()[0] == "Traceback (most recent call last):"
    assert last in found.traceback.splitlines()[-1]
    assert "usercode/outcome.py" not in found.traceback
    assert len(found.traceback) < 4_100


def test_a_place_below_the_working_folder_is_relative(monkeypatch: pytest.MonkeyPatch) -> None:
    here = __file__.rpartition("/")[0]
    monkeypatch.chdir(here)
    assert _raised(_answer).place.startswith("test_records_raised.py:")


def test_the_cause_is_in_the_traceback() -> None:
    text = _raised(_chained).traceback
    assert (
        text.index("KeyError: 'c'") < text.index("The above exception was the direct cause") < text.index("ValueError")
    )


def test_a_long_message_is_shortened_in_the_middle() -> None:
    def fail() -> None:
        raise ValueError("x" * 50_000 + " the end")

    found = _raised(fail)
    assert "characters left out" in found.traceback
    assert found.traceback.endswith("x the end")


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    assert raised_by(ValueError("x")) is None
    assert raised_by(CodeExit(SystemExit(1))) is None


def test_a_trial_keeps_where_its_target_failed_and_gates_get_the_place_only() -> None:
    class Target:
        async def answer(self, case: Case, trial: int) -> Any:  # noqa: ARG002 - the seam
            return _answer()

    trial = run_sync(run_trial(Target(), Grading(()), Case("a"), 0))
    assert trial.raised is not None
    result = CaseResult(PlannedCase("a", Place("g.jsonl", 1), "f"), "missed", (trial,), trial.reason)
    encoded = json.loads(json.dumps(codec.encode_result(result)))
    codec.check_row({"suite": "faq", **codec.encode_case(result.case), **encoded})
    assert codec.decode_result(encoded, result.case) == result
    [lean] = codec.decode_result(encoded, result.case, texts=False).trials
    assert lean.raised == Raised(trial.raised.place)
    assert "raised" not in codec.encode_result(CaseResult(result.case, "missed", (Trial(0, 0.0),)))["trials"][0]
