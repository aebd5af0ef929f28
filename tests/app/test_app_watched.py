"""The suites that a changed file affects: a pure function of the configuration and the files of the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate import config
from pytest_evalgate.app.watched import modules_of, watched_files

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.app.watched import WatchedFiles

_CONFIG = """
[models.m]
model = "m-1"
base_url = "http://127.0.0.1:9/v1"
[judges.tone]
model = "m"
rubric = "rubrics/tone.md"
few_shots = "rubrics/shots.jsonl"
[suites.faq]
golden = ["golden/faq.jsonl", "golden/more.jsonl"]
target = { model = "m", prompt = "prompts/faq.md" }
scorers = [{ judge = "tone" }]
[suites.sql]
golden = "golden/sql.jsonl"
target = { python = "shop.bot:answer" }
scorers = ["exact", { python = "grading:same" }]
[suites.program]
golden = "golden/faq.jsonl"
target = { command = ["python", "tools/run.py", "--fast"] }
[suites.old]
golden = "golden/old.jsonl"
target = { recorded = "out/old.jsonl" }
[suites.marked]
golden = "golden/marked.jsonl"
"""
_SOURCES = {
    "src/shop/__init__.py": "",
    "src/shop/bot.py": "import json, numpy\nfrom . import tools\nfrom shop.deep.more import thing\n",
    "src/shop/tools.py": "import shop.bot\n",
    "src/shop/deep/__init__.py": "",
    "src/shop/deep/more.py": "def broken(:\n",
    "src/shop/unused.py": "",
    "grading.py": "import helper\n",
    "helper.py": "",
    "tools/run.py": "",
    "tests/test_it.py": "",
    ".venv/test_other.py": "",
    "rubrics/tone.md": "polite",
    "rubrics/shots.jsonl": "",
}


@pytest.fixture
def watched(tmp_path: Path) -> WatchedFiles:
    for name, text in {**_SOURCES, "evalgate.toml": _CONFIG}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    settings = config.load(tmp_path)
    return watched_files(tmp_path, settings, settings.suites)


@pytest.mark.parametrize(
    ("path", "suites"),
    [
        ("evalgate.toml", "faq sql program old marked"),
        ("pyproject.toml", "faq sql program old marked"),
        ("golden/faq.jsonl", "faq program"),
        ("golden/more.jsonl", "faq"),
        ("prompts/faq.md", "faq"),
        ("rubrics/tone.md", "faq"),
        ("rubrics/shots.jsonl", "faq"),
        ("src/shop/bot.py", "sql"),
        ("src/shop/tools.py", "sql"),
        ("src/shop/__init__.py", "sql"),
        ("src/shop/deep/__init__.py", "sql"),
        ("src/shop/deep/more.py", "sql"),
        ("grading.py", "sql"),
        ("helper.py", "sql"),
        ("tools/run.py", "program"),
        ("out/old.jsonl", "old"),
        ("golden/marked.jsonl", "marked"),
        ("tests/test_it.py", "marked"),
        ("tests/conftest.py", "marked"),
        ("src/shop/unused.py", ""),
        ("prompts/other.md", ""),
        (".evalgate/verdict.json", ""),
        ("../golden/faq.jsonl", ""),
    ],
)
def test_a_change_affects_the_suites_that_depend_on_the_file(watched: WatchedFiles, path: str, suites: str) -> None:
    assert watched.affected(watched.root / path) == tuple(suites.split())


def test_only_existing_folders_are_watched_and_no_environment(watched: WatchedFiles) -> None:
    names = {path.relative_to(watched.root).as_posix() for path in watched.folders}
    assert names == {".", "rubrics", "src/shop", "src/shop/deep", "tools", "tests"}


def test_only_the_named_suites_are_affected(watched: WatchedFiles) -> None:
    one = watched_files(watched.root, config.load(watched.root), ["program"])
    assert one.affected(watched.root / "evalgate.toml") == ("program",)
    assert one.affected(watched.root / "golden/faq.jsonl") == ("program",)
    assert one.affected(watched.root / "tests/test_it.py") == ()


def test_modules_outside_of_the_project_have_no_files(tmp_path: Path) -> None:
    assert modules_of(tmp_path, "json.decoder") == ()
