"""The verb import: what it writes, what it refuses to replace, what it prints, and that its commands run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate import config
from pytest_evalgate.golden import read_file

if TYPE_CHECKING:
    from tests.cli.conftest import Command

_FAQ = "Question,Expected answer,Topic\nHow long?,14 days,returns\nWho pays?,the shop,costs\n"

_BOT = "raise SystemExit('imported')\ndef answer(question: str) -> str:\n    return question\n"


@pytest.fixture(autouse=True)
def _in_folder(folder: Path) -> None:
    assert not list(folder.iterdir())


def _write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, "utf-8")


def _files() -> set[str]:
    return {path.as_posix() for path in Path().rglob("*") if path.is_file()}


def test_a_table_becomes_a_golden_set_and_a_configuration(evalgate: Command) -> None:
    _write("FAQ list.csv", _FAQ)
    code, out, err = evalgate("import", "FAQ list.csv")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "FAQ list.csv: csv, 2 cases for golden/faq-list.jsonl",
        "  input     <- Question",
        "  expected  <- Expected answer",
        "  metadata  <- Topic",
        "  note: read as comma-separated",
        "  note: ids are made from the content, so they stay when rows move",
        "",
        "wrote golden/faq-list.jsonl (2 cases)",
        "wrote evalgate.toml (a suite for each golden set)",
        "next:",
        "  pytest-evalgate lint golden/faq-list.jsonl  # checks the cases: duplicates, secrets, personal data",
        "then set the target of suite faq-list in the configuration: it shows how",
    ]
    assert [case.input for case in read_file(Path("golden/faq-list.jsonl"), "g").golden] == ["How long?", "Who pays?"]
    assert config.load(Path()).suites["faq-list"].scorers == ("icontains",)
    assert evalgate("lint", "golden/faq-list.jsonl")[0] == 0


def test_the_application_of_the_project_becomes_the_target(evalgate: Command) -> None:
    _write("faq.csv", _FAQ)
    _write("bot.py", _BOT)
    code, out, _ = evalgate("import", "faq.csv")
    assert code == 0
    assert out.splitlines()[-6:] == [
        "wrote evalgate.toml (a suite for each golden set)",
        "assumed: suite faq calls answer(question: str) at bot.py:2; if that is wrong, edit its target",
        "next:",
        f"  {'pytest-evalgate lint golden/faq.jsonl':<58}  # checks the cases: duplicates, secrets, personal data",
        f"  {'pytest --eval-gate':<58}  # runs the cases and lists the misses",
        '  pytest-evalgate baseline promote --reason "first baseline"  # later runs are compared with it',
    ]
    text = Path("evalgate.toml").read_text("utf-8")
    assert 'target = { python = "bot:answer" }  # assumed from bot.py:2: answer(question: str)\n' in text
    assert config.load(Path()).suites["faq"].target is not None


@pytest.mark.parametrize("rows", ["A?,x,t\nB?,y,t\nC?,x,u\nD?,y,u\n", 'A?,"one, two",t\n', "A?,,t\n"])
def test_init_before_the_import_writes_the_same_configuration(evalgate: Command, rows: str) -> None:
    _write("faq.csv", f"Question,Expected answer,Topic\n{rows}")
    _write("bot.py", _BOT)
    _, out, _ = evalgate("init", "--json")
    written = Path("evalgate.toml").read_text("utf-8")
    assert evalgate(*shlex.split(json.loads(out)["next"][0]["command"])[1:])[0] == 0
    out = evalgate("import", "faq.csv")[1]
    assert Path("evalgate.toml").read_text("utf-8") == written
    assert not any(word in out for word in ("target", "assumed", "add to", "evalgate.toml"))
    assert "  pytest --eval-gate   " in out
    Path("evalgate.toml").unlink()
    assert evalgate("import", "faq.csv")[0] == 0
    assert Path("evalgate.toml").read_text("utf-8") == written


@pytest.mark.parametrize(
    ("files", "written", "command", "note"),
    [
        ({"src/shop.py"}, "[pytest]\npythonpath = src\n", "pytest --eval-gate", ""),
        ({"src/shop.py", "pyproject.toml"}, None, "pip install -e .", ""),
        ({"src/shop.py", "tox.ini"}, None, "pytest --eval-gate", "shop:answer cannot be imported yet: set pythonpath"),
    ],
)
def test_the_next_commands_can_import_the_application(
    evalgate: Command, files: set[str], written: str | None, command: str, note: str
) -> None:
    texts = {"src/shop.py": _BOT, "pyproject.toml": "[project]\nname = 'shop'\n", "tox.ini": "[pytest]\n"}
    for name in ("faq.csv", *files):
        _write(name, texts.get(name, _FAQ))
    report = json.loads(evalgate("import", "faq.csv", "--json")[1])
    assert (Path("pytest.ini").read_text("utf-8") if Path("pytest.ini").exists() else None) == written
    assert report["next"][1]["command"] == command
    assert any(hint.startswith(note) for hint in report["hints"])


def test_recorded_outputs_need_no_target(evalgate: Command) -> None:
    _write("t.csv", "question,expected,response\na,x,x!\nb,y,y!\n")
    code, out, _ = evalgate("import", "t.csv", "--to", "cases/all.jsonl")
    assert code == 0
    assert out.splitlines()[-3:] == [
        f"  {'pytest-evalgate lint cases/all.jsonl':<58}  # checks the cases: duplicates, secrets, personal data",
        f"  {'pytest --eval-gate':<58}  # grades the recorded outputs",
        '  pytest-evalgate baseline promote --reason "first baseline"  # later runs are compared with it',
    ]
    assert "# The outputs recorded in the golden set are graded." in Path("evalgate.toml").read_text("utf-8")
    assert (
        "  pytest --eval-gate cases/all.jsonl    # grades the recorded outputs"
        in (evalgate("import", "t.csv", "--to", "cases/all.jsonl")[1])
    )


def test_what_was_left_out_is_listed_with_its_place_and_reason(evalgate: Command) -> None:
    _write(
        "t.csv", "FAQ\n\nquestion,expected,,x\na,b,1,\na,b,1,\n,,,total\n" + "".join(f",,,{n}\n" for n in range(30))
    )
    lines = evalgate("import", "t.csv")[1].splitlines()
    first = lines.index("left out (34 parts):")
    assert lines[first + 1 : first + 5] == [
        '  t.csv:1: the row "FAQ": it is above the names of the columns',
        '  t.csv:3: column 3 ("1", "1"): it has no name',
        '  t.csv:5: the case "6ac555c48404": it is the same as t.csv:4',
        '  t.csv:6: the row "total": it has no input and no expected answer',
    ]
    assert "  and 14 more: --json lists all" in lines


def test_nothing_is_written_if_a_row_is_malformed(evalgate: Command) -> None:
    _write("a.csv", "id,question\nx::y,a\nz,b\nz,c\n")
    _write("b.json", '[{"input": "a"},\n 7]')
    code, out, err = evalgate("import", "a.csv", "b.json", "none.csv")
    assert (code, out) == (4, "")
    assert err.splitlines() == [
        'pytest-evalgate: a.csv:2: id: "x::y" contains "::", which separates the parts of a test name',
        'a.csv:4: duplicate id "z" (first at a.csv:3)',
        "b.json:2: an item is not an object but 7",
        "none.csv: cannot be read: No such file or directory",
    ]
    assert _files() == {"a.csv", "b.json"}


def test_an_existing_file_is_replaced_only_with_force(evalgate: Command) -> None:
    _write("faq.csv", _FAQ)
    _write("golden/faq.jsonl", '{"input": "mine"}\n')
    code, out, err = evalgate("import", "faq.csv")
    assert (code, out) == (4, "")
    assert err == (
        "pytest-evalgate: golden/faq.jsonl: exists and differs: name another file with --to, or add --force\n"
    )
    assert _files() == {"faq.csv", "golden/faq.jsonl"}
    assert "replaced golden/faq.jsonl (2 cases)" in evalgate("import", "faq.csv", "--force")[1]
    assert "unchanged golden/faq.jsonl (2 cases)" in evalgate("import", "faq.csv")[1]


def test_a_dry_run_writes_nothing_and_prints_the_command_that_does(evalgate: Command) -> None:
    _write("my faq.csv", "F;A\nWie?;so\n")
    arguments = ("my faq.csv", "--to", "golden/x.jsonl", "--map", "input=F,expected=A", "--delimiter", ";")
    code, out, _ = evalgate("import", *arguments, "--dry-run")
    assert code == 0
    assert "would write golden/x.jsonl (1 case)" in out
    assert _files() == {"my faq.csv"}
    command = out.splitlines()[-1].strip().removesuffix("  # writes the files")
    assert evalgate(*shlex.split(command)[1:])[0] == 0
    assert _files() == {"my faq.csv", "golden/x.jsonl", "evalgate.toml"}


def test_several_files_become_one_golden_set_or_one_each(evalgate: Command) -> None:
    _write("a.csv", "question,expected\na,b\n")
    _write("b.tsv", "question\texpected\nc\td\n")
    assert evalgate("import", "a.csv", "b.tsv")[0] == 0
    assert set(config.load(Path()).suites) == {"a", "b"}
    assert "wrote golden/both.jsonl (2 cases)" in evalgate("import", "a.csv", "b.tsv", "--to", "golden/both.jsonl")[1]
    _write("c.csv", "question,expected\na,b\n")
    code, _, err = evalgate("import", "a.csv", "c.csv", "--to", "golden/twice.jsonl")
    assert code == 4
    assert 'c.csv:2: duplicate id "' in err
    assert err.endswith("(first at a.csv:2)\n")


def test_an_existing_configuration_is_never_changed(evalgate: Command) -> None:
    _write("faq.csv", _FAQ)
    _write("evalgate.toml", '[suites.shop]\ngolden = "faq.csv"\n')
    out = evalgate("import", "faq.csv")[1].splitlines()
    assert 'in evalgate.toml, write: suites.shop.golden = "golden/faq.jsonl"' in out
    assert Path("evalgate.toml").read_text("utf-8") == '[suites.shop]\ngolden = "faq.csv"\n'
    _write("evalgate.toml", '[suites.shop]\ngolden = "golden/faq.jsonl"\n')
    out = evalgate("import", "faq.csv")[1].splitlines()
    assert not any("evalgate.toml" in line for line in out)
    _write("more.csv", _FAQ)
    out = evalgate("import", "more.csv")[1].splitlines()
    assert out[out.index("add to evalgate.toml:") + 1] == "  [suites.more]"


_MARKED = '@pytest.mark.golden_set("golden/faq.jsonl")\ndef test_answer(case): ...\n'
_ADD = 'in evalgate.toml, add to [suites.shop]: target = { python = "bot:answer" }'
_RUN_BOT = "pytest --eval-gate golden/faq.jsonl --eval-target python:bot:answer"


@pytest.mark.parametrize(
    ("files", "hint", "commands", "is_waiting"),
    [
        ({"bot.py": _BOT}, _ADD, [_RUN_BOT], False),
        ({}, None, [], True),
        ({"bot.py": _BOT, "test_bot.py": _MARKED}, None, ["pytest --eval-gate"], False),
    ],
)
def test_a_configured_suite_without_a_target_gets_its_line(
    evalgate: Command, files: dict[str, str], hint: str | None, commands: list[str], *, is_waiting: bool
) -> None:
    configured = '[suites.shop]\ngolden = "golden/faq.jsonl"\n'
    for name, text in {"faq.csv": _FAQ, "evalgate.toml": configured, **files}.items():
        _write(name, text)
    report = json.loads(evalgate("import", "faq.csv", "--json")[1])
    assert [one["command"] for one in report["next"]][1:] == commands
    assert next(iter(report["hints"]), None) == hint
    assert ("then set the target of suite shop" in evalgate("import", "faq.csv")[1]) is is_waiting
    assert Path("evalgate.toml").read_text("utf-8") == configured


def test_a_second_golden_set_gets_a_suite_of_its_own_with_the_application(evalgate: Command) -> None:
    for name in ("faq.csv", "data/faq.csv"):
        _write(name, _FAQ)
    _write("bot.py", _BOT)
    assert evalgate("import", "faq.csv")[0] == 0
    arguments = ("import", "data/faq.csv", "--to", "golden/more/faq.jsonl")
    report = json.loads(evalgate(*arguments, "--json")[1])
    [added] = [one["text"] for one in report["files"] if one["outcome"] == "by hand"]
    assert report["next"][1]["command"].endswith("golden/more/faq.jsonl --eval-target python:bot:answer")
    _write("evalgate.toml", f"{Path('evalgate.toml').read_text('utf-8')}\n{added}")
    suites = config.load(Path()).suites
    assert list(suites) == ["faq", "faq-2"]
    assert suites["faq-2"].target == suites["faq"].target
    assert "pytest --eval-gate   " in evalgate(*arguments)[1]


def test_the_suite_of_a_project_in_pyproject_is_printed_for_it(evalgate: Command) -> None:
    _write("faq.csv", _FAQ)
    _write("pyproject.toml", '[tool.evalgate.suites.shop]\ngolden = "g.jsonl"\n')
    out = evalgate("import", "faq.csv")[1].splitlines()
    first = out.index("add to pyproject.toml:")
    assert out[first + 1] == "  [tool.evalgate.suites.faq]"
    assert "evalgate.toml" not in _files()


def test_paths_in_commands_are_relative_to_the_working_folder(
    evalgate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write("evalgate.toml", "")
    _write("data/faq.csv", _FAQ)
    monkeypatch.chdir("data")
    out = evalgate("import", "faq.csv")[1]
    assert "  pytest-evalgate lint ../golden/faq.jsonl  #" in out
    assert evalgate("lint", "../golden/faq.jsonl")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "golden/x.csv"], "--to golden/x.csv: a golden set is a .jsonl file: write --to golden/x.jsonl"),
        (["--to", "../x.jsonl"], "--to: "),
        (["--map", "Question"], "--map: 'Question' is not FIELD=COLUMN, such as input=Question"),
        (["--map", "imput=Question"], '--map: no field "imput"; did you mean "input"?'),
        (["--delimiter", ";;"], "--delimiter ;;: give one character, such as ';', or tab"),
        (["--sheet", "A"], "faq.csv: --sheet is for workbooks and saved datasets: remove it"),
    ],
)
def test_wrong_options_are_named(evalgate: Command, arguments: list[str], message: str) -> None:
    _write("faq.csv", _FAQ)
    code, out, err = evalgate("import", "faq.csv", *arguments)
    assert (code, out) == (4, "")
    assert err.startswith(f"pytest-evalgate: {message}")
    assert _files() == {"faq.csv"}


def test_a_source_is_not_replaced_by_its_golden_set(evalgate: Command) -> None:
    _write("golden/faq.jsonl", '{"question": "a", "answer": "b"}\n')
    code, _, err = evalgate("import", "golden/faq.jsonl", "--force")
    assert code == 4
    assert "golden/faq.jsonl: would replace the file that it is imported from: name another one with --to" in err


def test_json_has_everything(evalgate: Command) -> None:
    _write("t.csv", "Title\nquestion,expected\na,b\n")
    found = json.loads(evalgate("import", "t.csv", "--json")[1])
    assert found["sources"] == [
        {
            "source": "t.csv",
            "format": "csv",
            "golden": "golden/t.jsonl",
            "cases": 1,
            "mapping": [{"name": "question", "field": "input"}, {"name": "expected", "field": "expected"}],
            "left_out": [
                {"place": "t.csv:1", "what": 'the row "Title"', "why": "it is above the names of the columns"}
            ],
            "notes": ["read as comma-separated", "ids are made from the content, so they stay when rows move"],
        }
    ]
    assert [(one["path"], one["outcome"]) for one in found["files"]] == [
        ("golden/t.jsonl", "wrote"),
        ("evalgate.toml", "wrote"),
    ]
    assert found["next"][0]["command"] == "pytest-evalgate lint golden/t.jsonl"


def test_cells_cannot_control_the_terminal_or_print_keys(evalgate: Command) -> None:
    key = "sk-proj-" + "a1B2" * 10
    _write("t.csv", f'"::error::x\x1b[31m",\nquestion,expected\na,b\n"{key}",\n"{key}",\n')
    out = evalgate("import", "t.csv")[1]
    assert "\x1b" not in out
    assert key not in out
    assert not any(line.startswith("::") for line in out.splitlines())
    assert key not in evalgate("import", "t.csv", "--json")[1]
