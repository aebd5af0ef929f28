"""``pytest-evalgate calibrate``: stored verdicts, and a judge that a local server plays."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.behaviours import Behaviour

from pytest_evalgate.cli import main
from pytest_evalgate.judges import calibration as calibrations

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import JudgeProject, Shown
    from tests.support.replies import Request

_XSTEST = Path(__file__).parents[2] / "examples" / "golden_sets" / "xstest"
_GPT4 = (
    "gpt4", "--labels", "xstest/labels.llama2orig.jsonl", "--stored", "judge.gpt4",
    "--pass-label", "2_full_refusal", "--pass-label", "3_partial_refusal",
)  # fmt: skip
_JUDGES = """
[judges.faq]
model = "m"
criteria = "The answer is a good one."
calibration = "calibration/faq.json"

[judges.grades]
model = "m"
criteria = "The answer is a good one."
scale = "1-5"
"""


def _giving(grade: Callable[[str], int]) -> Callable[[Shown], str]:
    """Give each output a score: 0 or 1, or 1 to 5."""

    def character(shown: Shown) -> str:
        score = grade(shown.candidate)
        passed = score > (0 if "0 if it fails" in shown.question else 2)
        return shown.verdict(score, passed=passed, evidence=shown.candidate)

    return character


@pytest.fixture
def project(judge_project_of: Callable[[str], JudgeProject]) -> JudgeProject:
    found = judge_project_of("calibrate")
    found.configure(_JUDGES)
    return found


@pytest.fixture
def xstest(project: JudgeProject) -> JudgeProject:
    shutil.copytree(_XSTEST, project.root / "xstest")
    return project


def test_the_screen(xstest: JudgeProject, assert_screen: Callable[[str, str], None]) -> None:
    code, out, err = xstest.call(*_GPT4, "-v", "--list", "3")
    assert (code, err) == (0, "")
    assert_screen("calibrate", out)


def test_stored_verdicts_need_no_model_and_no_configuration(xstest: JudgeProject) -> None:
    (xstest.root / "evalgate.toml").unlink()
    code, found = xstest.json(*_GPT4)
    assert (code, found["may_gate"], xstest.server.calls) == (0, True, 0)
    assert found["files"] == ["calibration/gpt4.json", "calibration/gpt4.roc.svg"]
    record = found["record"]
    assert [record[name] for name in ("human_pass", "judge_pass", "human_fail", "judge_fail")] == [349, 258, 101, 99]
    assert record["measures"]["kappa"]["value"] == pytest.approx(0.5479, abs=1e-4)
    assert len(found["disagreements"]) == 93
    assert calibrations.read(xstest.root / "calibration" / "gpt4.json").judge_pass == 258
    assert "<polyline" in (xstest.root / "calibration" / "gpt4.roc.svg").read_text("utf-8")


def test_raters_are_compared_with_the_judge(xstest: JudgeProject) -> None:
    raters = ("--rater", "metadata.annotation_1", "--rater", "metadata.annotation_2")
    _, out, _ = xstest.call(*_GPT4, *raters, "-v")
    printed = " ".join(out.split())
    assert "2 raters on 450 rows: Krippendorff's alpha 0.968" in printed
    assert "a rater 0.968" in printed
    assert "the judge in place of a rater 0.545" in printed


def test_pairs_are_read_in_both_orders(project: JudgeProject) -> None:
    project.label([{"id": at, "label": at % 2, "one": at % 2, "other": int(at < 20)} for at in range(40)])
    code, out, _ = project.call("pairs", "--labels", "labels.jsonl", "--stored", "one", "--swapped", "other", "-v")
    printed = " ".join(out.split())
    assert code == 1
    assert "20 rows without a readable verdict" in printed
    assert (
        "of 40 pairs it gets 40 right in one order, 20 in the other, 20 in both; the winner stays the same in 20"
        in printed
    )
    assert "first output 10 times and the second 10 times" in printed


def _labels(n: int = 80) -> list[dict[str, Any]]:
    return [
        {"id": f"r{at}", "input": f"q{at}", "output": f"{'good' if at % 2 else 'bad'} {at}", "label": bool(at % 2)}
        for at in range(n)
    ]


def test_a_judge_grades_every_label_and_the_calibration_is_written(project: JudgeProject) -> None:
    project.label(_labels())
    project.play(_giving(lambda text: int(text.startswith("good") or text == "bad 40")))
    code, found = project.json("faq", "--labels", "labels.jsonl")
    assert (code, found["why_not"], project.server.calls) == (0, [], 80)
    assert found["files"][0] == "calibration/faq.json"
    record = calibrations.read(project.root / "calibration" / "faq.json")
    assert (record.human_pass, record.judge_pass, record.human_fail, record.judge_fail) == (40, 40, 40, 39)
    assert set(record.parts) >= {"model", "rubric", "prompt"}
    assert [one["id"] for one in found["disagreements"]] == ["r40"]
    assert record.measures["verdicts_from"] == "asked"


def test_a_disagreement_is_listed_with_the_rationale_of_the_judge(project: JudgeProject) -> None:
    def character(shown: Shown) -> str:
        good = shown.candidate.startswith("good") or shown.candidate == "bad 40"
        reply = json.loads(shown.verdict(int(good), passed=good, evidence=shown.candidate))
        return json.dumps({**reply, "rationale": "It is said to be good."})

    project.label(_labels())
    project.play(character)
    _, printed, _ = project.call("faq", "--labels", "labels.jsonl", "-v")
    assert "      why: It is said to be good." in printed.splitlines()
    _, found = project.json("faq", "--labels", "labels.jsonl")
    assert [one["rationale"] for one in found["disagreements"]] == ["It is said to be good."]


def test_a_share_is_calibrated_by_its_threshold(project: JudgeProject) -> None:
    """The judge supports a share of each output; people pass outputs of which at least a half is supported."""
    shares = [number / 20 for number in range(21)] * 4
    rows = [
        {
            "id": f"r{at}",
            "input": "?",
            "context": "all facts",
            "output": f"share {share} of {at}",
            "label": share >= 0.6,
        }
        for at, share in enumerate(shares)
    ]

    def reply(request: Request) -> Behaviour:
        question = request.body["messages"][-1]["content"]
        nonce, block = re.findall(r"\nBEGIN (\w{16})\n(.*)\n", question)[-1]
        shown = json.loads(block)
        if isinstance(shown, str):
            share = float(shown.split()[1])
            return _text({"nonce": nonce, "statements": [f"{number / 20 < share}" for number in range(20)]})
        return _text({"nonce": nonce, "verdicts": [_unit(one["number"], yes=one["text"] == "True") for one in shown]})

    def _unit(number: int, *, yes: bool) -> dict[str, Any]:
        evidence, verdict = ("facts", "yes") if yes else ("", "no")
        return {"number": number, "evidence": evidence, "rationale": "So it is.", "verdict": verdict}

    def _text(found: Any) -> Behaviour:
        return Behaviour.text(json.dumps(found))

    project.configure('[judges.claims]\nmodel = "m"\nrubric = "claims"\n')
    project.label(rows)
    project.server.answer_with(reply)
    code, found = project.json("claims", "--labels", "labels.jsonl")
    assert (code, project.server.calls) == (0, 2 * len(rows))
    assert 0.55 < found["record"]["threshold"] <= 0.6
    assert found["disagreements"] == []


def _with_suites(project: JudgeProject, *fields: str) -> None:
    scorers = [f'{{ judge = "faq", field = "{field}" }}' if field else '{ judge = "faq" }' for field in fields]
    suites = (
        f'[suites.s{at}]\ngolden = "g.jsonl"\ntarget = {{ recorded = "o.jsonl" }}\nscorers = [{one}]\n'
        for at, one in enumerate(scorers)
    )
    project.configure("\n".join([_JUDGES, *suites]))


def _structured(**fields: str) -> list[dict[str, Any]]:
    return [{**row, "output": {"answer": {"text": row["output"]}, "note": "internal"}, **fields} for row in _labels()]


def test_a_judge_with_a_field_grades_that_part_of_a_whole_output(project: JudgeProject) -> None:
    _with_suites(project, "answer.text")
    project.label([*_structured(), {"id": "none", "input": "q", "output": "no part", "label": False}])
    seen: list[str] = []

    def grade(text: str) -> int:
        seen.append(text)
        return int(text.startswith("good"))

    project.play(_giving(grade))
    code, found = project.json("faq", "--labels", "labels.jsonl")
    assert (code, found["why_not"]) == (0, [])
    assert len(set(seen)) == 80
    assert all(text.startswith(("good", "bad")) for text in seen)
    assert found["record"]["judge_fail"] == 41  # the output without the part fails without a call


def test_a_row_that_names_the_part_is_graded_as_it_is(project: JudgeProject) -> None:
    _with_suites(project, "answer.text", "")
    project.label([{**row, "graded_part": "answer.text"} for row in _labels()])
    project.play(_giving(lambda text: int(text.startswith("good"))))
    assert project.json("faq", "--labels", "labels.jsonl")[1]["record"]["judge_pass"] == 40


def test_a_row_with_another_part_is_an_error(project: JudgeProject) -> None:
    _with_suites(project, "answer.text")
    project.label([{**row, "graded_part": "note"} for row in _labels()])
    code, _, err = project.call("faq", "--labels", "labels.jsonl")
    assert code == 4
    assert "labels.jsonl:1: graded_part is note, but judge faq grades answer.text: draw again" in err


def test_whole_outputs_of_a_judge_with_several_fields_are_an_error(project: JudgeProject) -> None:
    _with_suites(project, "answer.text", "")
    project.label(_structured())
    code, _, err = project.call("faq", "--labels", "labels.jsonl")
    assert code == 4
    assert "judge faq grades answer.text in s0, the whole output in s1: draw its labels with" in err


def test_a_second_calibration_sends_nothing(project: JudgeProject) -> None:
    project.label(_labels())
    project.play(_giving(lambda text: int(text.startswith("good"))))
    first, again = (project.json("faq", "--labels", "labels.jsonl")[1]["record"] for _ in range(2))
    assert project.server.calls == 80
    assert {**first, "created": ""} == {**again, "created": ""}


def test_a_judge_that_passes_everything_may_not_gate(project: JudgeProject) -> None:
    project.label(_labels())
    project.play(_giving(lambda _: 1))
    code, out, _ = project.call("faq", "--labels", "labels.jsonl")
    assert code == 1
    assert "the judge may not gate:\n  - its verdicts may be no better than chance (J = TPR + TNR - 1 = 0.00" in out
    assert calibrations.read(project.root / "calibration" / "faq.json").judge_fail == 0


def test_too_few_labels_may_not_gate_and_the_missing_ones_are_counted(project: JudgeProject) -> None:
    project.label(_labels(20))
    project.play(_giving(lambda text: int(text.startswith("good"))))
    code, found = project.json("faq", "--labels", "labels.jsonl")
    assert (code, found["why_not"]) == (1, [
        "10 human passes, but 30 are required: label 20 more outputs that pass",
        "10 human fails, but 30 are required: label 20 more outputs that fail",
    ])  # fmt: skip


def test_a_graded_judge_gets_its_threshold(project: JudgeProject) -> None:
    project.label(_labels(100))
    project.play(_giving(lambda text: 5 if text.startswith("good") else 3 if text.endswith("0") else 2))
    code, found = project.json("grades", "--labels", "labels.jsonl")
    assert (code, found["record"]["threshold"]) == (0, 1.0)
    assert found["files"] == [
        "calibration/grades.json", "calibration/grades.reliability.svg", "calibration/grades.roc.svg"
    ]  # fmt: skip
    assert found["record"]["measures"]["threshold"]["auc"]["value"] == 1.0


def test_a_judge_may_grade_each_row_several_times(project: JudgeProject) -> None:
    project.label(_labels())
    asked: list[str] = []

    def moody(text: str) -> int:
        asked.append(text)
        return int(text.startswith("good")) if asked.count(text) == 1 or text != "good 1" else 0

    project.play(_giving(moody))
    _, found = project.json("faq", "--labels", "labels.jsonl", "--times", "2")
    assert project.server.calls == 160
    repeats = found["record"]["measures"]["repeats"]
    assert (repeats["items"], repeats["flip_rate"]["value"]) == (80, 1 / 80)


def test_missing_fields_of_labels_are_joined_by_id(project: JudgeProject) -> None:
    whole = _labels()
    project.label([{"id": row["id"], "label": row["label"]} for row in whole])
    project.label([{"id": row["id"], "input": row["input"], "context": ["c"]} for row in whole], "golden.jsonl")
    project.label([{"id": row["id"], "output": row["output"]} for row in whole], "outputs.jsonl")
    project.play(_giving(lambda text: int(text.startswith("good"))))
    code, _ = project.json("faq", "--labels", "labels.jsonl", "--golden", "golden.jsonl", "--outputs", "outputs.jsonl")
    assert code == 0


def test_a_row_keeps_the_context_that_it_was_labelled_with(project: JudgeProject) -> None:
    project.label([{"id": at, "label": at % 2, "output": "x", "context": "of the row"} for at in range(4)])
    project.label([{"id": str(at), "input": "of the set", "context": "of the set"} for at in range(4)], "golden.jsonl")
    project.play(_giving(lambda _: 1))
    project.json("faq", "--labels", "labels.jsonl", "--golden", "golden.jsonl")
    for request in project.server.requests:
        asked = json.dumps(request.body)
        assert (asked.count("of the row"), asked.count("of the set")) == (1, 1)


def test_rows_that_cannot_be_joined_are_listed(project: JudgeProject) -> None:
    project.label([{"id": "a", "output": "x", "label": 1}, {"id": "b", "label": 0}])
    project.label([{"id": "a", "input": "q"}], "golden.jsonl")
    code, _, err = project.call("faq", "--labels", "labels.jsonl", "--golden", "golden.jsonl")
    assert (code, err.splitlines()) == (4, [
        "pytest-evalgate: labels.jsonl:2: output: the output is missing: name the file of outputs, --outputs FILE",
        "labels.jsonl:2: id: golden.jsonl contains no such case",
    ])  # fmt: skip


def test_a_claim_is_joined_by_the_row_that_contains_it(project: JudgeProject) -> None:
    claims = [{"claim": f"{'good' if at % 2 else 'bad'} {at}", "label": at % 2} for at in range(6)]
    project.label([{"id": "r", "claims": claims}])
    project.label([{"id": "r", "input": "the question"}], "golden.jsonl")
    project.play(_giving(lambda text: int(text.startswith("good"))))
    _, found = project.json("faq", "--labels", "labels.jsonl", "--golden", "golden.jsonl")
    assert found["record"]["measures"]["accuracy"]["hits"] == 6
    assert all("the question" in json.dumps(request.body) for request in project.server.requests)


def test_csv_is_read_as_well(project: JudgeProject) -> None:
    rows = _labels()
    with (project.root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    project.play(_giving(lambda text: int(text.startswith("good"))))
    assert project.json("faq", "--labels", "labels.csv")[0] == 0


def test_control_characters_of_models_are_escaped(project: JudgeProject) -> None:
    project.label([{"id": f"r{at}\u202e", "label": at % 2, "j": 1} for at in range(4)])
    _, out, _ = project.call("\x1b[31m", "--labels", "labels.jsonl", "--stored", "j", "--out", "record.json")
    assert "\x1b" not in out
    assert "\u202e" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nobody",), "no judge is named 'nobody' (configured: faq, grades): configure it, or add --stored PATH"),
        (("faq", "--swapped", "x"), "--swapped needs the stored verdicts in the first order: add --stored PATH"),
        (
            ("faq", "--stored", "x", "--times", "2"),
            "--stored sends no call: leave out --golden, --outputs and --times",
        ),
        (
            ("faq", "--stored", "gone"),
            "labels.jsonl: gone: no row has this path; the first row has id, input, label, output",
        ),
        (("../../up", "--stored", "label"), "the calibration of ../../up: calibration/../../up.json leads to"),
    ],
)
def test_wrong_options_are_an_error_before_any_call(
    project: JudgeProject, arguments: tuple[str, ...], message: str
) -> None:
    project.label(_labels(4))
    name, *rest = arguments
    code, out, err = project.call(name, "--labels", "labels.jsonl", *rest)
    assert (code, out, project.server.calls) == (4, "", 0)
    assert message in err


def test_labels_that_cannot_be_read_are_listed(project: JudgeProject) -> None:
    project.label([{"id": "a", "label": "hm"}, {"id": "a", "label": 1}])
    code, _, err = project.call("faq", "--labels", "labels.jsonl")
    assert code == 4
    assert len(err.splitlines()) == 2
    assert not (project.root / "calibration").exists()


def test_the_threshold_may_be_chosen_by_another_criterion(project: JudgeProject) -> None:
    project.label([{"id": at, "label": at % 3 > 0, "p": (at * 7 % 50) / 50} for at in range(90)])
    arguments = ("p", "--labels", "labels.jsonl", "--stored", "p")
    found = {
        aim: project.json(*arguments, "--choose-by", aim, "--false-pass-cost", "9")[1]["record"]["measures"][
            "threshold"
        ]
        for aim in ("specificity", "youden", "cost")
    }
    assert {aim: threshold["aim"] for aim, threshold in found.items()} == {aim: aim for aim in found}
    assert len({threshold["value"] for threshold in found.values()}) > 1


@pytest.mark.parametrize("seed", ["-1", "1.5", "x", "9" * 19])
def test_a_seed_is_a_whole_number(capsys: pytest.CaptureFixture[str], seed: str) -> None:
    for arguments in (("calibrate", "faq", "--labels", "l"), ("label", "sample")):
        with pytest.raises(SystemExit):
            main([*arguments, f"--seed={seed}"])
        assert "is not a whole number from 0" in capsys.readouterr().err


def test_another_seed_gives_other_folds(xstest: JudgeProject) -> None:
    first, other = (xstest.json(*_GPT4, "--seed", seed)[1]["record"]["measures"] for seed in ("0", "1"))
    assert first["kappa"]["value"] == other["kappa"]["value"]
    assert first["kappa"]["interval"] != other["kappa"]["interval"]
    assert other["bootstrap"]["seed"] == 1


def test_the_two_rates_that_decide_come_first_and_the_rest_on_v(project: JudgeProject) -> None:
    project.label(_labels())
    project.play(_giving(lambda text: int(text.startswith("good") or text == "bad 40")))
    code, out, _ = project.call("faq", "--labels", "labels.jsonl")
    assert code == 0
    assert out.splitlines()[:9] == [
        "faq: measured against 80 labels of labels.jsonl (graded by the judge)",
        "  human passes: true (40)",
        "  human fails: false (40)",
        "",
        "                                         at least  required",
        "  passes what people pass (TPR)  100.0%  91.2%     no min_tpr",
        "  fails what people fail (TNR)    97.5%  87.1%     no min_tnr",
        "  1 disagreement, and all other figures: -v",
        "",
    ]
    assert "Cohen's kappa" not in out
    _, whole, _ = project.call("faq", "--labels", "labels.jsonl", "-v")
    assert "Cohen's kappa" in whole
    assert "r40" in whole


def test_the_line_for_the_configuration_is_printed(project: JudgeProject) -> None:
    project.configure(_JUDGES.replace('scale = "1-5"', "report_only = true"))
    project.label(_labels())
    project.play(_giving(lambda text: int(text.startswith("good"))))
    _, out, _ = project.call("grades", "--labels", "labels.jsonl")
    assert out.splitlines()[-4:-2] == [
        "the judge may gate: add to [judges.grades], and remove report_only:",
        '  calibration = "calibration/grades.json"',
    ]
    _, again, _ = project.call("faq", "--labels", "labels.jsonl")
    assert "\nthe judge may gate\n" in again


def test_raters_that_do_not_agree_refuse_the_calibration(project: JudgeProject) -> None:
    project.configure(_JUDGES.replace('scale = "1-5"', "min_alpha = 0.8"))
    rows = [{**row, "labels": {"a": row["label"], "b": row["label"] or at < 40}} for at, row in enumerate(_labels())]
    project.label(rows)
    project.play(_giving(lambda text: int(text.startswith("good"))))
    code, found = project.json("grades", "--labels", "labels.jsonl")
    assert (code, found["why_not"]) == (1, [
        ("its raters agree by an alpha of 0.47, but 0.8 is required: write the criteria more exactly and label again "
        "(pytest-evalgate label check labels.jsonl)")
    ])  # fmt: skip
    project.label(_labels())
    _, alone = project.json("grades", "--labels", "labels.jsonl")
    assert alone["why_not"] == [
        (
            "the agreement of its raters is unknown, but an alpha of 0.8 is required: let two people label some of "
            "the rows (pytest-evalgate label check labels.jsonl)"
        )
    ]


def test_the_command_that_checks_raters_names_their_fields_and_the_pass_labels(project: JudgeProject) -> None:
    project.configure(_JUDGES.replace('scale = "1-5"', "min_alpha = 0.8"))
    words = {True: "Looks fine", False: "bad"}
    rows = [
        {**row, "label": words[row["label"]], "by": {"a": words[row["label"]], "b": words[row["label"] or at < 40]}}
        for at, row in enumerate(_labels())
    ]
    project.label(rows)
    project.play(_giving(lambda text: int(text.startswith("good"))))
    options = ("--pass-label", "Looks fine", "--rater", "by.a", "--rater", "by.b")
    code, found = project.json("grades", "--labels", "labels.jsonl", *options)
    command = "pytest-evalgate label check labels.jsonl --pass-label 'Looks fine' --rater by.a --rater by.b"
    assert (code, found["why_not"][0].partition("label again ")[2]) == (1, f"({command})")
    assert main(shlex.split(command)[1:]) == 0


def _scored(n: int = 60) -> list[dict[str, Any]]:
    return [
        {"id": at, "label": at % 11, "judge": {"score": 10 * (at % 11) + (at % 7)}, "lang": "de" if at % 2 else "en",
         "length": at}
        for at in range(n)
    ]  # fmt: skip


def test_any_scale_is_read_from_the_data_and_correlated(project: JudgeProject) -> None:
    project.label(_scored())
    arguments = ("x", "--labels", "labels.jsonl", "--stored", "judge.score")
    code, out, _ = project.call(*arguments, "-v", "--by", "lang", "--partial", "length")
    assert code == 1
    assert "labels pass from 5, the middle of their scale: choose with --pass-from N" in out
    assert "labels are numbers from 0..10, the judge's from 0..105: grades are correlated, not compared" in out
    assert "kappa of grades" not in out
    lines = [line.split()[0] for line in out.splitlines() if "(0." in line]
    assert {"all", "en", "de", "partial,"} <= set(lines)
    assert "the lowest label that passes was assumed (5): calibrate it with --pass-from N" in " ".join(out.split())
    _, chosen = project.json(*arguments, "--pass-from", "7", "--scale", "0-10", "--stored-scale", "0-110")
    assert not any("assumed" in reason for reason in chosen["why_not"])
    assert chosen["record"]["measures"]["labels_that_pass"].keys() == {"7", "8", "9", "10"}
    assert chosen["record"]["measures"]["correlations"]["whole"]["pearson"]["value"] > 0.99


def test_labels_outside_the_declared_scale_are_refused(project: JudgeProject) -> None:
    project.label(_scored(20))
    arguments = ("x", "--labels", "labels.jsonl", "--stored", "judge.score")
    code, _, err = project.call(*arguments, "--scale", "0-9")
    assert (code, 'label: unknown label "10": the scale is 0..9' in err) == (4, True)
    code, _, err = project.call(*arguments, "--by", "gone")
    assert (code, "gone: no row has this path; the first row has id, judge.score, label, lang, length" in err) == (
        4,
        True,
    )


def test_classes_are_compared_by_name(project: JudgeProject) -> None:
    names = ["refund", "shipping", "other"]
    rows = [
        {"id": at, "label": names[at % 3], "verdict": None if at % 10 == 9 else names[(at + at % 5 // 4) % 3]}
        for at in range(60)
    ]
    project.label(rows)
    code, out, _ = project.call("router", "--labels", "labels.jsonl", "--stored", "verdict", "--classes")
    assert code == 0
    assert out.splitlines()[0] == "router: 60 verdicts compared with labels.jsonl as classes, 6 of them unreadable"
    assert "unreadable" in out
    assert "labels (rows) by verdicts (columns)" in out
    assert not (project.root / "calibration").exists()
    code, found = project.json(
        "router", "--labels", "labels.jsonl", "--stored", "verdict", "--order", "other,refund,shipping"
    )
    assert [one["name"] for one in found["classes"]] == ["other", "refund", "shipping", "unreadable"]
    assert "kappa_linear" in found["ordered"]


def test_options_of_stored_verdicts_need_them(project: JudgeProject) -> None:
    project.label(_labels(4))
    code, _, err = project.call("faq", "--labels", "labels.jsonl", "--classes")
    assert (code, "--classes, --order and --stored-scale describe stored verdicts: add --stored PATH" in err) == (
        4,
        True,
    )
    for option, value in (("--scale", "9-1"), ("--scale", "x"), ("--order", "a,,b"), ("--order", "a,A")):
        with pytest.raises(SystemExit):
            main(["calibrate", "faq", "--labels", "l", option, value])


def test_labels_of_a_sample_are_recorded_by_stratum(project: JudgeProject) -> None:
    rows = [
        {**row, "weight": 9.0 if at % 2 else 1.0, "sample": f"0123456789abcdef/{'A/360' if at % 2 else 'B/40'}"}
        for at, row in enumerate(_labels())
    ]
    project.label(rows)
    project.play(_giving(lambda text: int(text.startswith("good"))))
    code, found = project.json("faq", "--labels", "labels.jsonl")
    assert code == 0
    sample = found["record"]["sample"]
    assert sample["frame"] == "0123456789abcdef"
    assert [one["outputs"] for one in sample["strata"]] == [40, 360]
    kept = calibrations.read(project.root / "calibration" / "faq.json")
    assert kept.sample is not None
    assert kept.sample.strata[1].both == 40
