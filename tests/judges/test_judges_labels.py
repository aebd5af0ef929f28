from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_evalgate import config
from pytest_evalgate.judges import labels
from pytest_evalgate.judges.label_rows import LabelRow
from pytest_evalgate.judges.label_scale import LabelScale, normalise_label, scale_of
from pytest_evalgate.judges.labels import Columns, LabelsError, LabelSet, digest, load
from pytest_evalgate.judges.material import material_of
from pytest_evalgate.judges.rubric import load_rubric
from pytest_evalgate.judges.stored_scores import StoredScores
from pytest_evalgate.records.cases import Place

_DATA = Path(__file__).parents[1] / "data"
_NOTHING = Columns()


def _load(folder: Path, rows: list[dict[str, Any]], columns: Columns = _NOTHING) -> LabelSet:
    (folder / "l.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return load(folder / "l.jsonl", columns, root=folder)


def _problems(folder: Path, rows: list[dict[str, Any]], columns: Columns = _NOTHING) -> list[str]:
    with pytest.raises(LabelsError) as caught:
        _load(folder, rows, columns)
    return str(caught.value).splitlines()


def test_a_row_becomes_a_case_an_output_and_a_label(tmp_path: Path) -> None:
    row = {"id": "a", "input": "q", "expected": "e", "context": ["c", "d"], "output": "o", "label": "fail"}
    [found] = _load(tmp_path, [{**row, "cluster": 7, "weight": 2.5}]).rows
    assert (found.case.id, found.case.input, found.case.expected, found.case.context) == ("a", "q", "e", ("c", "d"))
    assert found.case.place == Place("l.jsonl", 1)
    assert (found.output.value, found.label, found.passed, found.decided) == ("o", "fail", False, True)
    assert (found.cluster, found.weight, found.grade, dict(found.raters)) == ("7", 2.5, None, {})


def test_optional_fields_have_defaults(tmp_path: Path) -> None:
    found = _load(tmp_path, [{"output": "o", "human_label": True, "context": "c"}])
    [row] = found.rows
    assert (row.passed, row.weight, row.cluster, row.scores, row.case.context) == (True, 1.0, None, (), ("c",))
    assert row.case.id == _load(tmp_path, [{"output": "o", "label": 0, "context": "c"}]).rows[0].case.id
    assert row.case.id != _load(tmp_path, [{"output": "p", "label": 0, "context": "c"}]).rows[0].case.id


def test_rows_without_a_label_yet_are_counted_and_left_out(tmp_path: Path) -> None:
    found = _load(tmp_path, [{"id": "a", "label": None}, {"id": "b", "label": 1}, {"id": "c", "labels": {}}])
    assert ([row.case.id for row in found.rows], found.unlabelled) == (["b"], 2)


def test_labels_are_counted_as_written(tmp_path: Path) -> None:
    rows = [{"id": str(number), "label": label} for number, label in enumerate(["Full", "None", "Half", "Full"])]
    found = _load(tmp_path, rows, Columns(("full", "half")))
    assert (found.counted(passed=True), found.counted(passed=False)) == ({"Full": 2, "Half": 1}, {"None": 1})


def test_grades_are_kept_beside_pass_and_fail(tmp_path: Path) -> None:
    found = _load(tmp_path, [{"id": "a", "label": 2}, {"id": "b", "label": 4}])
    assert [(row.passed, row.grade) for row in found.rows] == [(False, 0.25), (True, 0.75)]
    assert found.passing == 0.75


def test_the_majority_of_raters_decides(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "labels": {"ann": "pass", "ben": "pass", "cy": "fail"}},
        {"id": "b", "labels": {"ann": "pass", "ben": "fail"}},
        {"id": "c", "label": "fail", "labels": {"ann": "pass", "cy": "pass"}},
    ]
    first, second, third = _load(tmp_path, rows).rows
    assert (first.passed, first.decided, first.label) == (True, False, "pass")
    assert (second.passed, second.decided, second.label) == (None, False, "undecided")
    assert (third.passed, third.decided, dict(third.raters)) == (False, True, {"ann": 1.0, "cy": 1.0})


def test_raters_grades_are_averaged(tmp_path: Path) -> None:
    [row] = _load(tmp_path, [{"id": "a", "labels": {"ann": 5, "ben": 4, "cy": 1}}]).rows
    assert (row.passed, dict(row.raters)) == (True, {"ann": 1, "ben": 0.75, "cy": 0})
    assert row.grade == pytest.approx(7 / 12)


