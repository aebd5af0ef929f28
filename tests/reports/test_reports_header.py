from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_evalgate.reports.terminal import Header, HeaderJudge, header_lines
from pytest_evalgate.text.layout import width_of

_WHOLE = Header(
    suites=["support-faq", "sql-gen", "tone"],
    cases=500,
    targets=["candidate gpt-x-mini", "candidate gpt-x-mini", "recorded outputs"],
    judges=[HeaderJudge("gpt-x", 0.81, 150)],
    baselines=["baselines/support-faq.json (8c1f2d0, 2026-11-20)"],
    options=["offline: the cache answers, nothing is sent"],
    budget_usd=5.0,
)


def test_it_says_what_runs_and_against_what() -> None:
    assert header_lines(_WHOLE) == (
        "evalgate: 3 suites, 500 cases | candidate gpt-x-mini | recorded outputs",
        "evalgate: judge gpt-x (kappa 0.81, n=150)",
        "evalgate: baseline baselines/support-faq.json (8c1f2d0, 2026-11-20)",
        "evalgate: offline: the cache answers, nothing is sent | budget US$5.00",
    )


def test_what_fits_stands_on_two_lines() -> None:
    header = replace(_WHOLE, tier="smoke", suites=["faq"], cases=1, targets=["candidate gpt-x-mini"], options=())
    assert header_lines(header) == (
        "evalgate: tier smoke | faq, 1 case | candidate gpt-x-mini | judge gpt-x (kappa 0.81, n=150)",
        "evalgate: baseline baselines/support-faq.json (8c1f2d0, 2026-11-20) | budget US$5.00",
    )


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert header_lines(Header(["faq"], 240, ["recorded outputs"])) == ("evalgate: faq, 240 cases | recorded outputs",)


def test_suites_in_code_are_known_later() -> None:
    assert header_lines(Header([], 0, budget_usd=1.0)) == (
        "evalgate: no configured suite runs",
        "evalgate: budget US$1.00",
    )


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        (HeaderJudge("gpt-x"), "judge gpt-x (not calibrated)"),
        (HeaderJudge("gpt-x", None, 90), "judge gpt-x (n=90)"),
        (HeaderJudge("gpt-x", -0.1, 1_500), "judge gpt-x (kappa -0.10, n=1,500)"),
    ],
)
def test_judges(judge: HeaderJudge, said: str) -> None:
    [line] = header_lines(Header(["faq"], 1, judges=[judge]))
    assert line.endswith(said)


def test_names_are_inert_and_none_is_wider_than_the_screen() -> None:
    name = "\x1b[31m\u202e\n::error::" + "日本 " * 60
    for line in header_lines(Header([name], 1, [name], [HeaderJudge(name)], [name], [name]), 80):
        assert line.isprintable()
        assert width_of(line) <= 80
