"""The verb: what it reads, what it says, and what it exits with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_evalgate.cli.lint import lint_files
from pytest_evalgate.cli.main import build_parser
from pytest_evalgate.errors import GoldenSetError, SettingsError

_SCREEN = Path(__file__).parent / "screens" / "lint.txt"
_EXAMPLES = Path(__file__).parents[2] / "examples" / "golden_sets"
_KEY = "sk-" + "a1B2c3D4e5F6g7H8i9J0"

Row = dict[str, Any]


@dataclass(frozen=True)
class Project:
    """A folder with golden sets, and the verb that reads them."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def write(self, name: str, *rows: Row | str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), "utf-8")

    def lint(self, *arguments: str) -> tuple[int, list[str]]:
        """Return the exit code, and the lines that were printed."""
        chosen = build_parser(["lint"]).parse_args(["lint", *arguments])
        code: int = chosen.run(chosen)
        printed = self.capsys.readouterr()
        assert printed.err == ""
        return code, printed.out.splitlines()

    def findings(self, *arguments: str) -> list[str]:
        """Return the findings as ``file:line: kind``."""
        _, lines = self.lint(*arguments, "--json")
        found = json.loads("\n".join(lines))["findings"]
        return [f"{one['file']}:{one['line']}: {one['kind']}" for one in found]


