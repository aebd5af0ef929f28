from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.builders import baseline_of, plan_of, planned, result_of, run_of, suite_of

from pytest_evalgate.config import NoRegressionGate
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.gates.run_labels import RunLabels, pairs_frame
from pytest_evalgate.judges.label_pairs import draw_pairs, drawn_cases, read_run_labels
from pytest_evalgate.judges.labels import LabelsError
from pytest_evalgate.records.results import CaseResult, Output

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_evalgate.judges.label_pairs import PairSample
    from pytest_evalgate.records.verdicts import Baseline, SuiteVerdict

_STRATA = {"pass-pass": 40, "pass-miss": 30, "miss-pass": 12, "miss-miss": 8, "same": 10}


def _sides() -> tuple[list[CaseResult], Baseline, dict[str, str]]:
    """Return results, a baseline and its outputs: pairs as in `_STRATA`, the last ones with equal outputs."""
    results, cases, outputs = [], {}, {}
    words = [(name, at) for name, count in _STRATA.items() for at in range(count)]
    for line, (name, _) in enumerate(words, start=1):
        case = planned(f"c{line:03}", line)
        before, _, now = (name if name != "same" else "pass-pass").partition("-")
        result = result_of("P" if now == "pass" else "m", case)
        output = Output(f"now {line}" if name != "same" else f"same {line}")
        results.append(replace(result, trials=(replace(result.trials[0], output=output),)))
        cases[case.id] = (float(before == "pass"),)
        outputs[case.id] = f"before {line}" if name != "same" else f"same {line}"
    return results, baseline_of(cases), outputs


def _draw(n: int, before: Sequence[str] = ()) -> PairSample:
    return draw_pairs(*_sides(), before, n, seed=3)


def test_both_outputs_of_a_pair_are_drawn_in_an_order_that_shows_no_side() -> None:
    sample = _draw(40)
    assert sample.pairs == {name: count for name, count in _STRATA.items() if name != "same"}
    assert sample.same == 10
    assert sum(sample.drawn.values()) == 40
    assert min(sample.drawn.values()) >= 8
    assert len(sample.rows) == 80
    first = [row.output.partition(" ")[0] for row in sample.rows if row.id.endswith("#1")]
    assert 8 < first.count("now") < 32
    assert len({row.drawn_from.split("/")[1] for row in sample.rows}) == 4


def test_discordant_pairs_are_drawn_more_often() -> None:
    drawn = _draw(60).drawn
    assert drawn["pass-miss"] / 30 > drawn["pass-pass"] / 40


def test_a_sample_is_topped_up_without_repeats() -> None:
    first = _draw(40)
    cases = sorted({row.case_id for row in first.rows})
    more = _draw(20, cases)
    assert len(more.rows) == 40
    assert not {row.case_id for row in more.rows} & set(cases)
    assert sum(more.drawn.values()) == 60
    assert {row.drawn_from for row in more.rows} <= {row.drawn_from for row in first.rows}
    with pytest.raises(SettingsError, match="c999 is no pair of this run any more"):
        _draw(5, ["c999"])


def test_several_trials_are_refused() -> None:
    results, baseline, outputs = _sides()
    results[0] = result_of("Pm", results[0].case)
    with pytest.raises(SettingsError, match="c001 has several trials"):
        draw_pairs(results, baseline, outputs, (), 5, seed=1)


def test_without_the_outputs_of_the_baseline_there_is_nothing_to_label() -> None:
    results, baseline, _ = _sides()
    with pytest.raises(SettingsError, match="no case of suite faq has an output both in this run and in the baseline"):
        draw_pairs(results, baseline, {}, (), 5, seed=1)


def _answer(case_id: str, output: Output) -> str:
    assert case_id.startswith("c")
    return str(output.value).rpartition(" ")[2]


def _with_part(before: int | None = None) -> tuple[list[CaseResult], Baseline, dict[str, str]]:
    """Return sides of which people are shown the last word; ``before`` is that of the first case's baseline."""
    results, baseline, outputs = _sides()
    outputs = {name: f"{text} old" for name, text in outputs.items()}
    return results, baseline, outputs if before is None else outputs | {"c001": f"old {before}"}


