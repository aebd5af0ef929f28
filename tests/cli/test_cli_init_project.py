"""What ``init`` finds in a project, and what it writes for it."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config
from pytest_evalgate.app.application import find_applications
from pytest_evalgate.cli.init.detection import Detected
from pytest_evalgate.cli.init.endpoints import find_endpoints
from pytest_evalgate.cli.init.placing import place_all
from pytest_evalgate.cli.init.proposal import Proposal
from pytest_evalgate.cli.init.workflow import Workflow, keys_of

if TYPE_CHECKING:
    from pathlib import Path

_KEY = "sk-proj-abcdefghijklmnop0123456789"
_GOLDEN = "".join(
    json.dumps({"id": f"c{i}", "input": f"q{i}", "expected": f"a{i}", "tags": [f"lang:{'de' if i % 2 else 'en'}"]})
    + "\n"
    for i in range(8)
)
_OUTPUTS = "".join(json.dumps({"id": f"c{i}", "output": f"a{i}"}) + "\n" for i in range(8))
_BOT = "def answer(question: str) -> str:\n    return question\n"


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")


def _proposal(root: Path, files: dict[str, str], **environ: str) -> Proposal:
    _write(root, files)
    return Proposal(Detected(root, environ))


def _configured(proposal: Proposal) -> Any:
    """Write what is proposed, and return the configuration, which must be valid."""
    place_all(proposal.templates, proposal.detected.root, force=False)
    config.load(proposal.detected.root)
    return tomllib.loads((proposal.detected.root / "evalgate.toml").read_text("utf-8"))


def test_the_names_of_the_keys_that_it_reads_are_found(tmp_path: Path) -> None:
    code = (
        "import os, openai\nA = os.environ['BOT_API_KEY']\nB = os.getenv('HF_TOKEN')\nC = os.environ.get('REGION')\n"
        "D = {}.get('OTHER_KEY')\nE = openai.OpenAI()\nF = openai.AzureOpenAI(api_key=A)\n"
    )
    _write(tmp_path, {"bot.py": code + _BOT})
    assert find_applications(tmp_path)[0].keys == ("BOT_API_KEY", "HF_TOKEN", "OPENAI_API_KEY")
    assert _configured(_proposal(tmp_path, {}))["suites"]["example"]["target"]["env"] == [
        "BOT_API_KEY",
        "HF_TOKEN",
        "OPENAI_API_KEY",
    ]


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, []),
        ({"OPENAI_API_KEY": " "}, []),
        ({"OPENAI_API_KEY": _KEY}, [("OpenAI", "https://api.openai.com/v1", "OPENAI_API_KEY")]),
        (
            {"OPENAI_API_KEY": _KEY, "OPENAI_BASE_URL": f"https://u:{_KEY}@llm.example.org:8443/v1?key={_KEY}#x"},
            [("OpenAI-compatible", "https://llm.example.org:8443/v1", "OPENAI_API_KEY")],
        ),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1?a=b"}, [("OpenAI-compatible", "http://127.0.0.1:1/v1?a=b", "")]),
        ({"OPENAI_BASE_URL": "not a url"}, []),
        ({"OPENAI_BASE_URL": "ftp://x"}, []),
        (
            {"AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com/", "AZURE_OPENAI_API_KEY": _KEY},
            [("Azure OpenAI", "https://res.openai.azure.com/openai/v1", "AZURE_OPENAI_API_KEY")],
        ),
        ({"OLLAMA_HOST": "0.0.0.0"}, [("Ollama", "http://localhost:11434/v1", "")]),  # noqa: S104 - nothing listens
        ({"OLLAMA_HOST": "https://ollama.example.org"}, [("Ollama", "https://ollama.example.org/v1", "")]),
        ({"OLLAMA_HOST": "box:99999999"}, []),
        ({"OLLAMA_HOST": "[::1]:7"}, [("Ollama", "http://[::1]:7/v1", "")]),
        (
            {"VLLM_BASE_URL": "http://gpu:8000/v1", "VLLM_API_KEY": _KEY},
            [("vLLM", "http://gpu:8000/v1", "VLLM_API_KEY")],
        ),
        ({"OPENROUTER_API_KEY": _KEY}, [("OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY")]),
    ],
    ids=str,
)
def test_endpoints_are_named_without_their_keys(environ: dict[str, str], found: list[tuple[str, str, str]]) -> None:
    endpoints = find_endpoints(environ)
    assert [(one.label, one.base_url, one.key) for one in endpoints] == found
    assert _KEY not in repr(endpoints)


def test_an_application_gets_its_golden_set_and_a_gate(tmp_path: Path) -> None:
    proposal = _proposal(tmp_path, {"bot.py": _BOT, "golden/faq.jsonl": _GOLDEN})
    found = _configured(proposal)
    assert found["on_missing_baseline"] == "record"
    assert found["suites"] == {
        "faq": {
            "golden": "golden/faq.jsonl",
            "target": {"python": "bot:answer"},
            "scorers": ["icontains"],
            "slices": ["lang"],
            "baseline": "baselines/faq.json",
            "gates": [{"kind": "no-regression", "margin": 0.05}],
        }
    }
    assert [template.path for template in proposal.templates] == ["evalgate.toml"]


@pytest.mark.parametrize(
    ("files", "environ", "target"),
    [
        ({"out.jsonl": _OUTPUTS}, {}, {"recorded": "out.jsonl"}),
        (
            {"prompts/q.md": "Say {{ input }}", "prompts/other.md": "no place"},
            {"OPENAI_API_KEY": _KEY, "OPENAI_MODEL": "m-1"},
            {"model": "candidate", "prompt": "prompts/q.md"},
        ),
        ({}, {"OPENAI_API_KEY": _KEY}, {"model": "candidate", "prompt": "prompts/answer.md"}),
        ({"bot.py": _BOT, "out.jsonl": _OUTPUTS}, {"OPENAI_API_KEY": _KEY}, {"python": "bot:answer"}),
    ],
)
def test_the_target_of_a_golden_set(
    tmp_path: Path, files: dict[str, str], environ: dict[str, str], target: dict[str, str]
) -> None:
    found = _configured(_proposal(tmp_path, {"golden/faq.jsonl": _GOLDEN, **files}, **environ))
    assert found["suites"]["faq"]["target"] == target
    assert _KEY not in (tmp_path / "evalgate.toml").read_text("utf-8")


def test_rows_with_outputs_need_no_target(tmp_path: Path) -> None:
    rows = "".join(json.dumps({"id": f"c{i}", "input": "q", "expected": "a", "output": "a"}) + "\n" for i in range(3))
    assert "target" not in _configured(_proposal(tmp_path, {"golden/My Set.jsonl": rows}))["suites"]["my-set"]


@pytest.mark.parametrize(
    ("row", "scorer"),
    [
        ({"expected": 3}, "exact"),
        ({"expected_any": ["a", "b"]}, "icontains"),
        ({"rubric": "polite"}, {"kind": "length", "min": 1}),
    ],
)
def test_the_scorer_fits_what_is_expected(tmp_path: Path, row: dict[str, Any], scorer: object) -> None:
    golden = json.dumps({"id": "a", "input": "q", **row}) + "\n"
    found = _configured(_proposal(tmp_path, {"golden/faq.jsonl": golden, "bot.py": _BOT}))
    assert found["suites"]["faq"]["scorers"] == [scorer]


def test_a_golden_set_without_an_application_is_named(tmp_path: Path) -> None:
    proposal = _proposal(tmp_path, {"golden/faq.jsonl": _GOLDEN}, OLLAMA_HOST="box")
    assert list(_configured(proposal)["suites"]) == ["example"]
    [note] = proposal.notes
    assert note.startswith(
        "golden/faq.jsonl: no application was found for it: to run it, add [suites.faq] with golden"
    )
    assert '# base_url = "http://box:11434/v1"' in (tmp_path / "evalgate.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "text", "is_found"),
    [
        ("faq.csv", "Question;Expected answer\na;b\n", True),
        ("faq.tsv", "\ufeffid\tuser_input\treference\n", True),
        ("sales.csv", "date,amount\n", False),
        ("faq.xlsx", "PK", True),
        ("~$faq.xlsx", "PK", False),
        ("goldens.json", '[{"input": "a", "expected_output": "b"}]', True),
        ("package.json", '{"name": "x"}', False),
    ],
)
def test_tables_and_datasets_get_their_import_command(tmp_path: Path, name: str, text: str, *, is_found: bool) -> None:
    proposal = _proposal(tmp_path, {"data/" + name: text, "bot.py": _BOT})
    stem = name.partition(".")[0]
    command = f"pytest-evalgate import data/{name} --to golden/{stem}.jsonl"
    assert (proposal.steps[0][0] == command) is is_found
    assert list(_configured(proposal)["suites"]) == [stem if is_found else "example"]


def test_a_configuration_of_promptfoo_is_imported_and_nothing_is_written(tmp_path: Path) -> None:
    proposal = _proposal(tmp_path, {"promptfooconfig.yaml": "prompts: [a]\n", "bot.py": _BOT})
    assert proposal.templates == ()
    assert proposal.steps[0][0] == "pytest-evalgate import promptfooconfig.yaml"


def test_a_configured_suite_without_a_target_gets_a_proposal(tmp_path: Path) -> None:
    suite = '[tool.evalgate.suites.faq]\ngolden = "golden/faq.jsonl"\n'
    proposal = _proposal(tmp_path, {"pyproject.toml": suite, "golden/faq.jsonl": _GOLDEN, "bot.py": _BOT})
    assert proposal.templates == ()
    assert proposal.notes == ('[tool.evalgate.suites.faq] has no target: add target = { python = "bot:answer" }',)
    assert proposal.steps[1][0] == "pytest --eval-gate --eval-target python:bot:answer"


@pytest.mark.parametrize(
    ("files", "written", "first"),
    [
        ({"src/shop.py": _BOT}, "[pytest]\npythonpath = src\n", "pytest --eval-gate"),
        ({"src/shop.py": _BOT, "pyproject.toml": "[project]\nname = 'shop'\n"}, None, "pip install -e ."),
        (
            {"src/shop.py": _BOT, "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['src']\n"},
            None,
            "pytest --eval-gate",
        ),
        ({"shop.py": _BOT}, None, "pytest --eval-gate"),
        ({"../pytest.ini": "[pytest]\n", "shop.py": _BOT}, "[pytest]\n", "pytest --eval-gate"),
    ],
)
def test_the_next_command_finds_application_and_root_folder(
    tmp_path: Path, files: dict[str, str], written: str | None, first: str
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    proposal = _proposal(root, files)
    assert next((one.data.decode() for one in proposal.templates if one.path == "pytest.ini"), None) == written
    assert proposal.steps[0][0] == first


@pytest.mark.parametrize(
    ("files", "install", "python"),
    [
        ({}, "pip install pytest-evalgate", "3.12"),
        ({"requirements.txt": "", "requirements-dev.txt": ""},
         "pip install pytest-evalgate -r requirements.txt -r requirements-dev.txt", "3.12"),
        ({"setup.py": ""}, "pip install pytest-evalgate -e .", "3.12"),
        ({"pyproject.toml": "[tool.x]\n", "requirements.txt": ""}, "pip install pytest-evalgate -r requirements.txt",
         "3.12"),
        ({"pyproject.toml": "[project]\nrequires-python = '>=3.13'\n[project.optional-dependencies]\ndev = []\n"},
         'pip install pytest-evalgate -e ".[dev]"', "3.13"),
        ({"pyproject.toml": "[project]\nrequires-python = '>=3.9,<3.12'\n"},
         "pip install pytest-evalgate -e .", "3.11"),
        ({"pyproject.toml": "[broken"}, "pip install pytest-evalgate", "3.12"),
    ],
)  # fmt: skip
def test_the_installation_of_the_project(tmp_path: Path, files: dict[str, str], install: str, python: str) -> None:
    _write(tmp_path, files)
    detected = Detected(tmp_path, {})
    assert (detected.install, detected.python) == (install, python)
    assert f"- run: {install}\n" in Workflow(detected).github()[0].data.decode()


def test_the_keys_of_models_that_no_suite_uses_are_not_passed() -> None:
    tables = {
        "models": {"used": {"model": "m", "api_key_env": "USED"}, "other": {"model": "m", "api_key_env": "OTHER"}},
        "judges": {"j": {"model": "used", "criteria": "good"}},
        "suites": {
            "a": {"golden": "a", "target": {"http": {"url": "https://x", "headers_env": {"auth": "HEADER"}}}},
            "b": {"golden": "b", "scorers": [{"judge": "j"}]},
        },
    }
    assert sorted(keys_of(config.Settings.model_validate(tables))) == ["HEADER", "USED"]
