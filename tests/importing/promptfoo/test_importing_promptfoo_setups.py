"""Twenty-four configurations with the features of public ones: read, written, and run by one session."""

from __future__ import annotations

import csv
import json
import tomllib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from tests.importing.promptfoo.project import NAMES, SETUPS, imported, respond, write_project

from pytest_evalgate import config
from pytest_evalgate.golden.record import parse_row
from pytest_evalgate.records.cases import Place
from pytest_evalgate.testing import ScriptedServer

if TYPE_CHECKING:
    from pytest_evalgate.importing import Imported

CODE = frozenset({"assert javascript", "assert python"})
NOT_ONLY_CODE = frozenset({"left-out"})
"""Set-ups of which more than code is left out: this one shows what."""

MISSED = {
    "affixes": {"prefix-and-suffix": ["suffix only"]},
    "assertion-templates": {"shared-asserts": ["bo"]},
    "csv-tests": {"capitals-from-a-table": ["iceland"]},
    "default-test": {"defaults": ["bo"]},
    "filters": {"support-long-gpt-4o-mini": ["support only"]},
    "http-provider": {"prompt-1": ["are-you-sure"], "prompt-2": ["are-you-sure"]},
    "javascript-asserts": {"checks-in-code": ["alternatives"]},
    "jsonl-tests": {
        f"extract-{version}-claude-{model}": ["broken"]
        for version in ("v2", "v1")
        for model in ("sonnet-4-6", "haiku-4-5")
    },
    "model-graded": {"answers-that-a-model-grades": ["facts"]},
    "prompt-files": {"several-2": ["sum"], "make": ["sum"]},
    "python-provider": {"bot": ["crash"], "provider-second": ["hours", "crash"]},
    "scenarios": {"translations": ["hello-2"]},
    "several-test-files": {"tests-from-several-files": ["q2"]},
    "transforms": {"parts-of-a-structured-reply": ["i-hate-it"]},
    "vars-product": {"lists-of-variables": ["product-4"]},
    "weights": {"thresholds-weights-and-sets": ["mean missed", "weights without a threshold", "a set in a mean"]},
    "yaml-glob": {"yaml-glob": ["exchange"]},
}
"""The cases that miss, by set-up and suite.

promptfoo 0.121.20 failed the same ones on the same replies, apart from what models grade and from what is left out.
"""


def test_there_are_twenty_four() -> None:
    assert len(NAMES) == 24


@pytest.mark.parametrize("name", NAMES)
def test_a_setup_is_imported_whole(name: str) -> None:
    found = imported(SETUPS / name)
    if name not in NOT_ONLY_CODE:
        assert {left.what for left in found.left_out} <= CODE
    files = dict(found.files)
    settings = config.Settings.model_validate(tomllib.loads(files["evalgate.toml"]))
    assert settings.suites
    for case in found.cases:
        assert case.place.split(":")[-1].isdecimal()
        assert parse_row(case.row, Place("golden/cases.jsonl", 1)).problems == ()
    for suite in settings.suites.values():
        for path in _prompts(suite.target):
            assert path in files or (SETUPS / name / path).is_file()
    assert imported(SETUPS / name) == found


def _prompts(target: Any) -> list[str]:
    return [path for path in (getattr(target, "prompt", None), getattr(target, "system", None)) if path]


def test_everything_that_is_left_out_has_its_line_and_a_reason() -> None:
    found = imported(SETUPS / "left-out")
    assert [(left.place.removeprefix("promptfooconfig.yaml:"), left.what) for left in found.left_out] == [
        ("4", "prompt file://prompt.js"),
        ("5", "prompt {{ text | truncate(20) }}"),
        ("8", "provider bedrock:anthropic.claude-3-haiku"),
        ("9", "provider file://provider.js"),
        ("10", "provider openai:embedding:text-embedding-3-small"),
        ("11", "redteam"),
        ("14", "sharing"),
        ("15", "extensions"),
        ("20", "assert similar:dot"),
        ("21", "assert meteor"),
        ("23", "assert select-best"),
        ("24", "assert perplexity"),
        ("25", "assert-set"),
        ("28", "a test"),
        ("30", "tests file://made.py:tests"),
        ("31", "tests huggingface://datasets/some/set"),
    ]
    assert all(left.why for left in found.left_out)


