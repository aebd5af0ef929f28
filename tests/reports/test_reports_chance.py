"""Sentences about chance: one for each finding, and that what they say about unchanged builds is true."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import binom, poisson

from pytest_evalgate.reports.chance import _about, _fewer, gate_sentences
from pytest_evalgate.stats.paired import mcnemar_midp, midp

if TYPE_CHECKING:
    from tests.reports.conftest import Screen

_GATE = {"kind": "no-regression"}
_MARGIN = {**_GATE, "margin": 0.05}
_LUCK = "A drop this large would happen by luck in fewer than 1 of"


@pytest.mark.parametrize(
    ("gate", "now", "before", "result", "changed", "sentence"),
    [
        pytest.param(
            *(_GATE, "m" * 19 + "P" * 221, "P" * 19 + "m" * 4 + "P" * 217, "fail"),
            "19 cases got worse, 4 got better",
            f"{_LUCK} 1,000 unchanged builds. The true drop is probably between 3.2 and 9.8 points.",
            id="regressed",
        ),
        pytest.param(
            *(_MARGIN, "m" * 8 + "P" * 592, "P" * 600, "pass"),
            "8 cases got worse, 0 got better",
            "The drop is more than luck (in fewer than 1 of 500 unchanged builds), but less than the "
            "5 points allowed.",
            id="regressed within the margin",
        ),
        pytest.param(
            *(_MARGIN, "P" * 590 + "m" * 10, "P" * 590 + "m" * 10, "pass"),
            "no case got worse or better",
            "A drop of 5 points or more is ruled out; the largest drop that fits these answers is 0.4 points.",
            id="ruled out",
        ),
        pytest.param(
            *({**_MARGIN, "fail_on": "not_proven"}, "m" * 4 + "P" * 56, "m" * 0 + "P" * 56 + "m" * 4, "fail"),
            "4 cases got worse, 4 got better",
            "No drop is proven, but a drop of 5 points is not ruled out either, and this gate requires that: "
            "the largest drop that fits these answers is 8.6 points.",
            id="not proven",
        ),
        pytest.param(
            *({**_MARGIN, "fail_on": "tolerance"}, "m" * 60 + "P" * 140, "P" * 200, "fail"),
            "60 cases got worse, 0 got better",
            "If quality had dropped by the 5 points allowed and no more, a drop this large would happen by luck in "
            "fewer than 1 of 1,000,000 such builds. The true drop is probably between 25 and 35.6 points.",
            id="beyond the tolerance",
        ),
        pytest.param(
            *({**_MARGIN, "fail_on": "tolerance"}, "m" * 12 + "P" * 188, "P" * 200, "pass"),
            "12 cases got worse, 0 got better",
            "A drop of more than the 5 points allowed is not proven: the true drop may be as little as 3.8 points.",
            id="within the tolerance",
        ),
        pytest.param(
            *(_GATE, "m" * 6 + "P" * 225 + "m" * 9, "P" * 6 + "m" * 4 + "P" * 221 + "m" * 9, "pass"),
            "6 cases got worse, 4 got better",
            "No drop is proven: one this large happens by luck in about 3 of 10 unchanged builds. "
            "A drop of 3.4 points or more would be found in 4 of 5 builds.",
            id="a drop by luck",
        ),
        pytest.param(
            *(_GATE, "P" * 160 + "m" * 40, "m" * 60 + "P" * 100 + "m" * 40, "pass"),
            "0 cases got worse, 60 got better",
            "A gain this large would happen by luck in fewer than 1 of 1,000,000 unchanged builds. "
            "A drop of 9.6 points or more would be found in 4 of 5 builds.",
            id="better",
        ),
        pytest.param(
            *(_GATE, "mPPPP", "PPPPP", "pass"),
            "1 case got worse, 0 got better",
            "No drop is proven: one this large happens by luck in about 3 of 10 unchanged builds. "
            "This gate is nearly blind: it could have failed only for a drop of 80 points or more; it needs about "
            "184 cases.",
            id="nearly blind",
        ),
        pytest.param(
            *(_GATE, "PPP", "PPP", "pass"),
            "no case got worse or better",
            "Nothing changed. This gate is blind: no drop could have failed it; it needs about 122 cases.",
            id="blind",
        ),
        pytest.param(
            *(_GATE, "m" * 5 + "P" * 295, "P" * 5 + "m" * 5 + "P" * 290, "pass"),
            "5 cases got worse, 5 got better",
            "As many cases got better as got worse: no drop is proven. "
            "A drop of 2.7 points or more would be found in 4 of 5 builds.",
            id="as many better",
        ),
    ],
)
def test_each_finding_has_its_sentence(  # noqa: PLR0917 - the columns of the table
    screen: Screen, gate: dict[str, Any], now: str, before: str, result: str, changed: str, sentence: str
) -> None:
    view = screen.view(screen.scene(now, before, (gate,)))
    [found] = view.suites[0].sentences
    assert (found.gate, found.result) == ("no-regression", result)
    assert (found.changed, found.sentence) == (changed, sentence)
    assert "got worse" not in found.detail
    assert found.detail.split(":")[0].split(",")[0] in view.suites[0].verdict.gates[0].message


def test_a_gate_that_compares_nothing_has_no_sentence(screen: Screen) -> None:
    rate = {"kind": "pass-rate", "min": 0.5}
    assert not screen.view(screen.scene("P" * 30, "P" * 30, (rate,))).suites[0].sentences
    assert not screen.view(screen.scene("P" * 30, None, (_GATE,))).suites[0].sentences
    assert not screen.view(screen.scene("P" * 29 + "?", "P" * 30, (_GATE,))).suites[0].sentences


def test_the_worst_slice_is_named(screen: Screen) -> None:
    slices = {index: (("lang", "de" if index < 40 else "en"),) for index in range(200)}
    scene = screen.scene("m" * 12 + "P" * 188, "P" * 200, ({"kind": "slice", "by": "lang"},), slices=slices)
    [found] = screen.view(scene).suites[0].sentences
    assert found.changed == "in slice de: 12 cases got worse, 0 got better"
    assert found.sentence.startswith(f"{_LUCK} 2,000 unchanged builds.")


def test_a_drop_that_only_other_tests_excuse(screen: Screen) -> None:
    view = screen.view(screen.scene("m" * 7 + "P" * 93 + "P" * 100, "P" * 7 + "m" + "P" * 192, (_GATE,)))
    [suite] = view.suites
    [gate] = suite.verdict.gates
    assert gate.delta is not None
    delta = replace(gate.delta, p_adjusted=0.08, finding="inconclusive")
    verdict = replace(suite.verdict, gates=(replace(gate, result="pass", delta=delta),))
    assert gate_sentences(verdict)[0].sentence.rpartition(" A drop of")[0] == (
        "Alone, a drop this large would happen by luck in fewer than 1 of 50 unchanged builds. This build has several "
        "tests, and one of them looks like this by luck in about 1 of 12 unchanged builds, so no drop is proven."
    )


@pytest.mark.parametrize(
    ("p", "fewer", "about"),
    [
        (0.6, "in about 6 of 10", "in about 6 of 10"),
        (0.97, "in nearly all", "in nearly all"),
        (0.5, "in about half of", "in about half of"),
        (0.49, "in fewer than 1 of 2", "in about half of"),
        (0.05, "in fewer than 1 of 10", "in about 1 of 20"),
        (0.049, "in fewer than 1 of 20", "in about 1 of 20"),
        (0.00999, "in fewer than 1 of 100", "in about 1 of 100"),
        (0.00077, "in fewer than 1 of 1,000", "in about 1 of 1,298"),
        (0.0, "in fewer than 1 of 1,000,000", "in about 1 of 1,000,000"),
    ],
)
def test_shares_of_builds(p: float, fewer: str, about: str) -> None:
    assert (_fewer(p), _about(p)) == (fewer, about)


_NUMBERS = np.arange(1, 100)
_P = [midp(np.arange(number + 1), number) for number in _NUMBERS]  # by number of changed cases and of losses
_CHANCE = [binom.pmf(np.arange(number + 1), number, 0.5) for number in _NUMBERS]


@pytest.mark.parametrize("seen", [(4, 0), (5, 0), (6, 1), (8, 2), (9, 3), (12, 4), (19, 4)])
def test_unchanged_builds_look_this_bad_less_often_than_the_sentence_says(seen: tuple[int, int]) -> None:
    """In unchanged builds each of a random number of changed cases is a loss or a gain with equal probability."""
    limit = mcnemar_midp(*seen)
    stated = int(re.sub(r"\D", "", _fewer(limit).removeprefix("in fewer than 1 of ")))
    of_number = [chance[p <= limit].sum() for p, chance in zip(_P, _CHANCE, strict=True)]
    for changed in (0.5, 1, 2, 3, 4, 6, 8, 12, 16, 24, 40):
        assert np.dot(poisson.pmf(_NUMBERS, changed), of_number) < 1 / stated
