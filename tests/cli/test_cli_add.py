"""``pytest-evalgate add``: the origin of the case, what is masked and refused, and the file afterwards."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import golden
from pytest_evalgate.cli import main
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import Output, PlannedCase, Run, SuitePlan, SuiteRun, Trial
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from pathlib import Path

_GOLDEN = '// made by hand\n{"id": "a", "input": "Where?", "expected": "here"}\n'
_PRODUCTION = {"question": "Mail jo@corp.com", "answer": "sent", "latency": 3}
_RUN = "20260101T000000Z-aaaa"


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class AddProject:
    """A project with the suite ``faq``, and the verb."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def add(self, *arguments: str, stdin: str = "", is_terminal: bool = False) -> tuple[int, str, str]:
        kind = _Terminal if is_terminal else io.TextIOWrapper
        self.patch.setattr(sys, "stdin", kind(io.BytesIO(stdin.encode())))
        code = main(["add", *arguments])
        printed = self.capsys.readouterr()
        return code, printed.out, printed.err

    @property
    def text(self) -> str:
        return (self.root / "golden/faq.jsonl").read_text("utf-8")

    @property
    def added(self) -> dict[str, Any]:
        """The last line, of a file whose other lines are unchanged."""
        assert self.text.startswith(_GOLDEN)
        [line] = self.text.removeprefix(_GOLDEN).splitlines()
        row: dict[str, Any] = json.loads(line)
        return row

    def store_run(self) -> None:
        """Store a run of suite ``tickets`` with two trials of case ``t``."""
        path = self.root / "golden/tickets.jsonl"
        path.write_text('{"id": "t", "input": "Who?", "expected": "me", "tags": ["x"], "context": ["c"]}\n', "utf-8")
        [held] = golden.load([path], root=self.root)
        case = PlannedCase("t", Place("golden/tickets.jsonl", 1), "f")
        trials = [Trial(at, 0.0, Output(text), reason="no") for at, text in enumerate(("you", "nobody"))]
        result = combine_trials(case, trials)
        object.__setattr__(result, "question", held.cases[0].question)
        plan = SuitePlan("tickets", ("golden/tickets.jsonl",), held.sha256, "s" * 64, 2, (case,))
        run = Run(_RUN, "2026-01-01T00:00:00Z", None, (SuiteRun(plan, (result,)),))
        run_file.write(run, run_file.path_of(self.root / ".evalgate", run.id))


@pytest.fixture
def project(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> AddProject:
    (folder / "golden").mkdir()
    (folder / "golden/faq.jsonl").write_text(_GOLDEN, "utf-8")
    (folder / "evalgate.toml").write_text('[suites.faq]\ngolden = ["golden/faq.jsonl"]\n', "utf-8")
    (folder / "case.json").write_text(json.dumps(_PRODUCTION, indent=1), "utf-8")
    return AddProject(folder, capsys, monkeypatch)


def test_a_case_of_production_is_masked_named_and_appended(project: AddProject) -> None:
    code, out, err = project.add("faq", "--from", "case.json", "--incident", "INC-42", "--tag", "lang:en")
    row = project.added
    created = row["metadata"].pop("created")
    assert row == {
        "id": row["id"],
        "input": "Mail [e-mail address]",
        "expected": "sent",
        "tags": ["lang:en", "incident:INC-42"],
        "metadata": {"latency": 3, "source": "case.json"},
    }
    assert len(row["id"]) == 12
    assert created.endswith("Z")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"added {row['id']}: golden/faq.jsonl:3",
        "masked: e-mail address in input (--keep keeps them)",
        "next: git diff golden/faq.jsonl",
    ]
    assert [case.id for case in golden.load([project.root / "golden/faq.jsonl"], root=project.root)[0]] == [
        "a",
        row["id"],
    ]

    code, _, err = project.add("faq", "--from", "case.json")
    assert (code, err[: err.index(": nothing")]) == (
        4,
        f'pytest-evalgate: golden/faq.jsonl:3: case "{row["id"]}" has the same input',
    )


def test_keep_keeps_personal_data_and_dry_run_writes_nothing(project: AddProject) -> None:
    code, out, _ = project.add("faq", "--from", "case.json", "--keep", "--dry-run", "--json")
    found = json.loads(out)
    assert (code, found["written"], found["masked"], found["line"]) == (0, False, [], 3)
    assert found["row"]["input"] == "Mail jo@corp.com"
    assert project.text == _GOLDEN


