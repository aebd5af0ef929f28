"""Files of other tools in their published formats: each is imported, and its golden set runs in a suite."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import openpyxl
import pytest

# pytester unloads the modules that a run imported, and numpy cannot be imported twice
import pytest_evalgate.app.view
import pytest_evalgate.engine.loop
import pytest_evalgate.gates
import pytest_evalgate.plugin.session
import pytest_evalgate.reports.html
import pytest_evalgate.reports.view  # noqa: F401 - the same
from pytest_evalgate.cli import main
from pytest_evalgate.golden import read_file
from pytest_evalgate.golden.dialects import DIALECTS
from pytest_evalgate.importing import read

_FILES = Path(__file__).parent / "files"
_FORMATS = {
    "azure.jsonl": "jsonl (azure)",
    "braintrust.json": "json (braintrust)",
    "deepeval_conversations.json": "json (deepeval conversation)",
    "deepeval_goldens.csv": "csv (deepeval)",
    "deepeval_goldens.json": "json (deepeval)",
    "faq.csv": "csv",
    "inspect_samples.csv": "csv (inspect)",
    "inspect_samples.json": "json (inspect)",
    "labels.tsv": "tsv",
    "langfuse.json": "json (langfuse)",
    "langsmith_examples.json": "json (langsmith)",
    "list.yaml": "yaml (question and answer)",
    "mlflow.json": "json (mlflow)",
    "openai_evals.jsonl": "jsonl (openai/evals)",
    "openai_evals_api.jsonl": "jsonl (openai evals api)",
    "opik.json": "json (opik)",
    "phoenix.json": "json (phoenix)",
    "promptfoo_tests.csv": "csv (promptfoo columns)",
    "promptfoo_tests.json": "json (promptfoo)",
    "pydantic_evals.json": "json (pydantic-evals)",
    "pydantic_evals.yaml": "yaml (pydantic-evals)",
    "ragas_0_1.csv": "csv (ragas 0.1)",
    "ragas_testset.jsonl": "jsonl (ragas)",
}


def _rows(name: str) -> list[dict[str, Any]]:
    return [case.row for case in read(_FILES / name, root=_FILES).cases]


def test_there_is_a_file_for_every_dialect() -> None:
    assert sorted(_FORMATS) == sorted(path.name for path in _FILES.iterdir())
    named = {form.partition("(")[2].rstrip(")") for form in _FORMATS.values()} - {""}
    assert named == {dialect.name for dialect in DIALECTS}


@pytest.mark.parametrize(("name", "form"), list(_FORMATS.items()))
def test_a_file_becomes_a_golden_set_that_loads_unchanged(tmp_path: Path, name: str, form: str) -> None:
    made = read(_FILES / name, root=_FILES)
    assert made.format == form
    assert all(case.place.startswith(f"{name}:") for case in made.cases)
    path = tmp_path / "set.jsonl"
    path.write_text("".join(f"{json.dumps(case.row)}\n" for case in made.cases), "utf-8")
    loaded = read_file(path, "set.jsonl")
    assert loaded.problems == ()
    assert loaded.dialect == ""
    assert [case.id for case in loaded.golden] == [case.row["id"] for case in made.cases]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        (
            "deepeval_goldens.csv",
            {
                "id": "refund-days",
                "input": "How long can I return a jacket?",
                "expected": "14 days",
                "context": ["Returns: 14 days.", "Exchanges: 30 days."],
                "reference_context": ["Terms, section 2"],
                "output": "You have 14 days.",
                "trajectory": [{"name": "search"}],
                "expected_tools": [{"name": "search"}],
                "metadata": {"lang": "en", "source_file": "terms.md"},
            },
        ),
        (
            "deepeval_conversations.json",
            {
                "id": "return",
                "messages": [
                    {"role": "user", "content": "I want to return a jacket."},
                    {"role": "assistant", "content": "When did you buy it?"},
                    {"role": "user", "content": "Ten days ago."},
                ],
                "rubric": "The customer learns that 14 days are allowed.",
                "reference_context": ["Terms: 14 days."],
                "output": "Then you can: there are 14 days.",
                "metadata": {"scenario": "A customer wants to return a jacket.", "user_description": "impatient"},
            },
        ),
        (
            "pydantic_evals.json",
            {"id": "upper", "input": "hello", "expected": "HELLO", "asserts": [{"kind": "exact"}]},
        ),
        (
            "promptfoo_tests.csv",
            {
                "id": "capital",
                "vars": {"question": "Capital of France?", "lang": "en"},
                "asserts": [
                    {"kind": "contains", "value": "Paris"},
                    {"kind": "rubric", "value": "The output meets this: names the city only"},
                ],
                "metadata": {"topic": "geo"},
            },
        ),
        (
            "mlflow.json",
            {
                "id": "dr-1",
                "input": "Capital of France?",
                "vars": {"question": "Capital of France?"},
                "expected": "Paris",
                "rubric": "Be brief.",
                "output": "Paris is the capital.",
                "tags": ["topic:geo"],
                "metadata": {"expected_facts": ["It is in Europe."]},
            },
        ),
    ],
)
def test_the_first_row_keeps_everything(name: str, row: dict[str, Any]) -> None:
    assert _rows(name)[0] == row


def test_checks_without_an_equivalent_are_left_out_with_their_place() -> None:
    found = {
        name: [(one.place, one.what) for one in read(_FILES / name, root=_FILES).left_out]
        for name in ("pydantic_evals.json", "promptfoo_tests.csv")
    }
    assert found == {
        "pydantic_evals.json": [
            ("pydantic_evals.json:1", 'the key "name"'),
            ("pydantic_evals.json:1", 'the key "evaluators"'),
            ("pydantic_evals.json:5", 'evaluators: {"IsInstance":{"type_name":"str"}}'),
        ],
        "promptfoo_tests.csv": [("promptfoo_tests.csv:3", "assert: javascript")],
    }


_BOT = """
ANSWERS = {
    "wants to return": "14 days", "How long": "14 days", "14": "14 days", "shop;": "yes, any",
    "parcel": "tracking page", "pays": "the shop", "phone": "a number", "I like": "positive", "broke": "negative",
    "Capital": "Paris", "capital": "Paris", "Colour": "blue", "colour": "blue", "hello": "HELLO", "'hi'": "Hello",
}


