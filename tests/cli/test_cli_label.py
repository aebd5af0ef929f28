"""``pytest-evalgate label sample``: what people are given to label, and that it comes back."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import golden
from pytest_evalgate.cli import main
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.judges.label_rows import read_rows
from pytest_evalgate.judges.labels import Columns, load
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import CaseResult, Output, PlannedCase, Run, Score, SuitePlan, SuiteRun, Trial
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.cli.conftest import Command

_CONFIG = """
[models.m]
model = "m-1"
base_url = "http://127.0.0.1:9/v1"

[judges.faq]
model = "m"
criteria = "good?"

[suites.support]
golden = "golden.jsonl"
scorers = ["exact", { judge = "faq" }]
"""


@dataclass(frozen=True)
class LabelProject:
    """A project with a stored run of 200 cases, and the verb."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def store(self, results: Sequence[CaseResult], *names: str, run_id: str = "20260101T000000Z-aaaa") -> None:
        [held] = golden.load([self.root / "golden.jsonl"], root=self.root)
        plans = [
            SuitePlan(name, ("golden.jsonl",), held.sha256, "s" * 64, 1, tuple(one.case for one in results))
            for name in names or ("support",)
        ]
        suites = tuple(SuiteRun(plan, tuple(results)) for plan in plans)
        run = Run(run_id, "2026-01-01T00:00:00Z", None, suites)
        run_file.write(run, run_file.path_of(self.root / ".evalgate", run_id))

    def sample(self, *arguments: str) -> tuple[int, str, str]:
        code = main(["label", "sample", *arguments])
        printed = self.capsys.readouterr()
        return code, printed.out, printed.err

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        code, out, err = self.sample(*arguments)
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]


def _result(at: int, *values: float | None, output: Any = None, **fields: Any) -> CaseResult:
    """Make the result of a case whose trials the judge gave these values."""
    case = PlannedCase(f"c{at}", Place("golden.jsonl", at + 1), "f", cluster=f"d{at // 10}", **fields)
    trials = []
    for index, value in enumerate(values):
        passed = None if value is None else value >= 0.5
        scores = (Score("exact", 1.0, passed=True), Score("faq", value, passed))
        trials.append(
            Trial(index, None if passed is None else float(passed), Output(output or f"answer {at}"), scores)
        )
    return combine_trials(case, trials)


def _in_control_level() -> list[CaseResult]:
    """180 plain passes, 10 plain fails, 10 on which the judge is unsure."""
    return [_result(at, 1.0 if at < 180 else 0.0 if at < 190 else 0.5) for at in range(200)]


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> LabelProject:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVALGATE_DIR", raising=False)
    (tmp_path / "evalgate.toml").write_text(_CONFIG, "utf-8")
    cases = ({"id": f"c{at}", "input": {"q": at}, "expected": "e", "context": ["one", "two"]} for at in range(200))
    (tmp_path / "golden.jsonl").write_text("".join(f"{json.dumps(case)}\n" for case in cases), "utf-8")
    found = LabelProject(tmp_path, capsys)
    found.store(_in_control_level())
    return found


def test_each_stratum_has_an_equal_share_and_each_row_its_weight(project: LabelProject) -> None:
    code, out, err = project.sample("--n", "60")
    assert code == 0
    assert Counter(json.loads(line)["weight"] for line in out.splitlines()) == {4.5: 40, 1.0: 20}
    assert err.splitlines() == [
        "drew 60 of 200 outputs, by the verdict of judge faq:",
        "  fail: 10 of 10",
        "  pass: 40 of 180",
        "  pass, unsure: 10 of 10",
    ]


def test_a_row_contains_the_case_and_the_output_but_no_verdict(project: LabelProject) -> None:
    row = project.rows("--n", "200")[3]
    assert row == {
        "id": "c3", "input": {"q": 3}, "expected": "e", "context": ["one", "two"], "output": "answer 3",
        "label": None, "cluster": "d0", "weight": 1.0, "sample": "1199d310940f6634/A/180", "batch": 1,
    }  # fmt: skip


