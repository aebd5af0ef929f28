"""Agreement of trials, with outputs and without."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.builders import planned, run_of, suite_of

from pytest_evalgate.engine import combine_trials
from pytest_evalgate.records.answers import agreement_of
from pytest_evalgate.records.attempts import TrialAgreement
from pytest_evalgate.records.results import CaseResult, Output, Score, Trial
from pytest_evalgate.runs import codec, run_file

if TYPE_CHECKING:
    from pathlib import Path


def _case(*answers: tuple[str, float, str], name: str = "c") -> CaseResult:
    trials = [
        Trial(at, grade, Output(text), (Score("number", grade, grade == 1, reason),))
        for at, (text, grade, reason) in enumerate(answers)
    ]
    return combine_trials(planned(name, 1), trials)


def test_trials_agree_in_their_text_or_in_what_was_read_of_it() -> None:
    same, reworded, other = (
        _case(("It is 4.", 1.0, "found 4"), (text, 1.0, reason))
        for text, reason in (("It is 4.", "found 4"), ("4!", "found 4"), ("It is 5.", "found 5"))
    )
    assert [agreement_of(one, ()) for one in (same, reworded, other)] == [
        TrialAgreement(2, raw=True, parsed=True),
        TrialAgreement(2, raw=False, parsed=True),
        TrialAgreement(2, raw=False, parsed=False),
    ]
    assert agreement_of(other, ["number"]) == TrialAgreement(2, raw=False, parsed=True)


def test_agreement_is_unknown_without_outputs() -> None:
    case = _case(("a", 1.0, ""), ("b", 1.0, ""))
    lean = replace(case, trials=tuple(replace(trial, output=Output(None)) for trial in case.trials))
    assert agreement_of(lean, ()) is None
    known = replace(lean, agreement=agreement_of(case, ()))
    assert agreement_of(known, ()) == TrialAgreement(2, raw=False, parsed=True)
    assert agreement_of(replace(known, trials=(*known.trials, *known.trials)), ()) is None


def test_agreement_stays_when_outputs_are_left_out(tmp_path: Path) -> None:
    suite = suite_of([_case(("a", 1.0, "r"), ("b", 1.0, "r"), name="c1"), _case(("c", 1.0, ""), name="c2")])
    encoded = [[json.dumps(codec.encode_result(result)) for result in suite.results]]
    [kept] = run_file.write_stream(run_of(suite), [suite.plan], encoded, tmp_path / "r.jsonl").suites
    assert [result.agreement for result in kept.results] == [TrialAgreement(2, raw=False, parsed=True), None]