def test_models_keep_their_endpoint_key_and_parameters() -> None:
    models = _settings(imported(SETUPS / "many-providers")).models
    found = {name: (model.model, model.base_url, model.api_key_env, model.params) for name, model in models.items()}
    plain = {"temperature": 0, "max_tokens": 1024}
    assert found == {
        "gpt-4o-mini": ("gpt-4o-mini", "https://api.openai.com/v1", "OPENAI_API_KEY", plain),
        "llama-3-1-8b-instant": ("llama-3.1-8b-instant", "https://api.groq.com/openai/v1", "GROQ_API_KEY", {}),
        "mistral-small-latest": (
            "mistral-small-latest",
            "https://api.mistral.ai/v1",
            "MISTRAL_API_KEY",
            {"temperature": 0.3, "max_tokens": 50, "top_p": 0.9},
        ),
        "llama-via-openrouter": (
            "meta-llama/llama-3.3-70b-instruct",
            "https://openrouter.ai/api/v1",
            "OPENROUTER_API_KEY",
            {},
        ),
        "qwen-qwen2-5-7b-instruct-turbo": (
            "Qwen/Qwen2.5-7B-Instruct-Turbo",
            "https://api.together.xyz/v1",
            "TOGETHER_API_KEY",
            {},
        ),
        "deepseek-chat": ("deepseek-chat", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", {}),
        "llama3-2": ("llama3.2", "http://localhost:11434/v1", "", {}),
        "phi": ("phi", "http://localhost:8080/v1", "", {}),
        "my-deployment": ("my-deployment", "https://my-resource.openai.azure.com/openai/v1", "AZURE_API_KEY", plain),
        "mistralai-mistral-7b": ("mistralai/Mistral-7B", "http://localhost:8001/v1", "", {}),
        "own": ("own-model", "http://localhost:9000/v1", "OWN_KEY", {**plain, "stop": ["\n"]}),
        "grok-3-mini": (
            "grok-3-mini",
            "https://api.x.ai/v1",
            "XAI_API_KEY",
            {"temperature": 0, "reasoning_effort": "low"},
        ),
    }
    assert (
        models["own"].price
        == config.Model.model_validate({"model": "m", "price": {"input_per_mtok": 2.0, "output_per_mtok": 2.0}}).price
    )


def test_options_become_limits_trials_and_reports() -> None:
    settings = _settings(imported(SETUPS / "options"))
    [model], [suite] = settings.models.values(), settings.suites.values()
    assert (model.max_concurrency, model.api_key_env, model.params["seed"], suite.trials) == (3, "SHOP_API_KEY", 7, 2)
    assert settings.report.formats == ("html", "csv")


def test_tests_for_some_suites_are_golden_sets_of_their_own() -> None:
    found = imported(SETUPS / "filters")
    golden = {name: suite.golden for name, suite in _settings(found).suites.items()}
    main, some, big = (f"golden/cases{end}.jsonl" for end in ("", "-2", "-3"))
    assert golden == {
        "support-short-gpt-4o-mini": (main, some),
        "support-long-gpt-4o-mini": (main, some),
        "sales-gpt-4o-mini": (main,),
        "sales-big": (main, big),
    }
    assert [json.loads(line)["id"] for line in dict(found.files)[some].splitlines()] == ["support only"]


def test_one_session_runs_all_suites_with_the_verdicts_of_promptfoo(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    with ScriptedServer() as server:
        server.answer_with(respond)
        write_project(pytester.path, NAMES, server.base_url)
        result = pytester.inline_run("--eval-gate", "-q", "-p", "no:cacheprovider")
    assert result.ret == 1
    missed: dict[str, list[str]] = defaultdict(list)
    report = pytester.path / ".evalgate" / "cases.csv"
    with report.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["outcome"] for row in rows} == {"passed", "missed"}
    for row in rows:
        if row["outcome"] == "missed":
            missed[row["suite"]].append(row["id"])
    assert len(rows) == 111
    assert missed == {f"{name}-{suite}": ids for name, suites in MISSED.items() for suite, ids in suites.items()}
    verdict = json.loads((pytester.path / ".evalgate" / "verdict.json").read_text("utf-8"))
    failed = {name for name, suite in verdict["suites"].items() if suite["verdict"] == "fail"}
    assert failed == set(missed)


def _settings(found: Imported) -> config.Settings:
    return config.Settings.model_validate(tomllib.loads(dict(found.files)["evalgate.toml"]))


def test_models_that_rules_ask_are_tables_of_their_own() -> None:
    models = _settings(imported(SETUPS / "model-graded")).models
    asked = {
        name: (model.model, model.api, model.api_key_env) for name, model in models.items() if model.api != "chat"
    }
    assert asked == {
        "embeddings": ("text-embedding-3-small", "embeddings", "OPENAI_API_KEY"),
        "moderations": ("omni-moderation-latest", "moderations", "OPENAI_API_KEY"),
    }
