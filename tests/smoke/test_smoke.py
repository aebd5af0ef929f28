"""Smoke test of an installed distribution: packaged files, console script, one run, one call through each client.

It needs pytest and the installed package only, no other file of the repository. ``make smoke`` runs it from the wheel
in an empty environment, with the newest and with the oldest allowed dependencies.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest

import pytest_evalgate
from pytest_evalgate.reports.html import page
from pytest_evalgate.reports.html.template_syntax import MADE_FOR
from pytest_evalgate.testing import Behaviour, ScriptedServer

SCRIPT = Path(sys.executable).with_name("pytest-evalgate")


def _run(folder: Path, *command: str | Path, code: int = 0) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={
            **os.environ,
            "XDG_CONFIG_HOME": str(folder / "config"),
            "CANDIDATE_KEY": "any",
            "CI": "",
            "COLUMNS": "100",
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def _pytest(folder: Path, *arguments: str, code: int = 0) -> str:
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--eval-gate", *arguments)
    return _run(folder, *command, code=code)


def test_every_module_can_be_imported() -> None:
    names = [module.name for module in pkgutil.walk_packages(pytest_evalgate.__path__, "pytest_evalgate.")]
    assert len(names) > 100
    lacking = {}
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            lacking[name] = error.name
    assert set(lacking.values()) <= {"starlette", "uvicorn"}, lacking  # of the extra "view"
    assert {name.split(".")[1] for name in lacking} <= {"server"}


def test_a_new_project_runs_and_fails_when_its_gate_does(tmp_path: Path) -> None:
    assert "init" in _run(tmp_path, SCRIPT, "--help")
    _run(tmp_path, SCRIPT, "init")
    _pytest(tmp_path)
    verdict = json.loads((tmp_path / ".evalgate/verdict.json").read_text("utf-8"))
    assert (verdict["verdict"], verdict["exit_code"]) == ("pass", 0)
    assert (tmp_path / ".evalgate/report.html").stat().st_size > 10_000
    for outputs in (tmp_path / "outputs").glob("*.jsonl"):
        rows = [json.loads(line) for line in outputs.read_text("utf-8").splitlines()]
        outputs.write_text("".join(json.dumps({**row, "output": "?"}) + "\n" for row in rows), "utf-8")
    _pytest(tmp_path, code=1)
    _pytest(tmp_path, "-n", "2", code=1)


@pytest.mark.parametrize("client", ["openai", "http"])
def test_a_model_is_called_once_and_then_cached(tmp_path: Path, client: str) -> None:
    (tmp_path / "golden.jsonl").write_text('{"id": "a", "input": "Say yes.", "expected": "yes"}\n', "utf-8")
    with ScriptedServer() as server:
        server.script(Behaviour.text("yes"))
        (tmp_path / "evalgate.toml").write_text(
            f"""
[models.candidate]
model = "m"
client = "{client}"
base_url = "{server.base_url}"
api_key_env = "CANDIDATE_KEY"
[suites.faq]
golden = "golden.jsonl"
target = {{ model = "candidate" }}
gates = [{{ kind = "pass-rate", min = 0.5, bound = "point" }}]
""",
            "utf-8",
        )
        _pytest(tmp_path)
        _pytest(tmp_path)
        assert server.calls == 1


@pytest.mark.skipif("site-packages" not in page.PAGE.parts, reason="an editable installation compiles them itself")
def test_the_templates_of_the_page_are_compiled() -> None:
    made_for = page.PAGE / "compiled" / MADE_FOR
    assert importlib.metadata.version("jinja2").startswith(made_for.read_text("ascii"))
    assert isinstance(page.environment().loader, jinja2.ModuleLoader)


@pytest.mark.skipif(importlib.util.find_spec("uvicorn") is not None, reason="the extra view is installed")
def test_a_verb_without_its_extra_is_refused(tmp_path: Path) -> None:
    _run(tmp_path, SCRIPT, "view", code=4)


def test_ready_rubrics_are_packaged(tmp_path: Path) -> None:
    (tmp_path / "evalgate.toml").write_text(
        '[models.m]\nmodel = "m"\napi_key_env = ""\n[judges.correctness]\nmodel = "m"\nrubric = "correctness"\n',
        "utf-8",
    )
    assert "correctness" in _run(tmp_path, SCRIPT, "config")