def test_raters_may_be_at_any_path(tmp_path: Path) -> None:
    rows = [{"id": "a", "metadata": {"one": "pass", "two": "fail"}, "label": "pass"}]
    [row] = _load(tmp_path, rows, Columns(raters=("metadata.one", "metadata.two"))).rows
    assert dict(row.raters) == {"metadata.one": 1.0, "metadata.two": 0.0}


def test_csv_columns_may_name_raters(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("id,labels.ann,labels.ben\na,pass,\nb,fail,fail\nc,,\n", "utf-8")
    found = load(tmp_path / "l.csv", Columns(), root=tmp_path)
    assert [dict(row.raters) for row in found.rows] == [{"ann": 1.0}, {"ann": 0.0, "ben": 0.0}]
    assert found.unlabelled == 1


def test_each_claim_of_a_row_is_labelled_in_its_cluster(tmp_path: Path) -> None:
    claims = [{"claim": ["x", "is", "y"], "label": "pass"}, {"claim": "z", "label": "fail"}]
    one, two = _load(tmp_path, [{"id": "r", "context": "c", "claims": claims}, {"id": "s", "claims": []}]).rows
    assert [(row.case.id, row.output.value, row.cluster) for row in (one, two)] == [
        ("r#1", "x is y", "r"),
        ("r#2", "z", "r"),
    ]
    assert (one.passed, two.passed, two.case.context) == (True, False, ("c",))


def test_every_problem_is_listed_at_once(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "label": "pass"},
        {"id": "a", "label": "fail"},
        {"id": 1.5, "label": "pass", "weight": 0},
        {"id": "d", "label": "pass", "human_label": "pass", "context": [1]},
        {"id": "e", "labels": ["pass"], "cluster": {}},
        {"id": "f", "output": "x"},
        {"id": "g", "claims": [{"claim": 1, "label": 1}]},
        {"id": " h", "label": "perhaps"},
        {"id": "i", "label": "perhaps"},
    ]
    assert _problems(tmp_path, rows) == [
        'l.jsonl:2: id: duplicate id "a" (first at line 1)',
        "l.jsonl:3: id: must be a string without surrounding white space, or a whole number, not 1.5",
        "l.jsonl:3: weight: must be a number above 0, not 0",
        "l.jsonl:4: context: must be a string or a list of strings, not [1]",
        "l.jsonl:4: human_label: given in addition to label: keep one of them",
        "l.jsonl:5: cluster: must be a string or a whole number, not {}",
        'l.jsonl:5: labels: must be labels by rater: {"anna": "pass", "ben": "fail"}, not ["pass"]',
        'l.jsonl:6: no label: add "label" (null until it is known), or "labels" by rater',
        'l.jsonl:7: claims: must be a list of {"claim": "...", "label": "..."}, not [{"claim":1,"label":1}]',
        'l.jsonl:8: id: must be a string without surrounding white space, or a whole number, not " h"',
        ('l.jsonl:8: label: unknown label "perhaps" (2 times): name the labels that pass with --pass-label LABEL, '
            "or compare all of them as classes: --classes"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "l.jsonl: the file has no rows"),
        ([{"id": "a", "label": None}], "l.jsonl: none of 1 rows has a label yet"),
        ([{"id": "a"}, {"id": "b"}], 'l.jsonl: no row has a label: add "label" (null until it is known)'),
    ],
)
def test_a_file_without_labels_is_one_problem(tmp_path: Path, rows: list[dict[str, Any]], problem: str) -> None:
    [message] = _problems(tmp_path, rows)
    assert message.startswith(problem)


def test_a_pass_label_that_no_row_has_is_a_problem(tmp_path: Path) -> None:
    assert _problems(tmp_path, [{"id": "a", "label": "full"}], Columns(("ful",))) == [
        'l.jsonl: no row has the label "ful"; labels: "full"'
    ]


def test_truncated_lines_are_problems(tmp_path: Path) -> None:
    (tmp_path / "l.jsonl").write_text('{"id": "a", "label": 1}\n{"id": \n', "utf-8")
    with pytest.raises(LabelsError, match=r"^l\.jsonl:2: not JSON"):
        load(tmp_path / "l.jsonl", Columns(), root=tmp_path)
    with pytest.raises(LabelsError, match=r"l\.jsonl:2: not JSON"):
        digest(tmp_path / "l.jsonl")


def test_label_set_and_digest_agree(tmp_path: Path) -> None:
    found = _load(tmp_path, [{"id": "a", "label": 1}])
    assert digest(tmp_path / "l.jsonl") == found.sha256
    assert _load(tmp_path, [{"id": "a", "label": 0}]).sha256 != found.sha256


def _unpacked(name: str, folder: Path) -> Path:
    path = folder / name.removesuffix(".gz")
    path.write_bytes(gzip.decompress((_DATA / name).read_bytes()))
    return path


