"""The rules ``bleu``, ``chrf`` and ``rouge-l``; most of it needs the extra ``metrics``."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.records.results import Case, Output
from pytest_evalgate.scorers import Context, build
from pytest_evalgate.scorers.likeness import rouge_l

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf

KINDS = ["bleu", "chrf", "rouge-l"]
LIBRARY = {"bleu": "sacrebleu", "chrf": "sacrebleu", "rouge-l": "rouge_score"}

with_extra = pytest.mark.skipif(
    any(importlib.util.find_spec(library) is None for library in LIBRARY.values()),
    reason="sacrebleu or rouge_score is not installed: pip install 'pytest-evalgate[metrics]'",
)


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_extra_a_suite_is_refused_before_it_runs(
    kind: str, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sacrebleu", "rouge_score.rouge_scorer"):
        monkeypatch.setitem(sys.modules, module, None)
    message = rf"^suites.faq.scorers: {LIBRARY[kind]} is not installed: pip install 'pytest-evalgate\[metrics\]'$"
    with pytest.raises(SettingsError, match=message):
        build(kind, context=context)


def test_a_text_too_long_to_compare_is_left_open() -> None:
    value, reason = rouge_l(Case("q1", expected="word " * 4_000), Output("word " * 4_000))
    assert value is None
    assert reason == "the output has 4,000 words, too many for ROUGE-L: bound it with word-count"


@pytest.mark.parametrize("kind", KINDS)
@with_extra
def test_the_more_like_its_reference_the_better(kind: str, score_of: ScoreOf) -> None:
    wanted = "The cat is on the mat."
    same, near, far = (
        score_of(kind, text, expected=wanted) for text in (wanted, "The cat is on the big mat.", "Dogs bark loudly")
    )
    assert same.value == 1.0
    assert near.value is not None
    assert far.value is not None
    assert 1 > near.value > 0.5 > far.value
    assert (same.passed, near.passed, far.passed) == (True, True, False)


@pytest.mark.parametrize("kind", KINDS)
@with_extra
def test_references_stand_in_the_case_or_in_the_scorer(kind: str, score_of: ScoreOf) -> None:
    text = "a cat sat on the mat"
    assert score_of(kind, text, expected=["dogs bark", text]).value == 1
    assert score_of(kind, text, expected="dogs bark", expected_any=("no", text)).value == 1
    assert score_of({"kind": kind, "value": text}, text, expected="dogs bark").value == 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("bleu", 'BLEU 1.000 with "a cat sat here"'),
        ("chrf", 'chrF 1.000 with "a cat sat here"'),
        ("rouge-l", 'ROUGE-L 1.000 with "a cat sat here"'),
    ],
)
@with_extra
def test_reason(kind: str, reason: str, score_of: ScoreOf) -> None:
    assert score_of(kind, "a cat sat here", expected="a cat sat here").reason == reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("case", "message"), [({}, "nothing to compare with"), ({"expected": ""}, "a reference is an empty text")]
)
@with_extra
def test_no_reference_is_an_error(kind: str, case: dict[str, Any], message: str, score_of: ScoreOf) -> None:
    with pytest.raises(ScorerError, match=message):
        score_of(kind, "anything", **case)


@pytest.mark.parametrize("kind", KINDS)
@with_extra
def test_an_empty_value_is_refused(kind: str, context: Context) -> None:
    with pytest.raises(SettingsError, match='value = ""'):
        build({"kind": kind, "value": ""}, context=context)