def test_the_context_is_that_of_the_output_if_it_has_one(project: LabelProject) -> None:
    found = Output("x", {"context": "retrieved"})
    scores = (Score("faq", 1.0, passed=True),)
    project.store([CaseResult(_result(0, 1.0).case, "passed", (Trial(0, 1.0, found, scores),)), _result(1, 1.0)])
    assert [row["context"] for row in project.rows()] == [["retrieved"], ["one", "two"]]


def test_the_rows_keep_the_order_of_the_run(project: LabelProject) -> None:
    ids = [int(row["id"].removeprefix("c")) for row in project.rows("--n", "50")]
    assert ids == sorted(ids)


def test_the_seed_determines_the_sample(project: LabelProject) -> None:
    first, again, other = (project.rows("--seed", seed) for seed in ("1", "1", "2"))
    assert first == again != other
    assert len(first) == 100


def test_a_sample_larger_than_the_run_is_the_run(project: LabelProject) -> None:
    assert {row["weight"] for row in project.rows("--n", "1000")} == {1.0}


def test_trials_that_differ_are_unsure(project: LabelProject) -> None:
    project.store([_result(0, 1.0, 0.0), _result(1, 1.0, 1.0), _result(2, 0.0, 1.0)])
    _, _, err = project.sample()
    assert err.splitlines()[1:] == ["  fail, unsure: 1 of 1", "  pass: 1 of 1", "  pass, unsure: 1 of 1"]


def test_unusable_outputs_are_left_out(project: LabelProject) -> None:
    unread, gone = _result(0, None), CaseResult(_result(1, 1.0).case, "errored", (Trial(0, None),))
    removed = _result(2, 1.0, side="base")
    scores = (Score("faq", 0.0, passed=False),)
    cut = CaseResult(_result(3, 1.0).case, "missed", (Trial(0, 0.0, Output("x", finish="length"), scores),))
    project.store([unread, gone, removed, cut, _result(4, 1.0)])
    assert [row["id"] for row in project.rows()] == ["c4"]


def test_a_suite_without_a_judge_is_drawn_by_its_verdicts(project: LabelProject) -> None:
    (project.root / "evalgate.toml").write_text('[suites.support]\ngolden = "golden.jsonl"\n', "utf-8")
    _, _, err = project.sample("--n", "10")
    assert err.splitlines() == [
        "drew 10 of 200 outputs, by the verdict of each case:", "  fail: 5 of 10", "  pass: 5 of 190"
    ]  # fmt: skip


def test_any_score_may_be_named(project: LabelProject) -> None:
    _, _, err = project.sample("--judge", "exact", "--n", "10")
    assert err.splitlines()[1:] == ["  pass: 10 of 200"]


@pytest.mark.parametrize("name", ["labels.jsonl", "labels.csv"])
def test_a_labelled_sample_comes_back_with_its_weights(project: LabelProject, name: str) -> None:
    code, out, _ = project.sample("--n", "40", "--out", f"labels/{name}")
    assert (code, out) == (0, "")
    path = project.root / "labels" / name
    _fill(path)
    found = load(path, Columns(), root=project.root)
    assert len(found.rows) == 40
    assert sorted({row.weight for row in found.rows}) == [1.0, 9.0]
    assert all(row.passed and row.cluster is not None for row in found.rows)
    assert [str(row.output.value) for row in found.rows] == [f"answer {row.case.id[1:]}" for row in found.rows]


def _fill(path: Path) -> None:
    """Label every row as a pass, as a person would with an editor or a spreadsheet."""
    if path.suffix == ".jsonl":
        path.write_text(path.read_text("utf-8").replace('"label": null', '"label": "pass"'), "utf-8")
        return
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "label": "pass"} for row in rows)


def test_an_output_is_no_formula_in_a_spreadsheet_and_comes_back_as_it_was(project: LabelProject) -> None:
    formula = '=HYPERLINK("http://evil")'
    project.store([_result(0, 1.0, output=formula)])
    project.sample("--out", "labels.csv")
    path = project.root / "labels.csv"
    with path.open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    assert row["output"] == f"'{formula}"
    _fill(path)
    assert load(path, Columns(), root=project.root).rows[0].output.value == formula