def test_people_are_shown_the_part_that_the_judge_grades(tmp_path: Path) -> None:
    results, baseline, outputs = _with_part()
    sample = draw_pairs(results, baseline, outputs, (), 40, seed=3, show=_answer)
    assert {row.output for row in sample.rows if row.id.startswith("c001")} <= {"1", "old"}
    digests = {row.drawn_from.rpartition("/")[2] for row in sample.rows}
    assert len(digests) == 80
    rows = [
        {"id": row.id, "output": row.output, "label": "pass", "pair_sample": row.drawn_from} for row in sample.rows
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    labels = read_run_labels(path, root=tmp_path)
    assert {digest for pair in labels.pairs for digest in pair.passed} == digests
    rules = SuiteRules((NoRegressionGate(kind="no-regression"),), baseline, run_labels=labels)
    found = decide(run_of(suite_of(results)), {"faq": rules}, warn_inconclusive=True).suites["faq"]
    assert found.delta is not None
    assert (found.delta.test, found.delta.delta) == ("run-labels-t", 0)


def test_pairs_whose_parts_are_equal_need_no_label() -> None:
    whole, part = (
        draw_pairs(*_with_part(before=1), (), 5, seed=1, show=show).same
        for show in (None, lambda _, output: str(output.value).rpartition(" ")[2])
    )
    assert (whole, part) == (0, 1)


# -- what is read back


def _write(path: Path, sample: PairSample, labels: dict[str, str] | None = None) -> Path:
    rows = ["id,output,label,pair_sample"]
    rows += [f"{one.id},{one.output},{(labels or {}).get(one.output, 'pass')},{one.drawn_from}" for one in sample.rows]
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


def test_labels_are_read_by_case_and_output(tmp_path: Path) -> None:
    sample = _draw(40)
    path = _write(tmp_path / "l.csv", sample, {sample.rows[0].output: "fail"})
    found = read_run_labels(path, root=tmp_path)
    assert (found.name, len(found.pairs)) == ("l.csv", 40)
    [labelled] = [one for one in found.pairs if one.case_id == sample.rows[0].case_id]
    assert sorted(labelled.passed.values()) == [False, True]
    assert sorted(drawn_cases(path)) == sorted({row.case_id for row in sample.rows})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a#1,x,pass,{s}", "a#2,y,,{s}"], "l.csv:3: label: 1 of 2 rows have no label yet"),
        (["a#1,x,pass,{s}"], 'l.csv:2: id: "a" must have the two rows #1 and #2'),
        (["a#1,x,pass,{s}", "a#2,x,pass,{s}"], 'the two rows of "a" must differ in their output'),
        (["a#1,x,pass,{s}", "a#2,y,maybe,{s}"], 'l.csv:3: label: unknown label "maybe"'),
        (["a,x,pass,{s}", "a#2,y,pass,{s}"], "l.csv:2: pair_sample: must be as label sample --against wrote it"),
        (["a#1,x,pass,zz", "a#2,y,pass,zz"], "l.csv:2: pair_sample: must be as label sample --against wrote it"),
        (["a#1,x,pass,{s}", "a#2,y,pass,{s}", "b#1,x,pass,{t}", "b#2,y,pass,{t}"], "the rows are of several runs"),
        ([], "the file has no rows"),
    ],
)
def test_what_is_refused(rows: list[str], message: str, tmp_path: Path) -> None:
    text = "\n".join(["id,output,label,pair_sample", *rows])
    filled = text.replace("{s}", f"{'0' * 16}/A/9").replace("{t}", f"{'1' * 16}/A/9")
    (tmp_path / "l.csv").write_text(filled, "utf-8")
    with pytest.raises(LabelsError) as raised:
        read_run_labels(tmp_path / "l.csv", root=tmp_path)
    assert message in str(raised.value)


# -- the gate


def _decided(labels: RunLabels | None, results: Sequence[CaseResult], baseline: Baseline) -> SuiteVerdict:
    suite = suite_of(results)
    rules = SuiteRules((NoRegressionGate(kind="no-regression"),), baseline, run_labels=labels)
    return decide(run_of(suite), {"faq": rules}, warn_inconclusive=True).suites["faq"]


def _labels(tmp_path: Path, *, worse: bool) -> RunLabels:
    sample = _draw(90)
    labels = {row.output: "fail" for row in sample.rows if worse and row.output.startswith("now")}
    return read_run_labels(_write(tmp_path / "l.csv", sample, labels), root=tmp_path)


def test_people_overrule_the_verdicts(tmp_path: Path) -> None:
    results, baseline, _ = _sides()
    alone = _decided(None, results, baseline)
    assert (alone.gates[0].result, alone.delta is not None and alone.delta.delta) == ("fail", -0.18)
    found = _decided(_labels(tmp_path, worse=False), results, baseline)
    assert found.gates[0].result == "pass"
    assert found.delta is not None
    assert (found.delta.test, found.delta.delta, found.delta.p) == ("run-labels-t", 0.0, 1.0)
    assert found.delta.measured is not None
    assert found.delta.measured.delta == -0.18
    assert "the change is that of 90 pairs that people labelled (l.csv)" in found.notes


def test_a_judge_that_is_lenient_on_one_side_is_named(tmp_path: Path) -> None:
    results, baseline, _ = _sides()
    found = _decided(_labels(tmp_path, worse=True), results, baseline)
    assert found.gates[0].result == "fail"
    assert found.delta is not None
    assert found.delta.delta == pytest.approx(-0.9)


def test_labels_of_other_outputs_are_not_used_and_a_note_says_so(tmp_path: Path) -> None:
    results, baseline, _ = _sides()
    labels = _labels(tmp_path, worse=False)
    first = results[0].trials[0]
    results[0] = replace(results[0], trials=(replace(first, output=Output("another")),))
    found = _decided(labels, results, baseline)
    assert found.delta is not None
    assert found.delta.test == "mcnemar-midp"
    assert any("these outputs, or the baseline, are not those that were labelled" in note for note in found.notes)


def test_a_frame_is_that_of_outputs_and_baseline() -> None:
    results, baseline, _ = _sides()
    same = pairs_frame(results, baseline.provenance.run_id)
    assert pairs_frame(list(reversed(results)), baseline.provenance.run_id) == same
    assert pairs_frame(results, "another run") != same
    assert plan_of([results[0].case]).cases