def test_the_id_does_not_depend_on_where_the_case_comes_from(project: AddProject) -> None:
    ids = {
        json.loads(project.add("faq", *more, "--dry-run", "--json", stdin=json.dumps(row))[1])["id"]
        for row in ({"input": "q", "expected": "x"}, {"question": "q", "answer": "x"})
        for more in ((), ("--from", "-"), ("--tag", "t"))
    }
    assert len(ids) == 1


def test_an_output_is_the_expected_value_only_if_it_is_accepted(project: AddProject) -> None:
    row = json.dumps({"name": "r-1", "input": "How?", "actual_output": "so", "retrieval_context": ["c"]})
    code, out, _ = project.add("faq", "--dry-run", "--json", stdin=row)
    without = json.loads(out)["row"]
    assert (code, without["id"], without["metadata"]["output"], "expected" in without) == (0, "r-1", "so", False)
    accepted = json.loads(project.add("faq", "--accept", "--dry-run", "--json", stdin=row)[1])["row"]
    assert (accepted["expected"], accepted["context"], "output" in accepted["metadata"]) == ("so", ["c"], False)
    assert "it has no expected value" in project.add("faq", "--dry-run", stdin=row)[1]


def test_a_case_of_a_run_keeps_its_row_and_its_origin(project: AddProject) -> None:
    project.store_run()
    code, _, err = project.add("faq", "--run", "last", "--case", "t", "--trial", "2", "--accept")
    assert (code, err) == (0, "")
    row = project.added
    assert row["metadata"].pop("created")
    assert row == {
        "id": "t",
        "input": "Who?",
        "expected": "nobody",
        "context": ["c"],
        "tags": ["x"],
        "metadata": {"source": "run of tickets", "run": _RUN, "case": "t"},
    }


def test_a_case_is_typed_in_on_a_terminal(project: AddProject, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["What?", "this", "a, b"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    assert project.add("golden/faq.jsonl", is_terminal=True)[0] == 0
    assert project.added["tags"] == ["a", "b"]
    assert (project.added["expected"], project.added["metadata"]["source"]) == ("this", "typed in")


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (("fag",), "{}", 'fag: neither a suite nor a golden set; did you mean "faq"?; suites: faq'),
        (("faq", "--from", "no.json"), "", "no.json: cannot be read: No such file"),
        (("faq", "--from", "golden"), "", "golden: cannot be read: Is a directory"),
        (("faq",), "", "standard input is empty: give the case as JSON, or --from FILE"),
        (("faq",), "[1]", "standard input: a list: give one JSON object; for many cases: pytest-evalgate import FILE"),
        (("faq",), '{"cases": []}', "standard input: not one case"),
        (("faq",), "{'a': 1}", "standard input: not JSON at column 2: single quotes"),
        (("faq",), '{"tag": "x", "input": "q"}', 'standard input: tag: unknown field; did you mean "tags"?'),
        (("faq",), '{"input": "Where? "}', 'golden/faq.jsonl:2: case "a" has the same input'),
        (
            ("faq", "--id", "a"),
            '{"input": "q"}',
            'golden/faq.jsonl:2: the id "a" is taken: give another one with --id',
        ),
        (("faq", "--id", "a::b"), '{"input": "q"}', 'id: "a::b" contains "::"'),
        (("faq", "--accept"), '{"input": "q"}', "--accept: the case has no output: give --expected TEXT"),
        (("../x.jsonl",), '{"input": "q"}', "outside of"),
        (("faq", "--run", "last"), "", "--run needs the case: add --case ID"),
        (("faq", "--run", "last", "--case", "u"), "", f'run {_RUN} has no case "u"'),
        (("faq", "--run", "last", "--case", "t", "--trial", "3"), "", 'case "t" has 2 trials'),
        (("faq", "--run", "last", "--case", "t", "--from", "x"), "", "--from and --run are two sources of one case"),
    ],
)
def test_what_cannot_be_added_is_refused_and_nothing_is_written(
    project: AddProject, arguments: tuple[str, ...], stdin: str, message: str
) -> None:
    project.store_run()
    code, out, err = project.add(*arguments, stdin=stdin)
    assert (code, out, project.text) == (4, "", _GOLDEN)
    assert message in err
    assert not (project.root.parent / "x.jsonl").exists()