@pytest.fixture(autouse=True)
def _extra_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra `phone` the report has one more line."""
    monkeypatch.setattr("pytest_evalgate.cli.lint.phone_note", lambda: None)


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    for variable in ("CI", "EVALGATE_DIR", "EVALGATE_BASELINE"):
        monkeypatch.delenv(variable, raising=False)
    return Project(tmp_path, capsys)


def test_the_screen(project: Project) -> None:
    project.write(
        "golden/faq.jsonl",
        {"id": "a", "input": "Where is my parcel now?", "target": "at the depot", "tags": ["lang:en"]},
        {"id": "b", "input": "Where is my parcel now?", "target": "on its way", "tags": ["lang:en"]},
        {"id": "c", "input": f"My key is {_KEY}, mail me: jo@acme.de", "target": "withdraw it"},
        {"id": "d", "input": "Is it 14 days? How many days have I?", "target": "14 days"},
        {"id": "e", "input": "It takes 14 days. How many days have I?", "target": "14 days", "skip": True},
    )
    project.write("prompts/faq.md", "Q: where is my parcel now?", "Q: {{ input }}")
    project.write(
        "evalgate.toml",
        '[models.candidate]\nmodel = "gpt-x-latest"',
        '[suites.faq]\ngolden = "golden/faq.jsonl"\ntarget = { model = "candidate", prompt = "prompts/faq.md" }',
        'slices = ["lang"]\ngates = [{ kind = "pass-rate", min = 0.9 }, { kind = "must-pass", tags = ["safety"] }]',
    )
    code, lines = project.lint()
    out = "\n".join(lines) + "\n"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        _SCREEN.write_text(out, "utf-8")
    assert (code, out) == (1, _SCREEN.read_text("utf-8"))
    assert _KEY not in out


def test_files_need_no_configuration(project: Project) -> None:
    project.write("golden/a.jsonl", {"input": "x", "expected": "y"})
    project.write("b.jsonl", {"input": "x", "ideal": "y"})
    assert project.lint("golden/a.jsonl", "b.jsonl") == (
        0,
        [
            "golden/a.jsonl: dialect: canonical",
            "golden/a.jsonl: counts: 1 case, no tags",
            "b.jsonl: dialect: openai/evals (ideal -> expected)",
            "b.jsonl: counts: 1 case, no tags",
            "",
            "0 errors, 0 warnings, 0 notes",
        ],
    )


def test_warnings_count_with_strict(project: Project) -> None:
    project.write("a.jsonl", {"id": "a", "input": "Who?"}, {"id": "b", "input": "Who?"})
    assert project.lint("a.jsonl")[0] == 0
    assert project.lint("a.jsonl", "--strict")[0] == 1


def test_notes_never_count(project: Project) -> None:
    project.write("a.jsonl", {"id": "a", "input": "Who?", "expected": "all", "tags": ["lang:en"]})
    project.write("evalgate.toml", '[suites.faq]\ngolden = "a.jsonl"\nslices = ["lang"]')
    code, lines = project.lint("--strict")
    assert (code, lines[-1]) == (0, "0 errors, 0 warnings, 1 note")


def test_malformed_lines_are_errors_with_their_place(project: Project) -> None:
    project.write("a.jsonl", {"id": "a", "input": "x"}, '{"id": ', {"id": "a", "input": "y", "weight": 0})
    code, lines = project.lint("a.jsonl")
    assert code == 1
    assert "a.jsonl:3: malformed: weight: must be greater than 0, not 0" in lines
    assert lines[-1] == "3 errors, 0 warnings, 0 notes"


def test_gates_are_checked_only_if_every_case_was_read(project: Project) -> None:
    project.write("a.jsonl", {"id": "a", "input": "x"}, {"id": "b", "input": "y", "weight": 0})
    gates = 'gates = [{ kind = "pass-rate", min = 0.99 }]'
    project.write("evalgate.toml", f'[suites.faq]\ngolden = "a.jsonl"\n{gates}')
    assert project.findings() == ["a.jsonl:2: malformed"]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("none.jsonl", None, "none.jsonl: cannot be read"),
        ("empty.jsonl", "", "empty.jsonl: contains no case"),
        ("set.csv", "input,expected", "set.csv: a table, not JSON Lines"),
        ("set.jsonl", '[{"input": "x"}]', "set.jsonl: a JSON array, "),
    ],
)
def test_a_file_that_is_no_golden_set_is_an_error(project: Project, name: str, content: str | None, why: str) -> None:
    if content is not None:
        project.write(name, content)
    with pytest.raises(GoldenSetError, match=f"^{why}"):
        project.lint(name)


def test_an_id_in_two_files_of_a_suite_is_an_error(project: Project) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        project.write(name, {"id": "same", "input": name, "expected": "x"})
    assert project.lint("a.jsonl", "b.jsonl")[0] == 0
    project.write("evalgate.toml", '[suites.faq]\ngolden = ["a.jsonl", "b.jsonl"]')
    assert project.findings() == ["b.jsonl:1: malformed"]


def test_a_file_of_two_suites_is_read_once(project: Project) -> None:
    project.write("a.jsonl", {"id": "a", "input": f"{_KEY}", "expected": "withdraw it"})
    project.write("evalgate.toml", '[suites.one]\ngolden = "a.jsonl"', '[suites.two]\ngolden = "a.jsonl"')
    _, lines = project.lint()
    assert [line for line in lines if line.startswith("a.jsonl")] == [
        "a.jsonl: dialect: canonical",
        "a.jsonl: counts: 1 case, no tags",
        next(line for line in lines if line.startswith("a.jsonl:1: secret: ")),
    ]


def test_one_suite(project: Project) -> None:
    project.write("a.jsonl", {"input": "x", "expected": "y"})
    project.write("evalgate.toml", '[suites.one]\ngolden = "a.jsonl"', '[suites.two]\ngolden = "none.jsonl"')
    assert project.lint("--suite", "one")[0] == 0
    with pytest.raises(GoldenSetError, match="cannot be read"):
        project.lint()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--suite", "nope"), "no suite 'nope' is configured"),
        (("a.jsonl", "--suite", "faq"), "name files, or a suite"),
        ((), "no suite is configured: name the files"),
    ],
)
def test_wrong_options_are_an_error(project: Project, arguments: tuple[str, ...], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        project.lint(*arguments)


@pytest.mark.parametrize(
    ("gate", "kind"),
    [
        ('{ kind = "pass-rate", min = 0.99 }', "evalgate.toml:None: gate"),
        ('{ kind = "no-regression", margin = 0.01, fail_on = "not_proven" }', "evalgate.toml:None: gate"),
    ],
)
def test_a_gate_that_cannot_be_met_is_an_error(project: Project, gate: str, kind: str) -> None:
    project.write("a.jsonl", *({"id": str(number), "input": str(number)} for number in range(20)))
    project.write("evalgate.toml", f'[suites.faq]\ngolden = "a.jsonl"\ngates = [{gate}]')
    assert kind in project.findings()
    assert project.lint()[0] == 1


def test_a_judge_that_may_not_gate_is_an_error(project: Project) -> None:
    project.write("a.jsonl", *({"id": str(number), "input": str(number)} for number in range(200)))
    project.write(
        "evalgate.toml",
        '[models.m]\nmodel = "m"\nbase_url = "http://127.0.0.1:9/v1"\n[judges.faq]\nmodel = "m"\ncriteria = "Kind?"',
        '[suites.faq]\ngolden = "a.jsonl"\nscorers = [{ judge = "faq" }]\ngates = [{ kind = "pass-rate", min = 0.8 }]',
    )
    code, lines = project.lint()
    assert code == 1
    assert any("judge faq may not gate" in line for line in lines)


def test_a_baseline_that_cannot_be_used_is_an_error(project: Project) -> None:
    project.write("a.jsonl", {"id": "a", "input": "x"})
    project.write("b.json", "torn")
    project.write("evalgate.toml", '[suites.faq]\ngolden = "a.jsonl"\nbaseline = "b.json"')
    code, lines = project.lint()
    assert code == 1
    assert any(line.startswith("evalgate.toml: gate: suites.faq.baseline: ") for line in lines)


def test_a_cluster_that_cases_lack_is_an_error(project: Project) -> None:
    project.write("a.jsonl", {"id": "a", "input": "x", "expected": "y"})
    project.write("evalgate.toml", '[suites.faq]\ngolden = "a.jsonl"\ncluster = "metadata.document"')
    assert project.findings() == ["a.jsonl:1: malformed"]


def test_few_shots_of_a_judge_are_read(project: Project) -> None:
    asked = "Who pays for the parcel?"
    project.write("a.jsonl", {"id": "a", "input": asked, "expected": "nobody at all"})
    project.write("shots.jsonl", {"input": asked, "output": "nobody at all", "score": 1, "evidence": "nobody"})
    project.write(
        "pyproject.toml",
        '[tool.evalgate.models.m]\nmodel = "m"\nbase_url = "http://127.0.0.1:9/v1"',
        '[tool.evalgate.judges.faq]\nmodel = "m"\ncriteria = "Kind?"\nfew_shots = "shots.jsonl"',
        '[tool.evalgate.suites.faq]\ngolden = "a.jsonl"\nscorers = [{ judge = "faq" }]',
    )
    assert "a.jsonl:1: input-in-prompt" in project.findings()


@pytest.mark.parametrize("prompt", ["none.md", "../outside.md"])
def test_a_prompt_that_cannot_be_read_is_an_error(project: Project, prompt: str) -> None:
    project.write("a.jsonl", {"id": "a", "input": "x"})
    project.write(
        "evalgate.toml",
        '[models.m]\nmodel = "m-2026-01-01"',
        f'[suites.faq]\ngolden = "a.jsonl"\ntarget = {{ model = "m", prompt = "{prompt}" }}',
    )
    with pytest.raises(SettingsError, match=prompt):
        project.lint()


def test_as_json(project: Project) -> None:
    project.write("a.jsonl", {"name": "a", "input": _KEY, "expected_output": "y", "tags": ["t"]})
    code, lines = project.lint("a.jsonl", "--json")
    message = json.loads("\n".join(lines))
    assert code == 1
    assert message["files"] == [
        {
            "file": "a.jsonl",
            "dialect": "deepeval",
            "mapping": [{"name": "name", "field": "id"}, {"name": "expected_output", "field": "expected"}],
            "cases": 1,
            "skipped": 0,
            "with_trials": 0,
            "tags": {"t": 1},
        }
    ]
    [finding] = message["findings"]
    assert (finding["file"], finding["line"], finding["kind"], finding["severity"]) == (
        "a.jsonl",
        1,
        "secret",
        "error",
    )
    assert (message["errors"], message["warnings"], message["notes"]) == (1, 0, 0)


def test_control_characters_are_escaped(project: Project) -> None:
    project.write("a.jsonl", {"input": "x", "tags": ["\x1b[2J\n::error::x"]})
    _, lines = project.lint("a.jsonl")
    assert len(lines) == 4
    assert "\x1b" not in "".join(lines)


def test_the_examples_have_no_errors(project: Project) -> None:
    shutil.copytree(_EXAMPLES, project.root, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".evalgate"))
    code, lines = project.lint()
    assert (code, lines[-1]) == (0, "0 errors, 2 warnings, 1 note")
    assert "xstest/golden.jsonl: dialect: canonical" in lines


def test_files_are_linted_without_pytest_and_without_statistics(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"input": "x"}', "utf-8")
    code = (
        "import argparse, pathlib, sys\n"
        "from pytest_evalgate.cli.lint import lint_files\n"
        "lint_files([pathlib.Path('a.jsonl')])\n"
        "assert not {'scipy', 'numpy', 'pytest', 'openai', 'httpx'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_a_run_refuses_is_an_error_of_the_suite(project: Project) -> None:
    project.write("a.jsonl", {"id": "a", "input": "x", "expected": "between 3 and 5", "must_not_contain": "y"})
    project.write("p.md", "Answer {input}, in {{ case.metadata.language }}")
    project.write("none.out.jsonl", "<html>")
    project.write(
        "evalgate.toml",
        '[models.m]\nmodel = "m-2024-01-01"\nbase_url = "http://127.0.0.1:9/v1"',
        '[judges.j]\nmodel = "m"\nrubric = "faithfulness"',
        '[suites.model]\ngolden = "a.jsonl"\ntarget = { model = "m", prompt = "p.md" }',
        'scorers = ["number", { judge = "j" }, { python = "nowhere:f", threshold = 0.7 }]\nslices = ["lang"]',
        '[suites.outputs]\ngolden = "a.jsonl"\ntarget = { recorded = "none.out.jsonl" }\nscorers = ["json-valid"]',
    )
    assert sorted(set(project.findings())) == [
        "a.jsonl:1: unfit",
        "evalgate.toml:None: gate",
        "evalgate.toml:None: unknown-name",
        "evalgate.toml:None: unusable",
    ]


def test_what_no_suite_grades_is_a_warning(project: Project) -> None:
    project.write("a.jsonl", {"id": "a", "input": "x", "expected": "y", "must_not_contain": "z", "human_label": "p"})
    one = '[suites.one]\ngolden = "a.jsonl"\nscorers = ["json-valid"]'
    project.write("evalgate.toml", one)
    _, lines = project.lint()
    assert "a.jsonl: ungraded: expected, must_not_contain: nothing grades them (1 case): add a scorer or asserts" in (
        line.partition("; ")[0] for line in lines
    )
    assert any("a.jsonl: ungraded: human_label: it has no effect (1 case)" in line for line in lines)
    project.write("evalgate.toml", one, '[suites.two]\ngolden = "a.jsonl"')  # the other suite compares
    _, lines = project.lint()
    assert any("ungraded: must_not_contain: nothing grades it" in line for line in lines)


def _judged_suite(project: Project, judge: str) -> tuple[int, list[str]]:
    project.write("a.jsonl", {"id": "a", "input": "x", "expected": "y"})
    project.write(
        "evalgate.toml",
        f'[models.m]\nmodel = "m-2024-01-01"\n[judges.j]\nmodel = "m"\ncriteria = "Kind?"\n{judge}',
        '[suites.faq]\ngolden = "a.jsonl"\nscorers = [{ judge = "j" }]',
    )
    return project.lint()


def test_a_judge_that_cannot_decide_is_an_error(project: Project) -> None:
    code, lines = _judged_suite(project, "")
    assert code == 1
    assert any("judge j may not gate: it is not calibrated" in line for line in lines)


def test_a_suite_of_judges_that_only_report_is_none(project: Project) -> None:
    code, lines = _judged_suite(project, "report_only = true")
    assert (code, [line for line in lines if "unusable" in line]) == (0, [])


def test_the_report_says_what_it_does_not_look_for(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_evalgate.cli.lint.phone_note", lambda: "national telephone numbers")
    (project.root / "a.jsonl").write_text('{"id": "a", "input": "x"}', "utf-8")
    monkeypatch.chdir(project.root)
    report = lint_files([Path("a.jsonl")])
    assert [*report.lines()][-2:] == ["not checked: national telephone numbers", "0 errors, 0 warnings, 0 notes"]
    assert report.as_json()["not_checked"] == ["national telephone numbers"]


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ('scorers = [{ kind = "exact", severity = "warn" }]', "so none decides what passes"),
        ('split = "tests"', 'no row has the split "tests"; did you mean "test"?'),
        ('split = "test"', ""),
        ("", "split: it has no effect (2 cases)"),
    ],
)
def test_what_a_run_refuses_or_warns_about_in_rows_is_found(project: Project, settings: str, found: str) -> None:
    rows = [
        {"id": "a", "input": "a?", "expected": "x", "split": "test"},
        {"id": "b", "input": "b?", "expected": "x", "split": "train"},
    ]
    project.write("a.jsonl", *rows)
    project.write("evalgate.toml", f'[suites.faq]\ngolden = "a.jsonl"\n{settings}')
    _, lines = project.lint()
    assert any(found in line for line in lines) if found else not any("split" in line for line in lines)


def test_a_variant_of_no_case_is_an_error(project: Project) -> None:
    rows = [{"id": name, "input": f"Question {name}?", "expected": name} for name in "ab"]
    project.write("g.jsonl", rows[0], {**rows[1], "metadata": {"variant_of": "c"}})
    project.write("evalgate.toml", 'suites.s = { golden = "g.jsonl", scorers = ["same-as", "exact"] }')
    _, lines = project.lint()
    [found] = [line for line in lines if "unfit" in line]
    assert found.startswith('g.jsonl:2: unfit: same-as: metadata.variant_of = "c": the suite has no such case')


def test_cases_in_files_that_the_model_has_seen_are_found(project: Project) -> None:
    asked = "can I return an order that I placed last week if I have lost the receipt"
    project.write(
        "g.jsonl",
        {"id": "a", "input": asked, "expected": "yes"},
        {"id": "b", "input": "something else entirely that no file has", "expected": "no"},
    )
    project.write("shots.md", "# Examples", "", f"Q: {asked.upper()}?", "A: Yes.")
    project.write("clean.txt", "nothing of the kind")
    code, lines = project.lint("g.jsonl", "--against", "clean.txt", "shots.md")
    found = [line for line in lines if "contamination" in line]
    assert code == 1
    assert [line.partition(' input: "')[0] for line in found] == [
        "g.jsonl:1: contamination: shots.md:3 contains the whole"
    ]
    assert project.lint("g.jsonl", "--against", "clean.txt")[0] == 0
    project.write("evalgate.toml", "[suites.faq]", 'golden = "g.jsonl"', 'target = { python = "x:y" }')
    assert "g.jsonl:1: contamination" in project.findings("--against", "shots.md")
    with pytest.raises(SettingsError, match=r"^--against g\.jsonl: it is one of the golden sets: name another file"):
        project.lint("g.jsonl", "--against", "g.jsonl")


_COVERED = """[suites.faq]
golden = "g.jsonl"
coverage = { lang = ["en", "de"], requirement = "R-*" }
max_age_days = 365
"""


def test_coverage_and_age_of_a_suite(project: Project) -> None:
    project.write(
        "g.jsonl",
        {"id": "a", "input": "x", "expected": "y", "output": "y", "tags": ["lang:en", "requirement:R-7"]},
        {"id": "b", "input": "z", "expected": "y", "output": "y", "metadata": {"created": "2020-01-31"}},
    )
    project.write("evalgate.toml", _COVERED)
    code, lines = project.lint("--coverage")
    assert code == 1
    text = "\n".join(lines)
    assert "coverage of suite faq:\n  lang en: 1 case: a\n  lang de: no case\n  requirement R-*: 1 case: a" in text
    assert "evalgate.toml: coverage: suites.faq.coverage.lang: no case has de" in lines
    assert any(line.startswith("g.jsonl:2: stale: 1 case older than max_age_days = 365") for line in lines)
    assert "coverage of suite faq:" not in project.lint()[1]
    report = json.loads("\n".join(project.lint("--json")[1]))
    assert report["coverage"] == {"faq": {"lang": {"en": ["a"], "de": []}, "requirement": {"R-*": ["a"]}}}
    with pytest.raises(SettingsError, match="--coverage prints what suites want"):
        project.lint("g.jsonl", "--coverage")


@pytest.mark.skipif(shutil.which("git") is None, reason="git knows the days")
def test_the_age_of_a_case_is_that_of_its_line_in_git(project: Project) -> None:
    project.write("g.jsonl", {"id": "a", "input": "x", "expected": "y", "output": "y", "tags": ["lang:en"]})
    project.write("evalgate.toml", '[suites.faq]\ngolden = "g.jsonl"\nmax_age_days = 365\n')
    assert not any("stale" in line for line in project.lint()[1])
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    then = {**os.environ, "GIT_AUTHOR_DATE": "2021-03-04T12:00:00Z", "GIT_COMMITTER_DATE": "2021-03-04T12:00:00Z"}
    for arguments in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-qm", "x")):
        subprocess.run(["git", *arguments], cwd=project.root, check=True, env=then)
    assert any(
        "stale: 1 case older than max_age_days = 365, the oldest of 2021-03-04" in one for one in project.lint()[1]
    )


def test_personal_data_of_many_cases_is_one_line(project: Project) -> None:
    project.write("pii.jsonl", *({"id": f"c{at}", "input": f"write to jo{at}@corp.com now"} for at in range(60)))
    _, lines = project.lint("pii.jsonl")
    [line] = [line for line in lines if "personal-data" in line]
    assert line.startswith("pii.jsonl:1: personal-data: an e-mail address in input: replace it")
    assert "(the same in 59 other lines: 2, 3, " in line
    assert sum("personal-data" in found for found in project.findings("pii.jsonl")) == 60