@pytest.mark.parametrize("system", ["ctrl", "doha", "gpt2", "t5"])
def test_begin_is_a_labelled_set_for_faithfulness(tmp_path: Path, system: str) -> None:
    expected = json.loads((_DATA / "begin_wow.expected_numbers.json").read_text("utf-8"))["systems"][system]
    path = _unpacked(f"begin_wow.outputs.{system}.jsonl.gz", tmp_path)
    found = load(path, Columns(("Fully attributable",)), root=tmp_path)
    assert len(found.rows) == expected["n"]
    counted = {**found.counted(passed=True), **found.counted(passed=False)}
    assert counted == {label: expected[label] for label in counted}
    assert sum(row.passed is True for row in found.rows) == expected["fully_attributable"]["k"]
    assert all(isinstance(row.output.value, str) for row in found.rows)


@pytest.mark.parametrize("system", ["gpt4", "davinci001"])
def test_refchecker_is_a_labelled_set_of_claims(tmp_path: Path, system: str) -> None:
    expected = json.loads((_DATA / "refchecker_claims.expected_numbers.json").read_text("utf-8"))[system]
    path = _unpacked(f"refchecker_claims.outputs.{system}.jsonl.gz", tmp_path)
    found = load(path, Columns(("Entailment",)), root=tmp_path)
    settings = [expected[name] for name in ("zero_context", "noisy_context", "accurate_context")]
    for label, counted in {**found.counted(passed=True), **found.counted(passed=False)}.items():
        assert counted == sum(setting["claims"][label] for setting in settings)
    answered = sum(setting["responses"] - setting["responses_without_claims"] for setting in settings)
    assert len({row.cluster for row in found.rows}) == answered


@pytest.mark.parametrize("label", ["pass", "Passed ", "GOOD", "yes", True, 1, 1.0, "1"])
def test_words_for_a_pass(label: Any) -> None:
    assert scale_of([label, "fail"]).passed(label) is True


@pytest.mark.parametrize("label", ["fail", "Failed", "bad", "no", False, 0, "0"])
def test_words_for_a_fail(label: Any) -> None:
    assert scale_of([label, "pass"]).passed(label) is False


@pytest.mark.parametrize("label", ["2_full_refusal", "maybe", 2, "", [1], {"a": 1}])
def test_any_other_word_is_unknown(label: Any) -> None:
    assert scale_of([label, "pass"]).passed(label) is None


def test_pass_labels_make_all_others_fails() -> None:
    scale = scale_of(["Full", "partial", "none"], [" full", "PARTIAL"])
    assert [scale.passed(label) for label in ("Full", "partial", "none", "other")] == [True, True, False, None]
    assert not scale.graded


def test_grades_pass_from_three_on() -> None:
    scale = scale_of([1, 2, 3, 4, 5, 3.5])
    assert scale.graded
    assert [scale.passed(grade) for grade in (1, 2, 3, 3.5, 5)] == [False, False, True, True, True]
    assert [scale.grade(grade) for grade in (1, 3, 3.5, 5)] == [0.0, 0.5, 0.625, 1.0]
    assert scale.passing == 0.5


def test_pass_labels_may_set_another_grade() -> None:
    scale = scale_of([1, 2, 3, 4, 5], ["4", "5"])
    assert (scale.graded, scale.passing, scale.passed(3)) == (True, 0.75, False)


def test_numbers_are_names_if_the_lower_ones_pass() -> None:
    scale = scale_of([1, 2], ["1"])
    assert (scale.graded, scale.grade(1), scale.passed(1), scale.passed(2)) == (False, None, True, False)


@pytest.mark.parametrize("labels", [[0, 1], [1, 1], [3, "fail"], [True, 3]])
def test_mixed_labels_are_read_as_words(labels: list[Any]) -> None:
    assert scale_of(labels) == LabelScale(scale_of([]).passes, scale_of([]).fails)


def test_labels_are_compared_without_case_white_space_and_empty_decimals() -> None:
    assert [normalise_label(label) for label in (" Fully  OK ", 4.0, 3.5, True, "straße")] == [
        "fully  ok", "4", "3.5", "true", "strasse"
    ]  # fmt: skip


_WORDS = scale_of(["pass", "fail"])


def _rows(*verdicts: Any) -> list[LabelRow]:
    return [LabelRow(Place("l", at), {"id": at, "judge": {"a": one}}) for at, one in enumerate(verdicts, start=1)]


def _scores(scale: LabelScale, *verdicts: Any) -> list[list[tuple[float | None, bool | None]]]:
    rows = _rows(*verdicts)
    stored = StoredScores.at("judge.a", rows, scale)
    assert list(stored.problems(rows)) == []
    return [[(score.value, score.passed) for score in stored.of(row)] for row in rows]