def answer(case):
    text = str((case.input, list(case.messages), dict(case.vars)))
    return next((reply for word, reply in ANSWERS.items() if word in text), "none")
"""


def _without_models(path: Path) -> None:
    """Remove what is asked of a judge or a model, which a starter suite does not have."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for row in rows:
        row.pop("rubric", None)
        kept = [spec for spec in row.pop("asserts", []) if spec["kind"] not in {"rubric", "moderation"}]
        if kept:
            row["asserts"] = kept
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")


def test_every_imported_golden_set_runs_in_its_starter_suite(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini("[pytest]")
    pytester.makepyfile(bot=_BOT)
    pytester.syspathinsert()
    for name in _FORMATS:  # two files of one stem would be written to one golden set
        source = _FILES / name
        shutil.copy(source, pytester.path / f"{source.stem}-{source.suffix[1:]}{source.suffix}")
    book = openpyxl.Workbook()
    sheet = book.create_sheet("FAQ")
    for row in (["Question", "Expected answer"], ["How long?", "14 days"], ["Who pays?", "the shop"]):
        sheet.append(row)
    book.save(pytester.path / "faq-xlsx.xlsx")
    sources = sorted(path.name for path in pytester.path.iterdir() if path.name not in {"bot.py", "tox.ini"})
    assert main(["import", *sources, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert sum(one["cases"] for one in report["sources"]) == 2 + sum(len(_rows(name)) for name in _FORMATS)
    for path in (pytester.path / "golden").iterdir():
        _without_models(path)
    starter = pytester.path / "evalgate.toml"
    blocks = starter.read_text("utf-8").split("\n\n")
    targeted = [
        block.replace('# target = { python = "myapp.bot:answer" }', 'target = { python = "bot:answer" }')
        if "The target is the application under test." in block
        else block
        for block in blocks
    ]
    starter.write_text("\n\n".join(targeted), "utf-8")
    result = pytester.runpytest_inprocess(
        "--eval-gate", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:asyncio", "-q"
    )
    verdict = json.loads((pytester.path / ".evalgate" / "verdict.json").read_text("utf-8"))
    missed = {name: suite["pass_rate"] for name, suite in verdict["suites"].items() if suite["pass_rate"] != 1}
    assert (result.ret, missed) == (0, {})
    accounting = verdict["accounting"]
    assert (accounting["passed"], accounting["skipped"]) == (accounting["planned"] - 1, 1)  # one has no answer yet
    assert len(verdict["suites"]) == len(_FORMATS) + 1