def test_an_existing_file_is_never_replaced(project: LabelProject) -> None:
    (project.root / "labels.csv").write_text("precious", "utf-8")
    code, _, err = project.sample("--out", "labels.csv")
    assert (code, "labels.csv exists and may contain labels: choose another file" in err) == (4, True)
    assert (project.root / "labels.csv").read_text("utf-8") == "precious"


def test_json_prints_the_counts_of_each_stratum(project: LabelProject) -> None:
    code, out, err = project.sample("--n", "30", "--out", "labels.jsonl", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "fail": {"outputs": 10, "drawn": 10},
        "pass": {"outputs": 180, "drawn": 10},
        "pass, unsure": {"outputs": 10, "drawn": 10},
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--suite", "other"), "has no suite 'other' (its suites: support)"),
        (("--judge", "other"), "no output of suite support has a verdict of other to sample by"),
        (("--run", "20260102T000000Z-bbbb"), "20260102T000000Z-bbbb"),
        (("--json",), "the rows need a file: add --out FILE"),
    ],
)
def test_a_sample_that_cannot_be_drawn_is_an_error(
    project: LabelProject, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = project.sample(*arguments)
    assert (code, out) == (4, "")
    assert message in err


def test_one_of_several_suites_has_to_be_named(project: LabelProject) -> None:
    project.store(_in_control_level(), "support", "other")
    code, _, err = project.sample()
    assert (code, "the run has the suites support, other: add --suite NAME" in err) == (4, True)
    assert len(project.rows("--suite", "other", "--judge", "faq", "--n", "5")) == 5


def test_one_of_several_judges_has_to_be_named(project: LabelProject) -> None:
    two = '{ judge = "faq" }, { judge = "faq", name = "again" }'
    (project.root / "evalgate.toml").write_text(_CONFIG.replace('{ judge = "faq" }', two), "utf-8")
    code, _, err = project.sample()
    assert (code, "suite support has the judges faq, again: add --judge NAME" in err) == (4, True)


def test_outputs_of_another_golden_set_are_not_drawn(project: LabelProject) -> None:
    with (project.root / "golden.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "new", "input": "q"}\n')
    code, _, err = project.sample()
    assert code == 4
    assert (
        "the golden set of suite support has changed since run 20260101T000000Z-aaaa: run pytest --eval-gate again"
        in err
    )


def test_outputs_of_a_judge_that_was_not_asked_are_drawn_alike(project: LabelProject) -> None:
    case = PlannedCase("c0", Place("golden.jsonl", 1), "f")
    scores = (Score("note", 1.0, passed=True, counts=False),)
    results = [
        CaseResult(PlannedCase(f"c{at}", case.place, "f"), "unscored", (Trial(0, None, Output("x"), scores),))
        for at in range(8)
    ]
    project.store(results)
    code, out, err = project.sample("--n", "4")
    assert code == 0, err
    assert err.splitlines() == ["drew 4 of 8 outputs, all alike:", "  no verdict: 4 of 8"]
    assert {json.loads(line)["weight"] for line in out.splitlines()} == {2.0}


@pytest.mark.parametrize("name", ["labels.jsonl", "labels.csv"])
def test_a_sample_is_topped_up_and_its_labels_stay(project: LabelProject, name: str) -> None:
    project.sample("--n", "40", "--out", name)
    path = project.root / name
    _fill(path)
    code, out, err = project.sample("--more", "20", "--out", name)
    assert (code, out) == (0, "")
    assert err.splitlines() == [
        "drew 60 of 200 outputs, by the verdict of judge faq:",
        "  fail: 10 of 10",
        "  pass: 40 of 180",
        "  pass, unsure: 10 of 10",
        f"added 20 rows to {name}",
    ]
    found = load(path, Columns(), root=project.root)
    assert (len(found.rows), found.unlabelled) == (40, 20)
    _fill(path)
    whole = load(path, Columns(), root=project.root)
    assert sorted({row.weight for row in whole.rows}) == [1.0, 4.5]
    assert len({row.case.id for row in whole.rows}) == 60
    assert {row.drawn_from.outputs for row in whole.rows if row.drawn_from} == {10, 180}
    again, _, _ = project.sample("--more", "1000", "--out", name)
    assert again == 0
    _fill(path)
    assert {row.weight for row in load(path, Columns(), root=project.root).rows} == {1.0}


def test_batches_are_numbered(project: LabelProject) -> None:
    project.sample("--n", "10", "--out", "labels.jsonl")
    project.sample("--more", "5", "--out", "labels.jsonl")
    project.sample("--more", "5", "--out", "labels.jsonl")
    rows = [json.loads(line) for line in (project.root / "labels.jsonl").read_text("utf-8").splitlines()]
    assert [row["batch"] for row in rows] == [1] * 10 + [2] * 5 + [3] * 5


def test_only_a_sample_of_the_same_run_can_be_topped_up(project: LabelProject) -> None:
    code, _, err = project.sample("--more", "5")
    assert (code, "--more adds rows to the file of an earlier sample: name it with --out FILE" in err) == (4, True)
    (project.root / "own.jsonl").write_text('{"id": "c1", "label": null}\n', "utf-8")
    code, _, err = project.sample("--more", "5", "--out", "own.jsonl")
    assert (code, "own.jsonl:1: no sample: only a file that label sample wrote can be topped up" in err) == (4, True)
    project.sample("--n", "10", "--out", "labels.jsonl")
    before = (project.root / "labels.jsonl").read_text("utf-8")
    project.store([_result(at, 1.0, output="new") for at in range(200)])
    code, _, err = project.sample("--more", "5", "--out", "labels.jsonl")
    assert (code, "drawn from other outputs than those of this run: name its run, --run ID" in err) == (4, True)
    assert (project.root / "labels.jsonl").read_text("utf-8") == before


def _judged_level(outputs: int = 200) -> list[CaseResult]:
    """Return results of which the judge passes every second one."""
    return [_result(at, float(at % 2)) for at in range(outputs)]


def _label_as_judged(path: Path) -> None:
    """Label as the judge does, with an error in each tenth row."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for row in rows:
        at = int(row["id"][1:])
        row["label"] = "pass" if bool(at % 2) is (at % 10 > 0) else "fail"
        row.pop("cluster", None)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")


def test_as_many_outputs_are_added_as_a_width_needs(project: LabelProject) -> None:
    project.store(_judged_level())
    path = project.root / "labels.jsonl"
    project.sample("--n", "60", "--out", "labels.jsonl")
    _label_as_judged(path)
    code, out, err = project.sample("--width", "16", "--out", "labels.jsonl")
    assert (code, out) == (0, "")
    lines = err.splitlines()
    assert [line.partition(":")[0] for line in lines[:2]] == ["TPR", "TNR"]
    now, expected = (float(word) for word in re.findall(r"[\d.]+(?= points| expected)", lines[0]))
    assert now > 16 >= expected > 14
    added = int(lines[2].split()[0])
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert lines[2] == f"{added} more labels for 16 points"
    assert (len(rows), sum(row["label"] is None for row in rows)) == (60 + added, added)
    assert lines[-1] == f"added {added} rows to labels.jsonl"
    _label_as_judged(path)
    code, _, err = project.sample("--width", "20", "--out", "labels.jsonl")
    assert (code, err.splitlines()[-1]) == (0, "both are at most 20 points wide: no more labels are needed")
    assert len(path.read_text("utf-8").splitlines()) == 60 + added


@pytest.mark.parametrize("name", ["labels.jsonl", "labels.csv"])
def test_repeated_rows_measure_raters_and_are_no_part_of_the_sample(project: LabelProject, name: str) -> None:
    project.store(_judged_level())
    code, _, err = project.sample("--n", "20", "--repeats", "5", "--out", name)
    assert (code, err.splitlines()[0]) == (0, "drew 20 of 200 outputs, by the verdict of judge faq:")
    path = project.root / name
    _fill(path)
    found = load(path, Columns(), root=project.root)
    assert (len(found.rows), found.gold) == (20, 5)
    rows, problems = read_rows(path, name=name)
    again = [row.values for row in rows if row.values.get("repeat_of") is not None]
    by_id = {row.values["id"]: row.values for row in rows}
    assert (problems, len(rows), again) == ([], 25, [row.values for row in rows[20:]])
    for row in again:
        assert by_id[row["repeat_of"]]["output"] == row["output"]
        assert row["repeat_of"] not in row["id"]
        assert {row.get("weight"), row.get("sample")} == {None}
    assert main(["label", "check", name, "--json"]) == 0
    [rater] = json.loads(project.capsys.readouterr().out)["raters"]
    assert (rater["repeats"]["value"], rater["repeat_labels"], rater["labels"]) == (1.0, 5, 20)
    assert project.sample("--more", "4", "--out", name)[0] == 0
    assert len(read_rows(path, name=name)[0]) == 29
    code, _, err = project.sample("--more", "4", "--repeats", "2", "--out", name)
    assert (code, "--repeats is for a new sample of one run" in err) == (4, True)


def test_a_width_without_an_answer_is_an_error(project: LabelProject) -> None:
    project.store(_judged_level())
    path = project.root / "labels.jsonl"
    assert "--width adds rows to the file of an earlier sample" in project.sample("--width", "9")[2]
    project.sample("--n", "60", "--out", "labels.jsonl")
    for arguments, message in (
        (("--width", "9", "--more", "3"), "--width finds the number of outputs of one run: leave out --more"),
        (("--width", "9"), "none of 60 rows has a label yet"),
    ):
        code, out, err = project.sample(*arguments, "--out", "labels.jsonl")
        assert (code, out) == (4, "")
        assert message in err
    _label_as_judged(path)
    before = path.read_text("utf-8")
    code, _, err = project.sample("--width", "2", "--out", "labels.jsonl")
    assert code == 4
    assert re.search(r"labels for all 200 outputs would leave an interval of \d+\.\d points: label a run with", err)
    path.write_text(before.replace('"label": "fail"', '"label": "pass"'), "utf-8")
    assert (
        "no label fails yet, so its rate is unknown: use --more N"
        in project.sample("--width", "9", "--out", "labels.jsonl")[2]
    )
    path.write_text(before.replace('"label": "fail"', '"label": null', 1), "utf-8")
    assert (
        "labels.jsonl: 1 row of 60 without a label: fill them in first"
        in project.sample("--width", "9", "--out", "labels.jsonl")[2]
    )


def test_raters_are_checked(project: LabelProject) -> None:
    rows = [
        {"id": at, "rater": rater, "label": label, "seconds": 24, "batch": at // 15}
        for at in range(30)
        for rater, label in (("anna", "pass" if at % 2 else "fail"), ("ben", "pass" if at % 2 or at > 27 else "fail"))
    ]
    (project.root / "l.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    assert main(["label", "check", "l.jsonl"]) == 0
    out = project.capsys.readouterr().out
    assert out.splitlines() == [
        "l.jsonl: 2 raters, 30 outputs",
        "  Krippendorff's alpha 0.934 (0.773-1.000) on 30 outputs with two or more labels",
        "  batch 0: Krippendorff's alpha 1.000 on 15 outputs with two or more labels",
        "  batch 1: Krippendorff's alpha 0.869 (0.482-1.000) on 15 outputs with two or more labels",
        "",
        "  rater  labels  right on gold  as the others            first, last half     min/row",
        "  anna   30      -              96.7% of 30 (83.3-99.4)  100.0%, 93.3% (p=1)  0.4",
        "  ben    30      -              96.7% of 30 (83.3-99.4)  100.0%, 93.3% (p=1)  0.4",
    ]
    assert main(["label", "check", "l.jsonl", "--json"]) == 0
    assert json.loads(project.capsys.readouterr().out)["outputs"] == 30


def test_raters_that_do_not_agree_get_advice(project: LabelProject) -> None:
    rows = [
        {"id": at, "rater": rater, "label": label}
        for at in range(40)
        for rater, label in (
            ("anna", "pass" if at % 2 else "fail"),
            ("ben", "pass" if (at % 2 if at < 20 else at % 2 == 0) else "fail"),
        )
    ]
    (project.root / "l.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    assert main(["label", "check", "l.jsonl"]) == 0
    printed = " ".join(project.capsys.readouterr().out.split())
    assert (
        "alpha is below 0.667: discuss the outputs on which labels differ (pytest-evalgate label adjudicate l.jsonl)"
        in printed
    )
    assert printed.count("labels the last half of the rows differently than the first") == 1
    assert "anna or ben labels the last half" in printed
    assert "add rows with a gold label, which show who of the two" in printed
    rows += [{"id": at, "rater": "cleo", "label": "pass" if at % 2 else "fail"} for at in range(40)]
    (project.root / "l.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    assert main(["label", "check", "l.jsonl"]) == 0
    printed = " ".join(project.capsys.readouterr().out.split())
    assert "ben labels the last half of the rows differently than the first (p=" in printed
    assert "let someone else label some of both halves" in printed
    assert printed.count("labels the last half") == 1


def test_the_advice_names_the_options_that_read_the_file(project: LabelProject) -> None:
    rows = [
        {"id": at, "by": {"a": "so so" if at % 2 else "bad", "b": "so so" if at < 20 else "bad"}} for at in range(40)
    ]
    (project.root / "l.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    options = ["--pass-label", "so so", "--rater", "by.a", "--rater", "by.b"]
    assert main(["label", "check", "l.jsonl", *options]) == 0
    printed = " ".join(project.capsys.readouterr().out.split())
    assert "(pytest-evalgate label adjudicate l.jsonl --pass-label 'so so' --rater by.a --rater by.b)" in printed
    assert main(["label", "adjudicate", "l.jsonl", *options]) == 0


def test_repeats_and_the_cost_are_printed_if_they_are_known(project: LabelProject) -> None:
    rows = [
        *({"id": at, "rater": "anna", "label": "pass" if at % 2 else "fail", "seconds": 36} for at in range(10)),
        *({"id": f"{at}x", "repeat_of": at, "rater": "anna", "label": "pass", "seconds": 36} for at in range(2)),
    ]
    (project.root / "l.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    assert main(["label", "check", "l.jsonl", "--hourly-rate", "50"]) == 0
    out = project.capsys.readouterr().out
    assert "as the others  as before " in out
    assert "50.0% of 2 (9.5-90.5)" in out
    assert out.splitlines()[-1] == "  cost: 6.00 for 12 labels, 0.60 for each of 10 accepted outputs"
    assert main(["label", "check", "l.jsonl", "--cost-per-label", "2", "--json"]) == 0
    found = json.loads(project.capsys.readouterr().out)
    assert found["cost"] == {"total": 24.0, "labels": 12, "accepted": 10, "per_accepted": 2.4}
    with pytest.raises(SystemExit):
        main(["label", "check", "l.jsonl", "--cost-per-label", "2", "--hourly-rate", "50"])


def test_people_see_the_notes_on_a_case_and_the_judge_is_asked_for_them(project: LabelProject) -> None:
    rows = [json.loads(line) for line in (project.root / "golden.jsonl").read_text("utf-8").splitlines()]
    rows[0]["rubric"], rows[1]["rubric"] = ["is polite", "is brief"], "is polite"
    (project.root / "golden.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    project.store(_in_control_level())
    assert project.sample("--n", "200", "--out", "labels.csv")[0] == 0
    with (project.root / "labels.csv").open(encoding="utf-8", newline="") as file:
        sheet = {row["id"]: row["rubric"] for row in csv.DictReader(file)}
    assert (sheet["c0"], sheet["c1"], sheet["c2"]) == ("is polite\nis brief", "is polite", "")
    rows = project.rows("--n", "200")
    labelled = "".join(f"{json.dumps({**row, 'label': 'pass'})}\n" for row in rows)
    (project.root / "labels.jsonl").write_text(labelled, "utf-8")
    found = {row.case.id: row.case for row in load(project.root / "labels.jsonl", Columns(), root=project.root).rows}
    assert (found["c0"].notes, found["c2"].notes) == (("is polite\nis brief",), ())


def test_an_export_becomes_a_label_file(folder: Path, evalgate: Command) -> None:
    export = Path(__file__).parents[1] / "curation" / "files" / "label_studio.json"
    code, out, err = evalgate("label", "import", str(export), "--out", "labels.jsonl")
    assert (code, err) == (0, "")
    assert out == (
        "Label Studio: 3 labels of 2 raters to the question verdict\nwrote labels.jsonl\n"
        "next: pytest-evalgate label check labels.jsonl\n"
    )
    assert evalgate("label", "check", "labels.jsonl")[0] == 0
    code, _, err = evalgate("label", "import", str(export), "--out", "labels.jsonl")
    assert (code, err.partition(": ")[2]) == (
        4,
        "labels.jsonl exists and may contain labels: choose another file\n",
    )
    assert (folder / "labels.jsonl").exists()


# -- a judge with a field


def _structured(project: LabelProject, **lacking: Any) -> None:
    text = _CONFIG.replace('{ judge = "faq" }', '{ judge = "faq", field = "answer.text" }')
    (project.root / "evalgate.toml").write_text(text, "utf-8")
    outputs = {at: {"answer": {"text": f"text {at}"}, "note": "internal"} for at in range(20)}
    results = [_result(at, float(at > 4), output=lacking.get(f"c{at}", value)) for at, value in outputs.items()]
    project.store(results)


def test_people_see_the_part_that_the_judge_grades(project: LabelProject) -> None:
    _structured(project)
    rows = project.rows("--n", "10")
    assert [row["output"] for row in rows] == [f"text {row['id'].removeprefix('c')}" for row in rows]
    assert {row["graded_part"] for row in rows} == {"answer.text"}
    assert list(rows[0]).index("graded_part") == list(rows[0]).index("output") + 1


def test_the_part_is_a_column_of_csv_and_of_further_rows(project: LabelProject) -> None:
    _structured(project)
    file = project.root / "labels.csv"
    assert project.sample("--n", "5", "--out", str(file))[0] == 0
    assert project.sample("--more", "5", "--out", str(file))[0] == 0
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == 10
    assert {(row["graded_part"], row["output"][:5]) for row in rows} == {("answer.text", "text ")}


def test_outputs_without_the_part_are_not_drawn(project: LabelProject) -> None:
    _structured(project, c0="plain", c1={"answer": None})
    code, out, err = project.sample("--n", "30")
    assert code == 0
    assert len(out.splitlines()) == 18
    assert "2 outputs without answer.text fail without the judge: not drawn" in err


def test_a_field_that_no_output_has_is_an_error(project: LabelProject) -> None:
    text = _CONFIG.replace('{ judge = "faq" }', '{ judge = "faq", field = "reply" }')
    (project.root / "evalgate.toml").write_text(text, "utf-8")
    code, _, err = project.sample("--n", "5")
    assert code == 4
    assert "no output has reply, the part that the judge grades: fix the field of the judge" in err


def test_a_sample_of_whole_outputs_is_not_topped_up_by_parts(project: LabelProject) -> None:
    file = project.root / "labels.jsonl"
    _structured(project)
    config = (project.root / "evalgate.toml").read_text("utf-8")
    (project.root / "evalgate.toml").write_text(_CONFIG, "utf-8")
    assert project.sample("--n", "5", "--out", str(file))[0] == 0
    (project.root / "evalgate.toml").write_text(config, "utf-8")
    code, _, err = project.sample("--more", "5", "--out", str(file))
    assert code == 4
    assert "the row has the whole output, but the judge grades answer.text: draw a new sample" in err


def test_judges_of_other_parts_need_a_choice(project: LabelProject) -> None:
    two = '{ judge = "faq", field = "a" }, { judge = "faq", name = "other", field = "b" }'
    (project.root / "evalgate.toml").write_text(_CONFIG.replace('{ judge = "faq" }', two), "utf-8")
    code, _, err = project.sample("--n", "5", "--against", "baseline")
    assert code == 4
    assert "the judges faq, other of suite support grade other parts: add --judge NAME" in err