def _score_problems(scale: LabelScale, *verdicts: Any) -> list[str]:
    rows = _rows(*verdicts)
    return list(map(str, StoredScores.at("judge.a", rows, scale).problems(rows)))


def test_words_and_booleans_are_verdicts() -> None:
    assert _scores(_WORDS, *["Pass", False, 1, 0]) == [[(1.0, True)], [(0.0, False)]] * 2


def test_shares_are_scores_that_pass_from_a_half_on() -> None:
    assert _scores(_WORDS, 0.49, 0.5, 1) == [[(0.49, False)], [(0.5, True)], [(1.0, True)]]
    assert not StoredScores.at("judge.a", _rows(0.4), _WORDS).on_grades


def test_numbers_up_to_five_are_grades() -> None:
    assert _scores(_WORDS, 2, 3, 5) == [[(0.25, False)], [(0.5, True)], [(1.0, True)]]
    assert StoredScores.at("judge.a", _rows(2), _WORDS).on_grades


def test_one_is_the_lowest_grade_among_grades() -> None:
    assert _scores(scale_of([1, 3, 5]), 1, 1) == [[(0.0, False)], [(0.0, False)]]
    assert _scores(_WORDS, 1, 5)[0] == [(0.0, False)]


def test_numbers_used_as_labels_are_not_grades() -> None:
    assert _scores(scale_of([1, 2], ["1"]), 1, 2) == [[(1.0, True)], [(0.0, False)]]


def test_grades_pass_from_the_pass_mark_of_the_labels() -> None:
    assert _scores(scale_of([1, 3, 4], ["4"]), 3, 4) == [[(0.5, False)], [(0.75, True)]]


def test_a_list_is_repeated_scores() -> None:
    assert _scores(_WORDS, ["pass", "fail", None]) == [[(1.0, True), (0.0, False), (None, None)]]


def test_an_unknown_label_is_unreadable_not_a_fail() -> None:
    scale = scale_of(["1", "2"], ["1"])
    rows = _rows("1", "2", "draw?", None)
    read = [StoredScores.at("judge.a", rows, scale).of(row) for row in rows]
    assert [[score.passed for score in scores] for scores in read] == [[True], [False], [None], []]
    assert (read[2][0].value, read[2][0].reason) == (None, '"draw?" is not one of the labels')


@pytest.mark.parametrize("text", ["tie", " Tie "])
def test_a_tie_is_read_and_names_no_winner(text: str) -> None:
    rows = _rows("1", text)
    [score] = StoredScores.at("judge.a", rows, scale_of(["1", "2"], ["1"])).of(rows[1])
    assert (score.value, score.passed) == (0.5, None)


@pytest.mark.parametrize(
    ("verdicts", "problem"),
    [
        (({"passed": True},), "l:1: judge.a: must be a score; name one of its fields, such as judge.a.passed, not "),
        (([[1]],), "l:1: judge.a: must be a score or a list of scores, not [1]"),
    ],
)
def test_an_invalid_score_is_reported(verdicts: tuple[Any, ...], problem: str) -> None:
    [message] = _score_problems(_WORDS, *verdicts)
    assert message.startswith(problem)


def test_a_path_that_no_row_has_is_one_problem() -> None:
    rows = [LabelRow(Place("l", 1), {"id": 1, "judge": {"b": 1}}), LabelRow(Place("l", 2), {"id": 2})]
    [problem] = StoredScores.at("judge.a", rows, _WORDS).problems(rows)
    assert str(problem) == "l: judge.a: no row has this path; the first row has id, judge.b"


_FOLDER = Path(__file__).parents[2] / "examples" / "judges"


@pytest.mark.parametrize(
    ("judge", "file", "passes", "counts"),
    [
        ("faithfulness", "faithfulness.begin_wow.jsonl", "Fully attributable", (123, 77)),
        ("preference", "pairwise-preference.llmbar.jsonl", "better", (64, 82)),
    ],
)
def test_label_files_of_the_examples_fit_their_rubrics(
    judge: str, file: str, passes: str, counts: tuple[int, int]
) -> None:
    rubric = load_rubric(config.load(_FOLDER).judges[judge], root=_FOLDER)
    found = labels.load(_FOLDER / file, Columns(pass_labels=(passes,)), root=_FOLDER)
    assert (sum(found.counted(passed=True).values()), sum(found.counted(passed=False).values())) == counts
    assert [row.case.id for row in found.rows if material_of(row.case, row.output).missing_input(rubric)] == []
