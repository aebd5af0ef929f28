from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.cli import main

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
description: shop
prompts: ["Answer: {{question}}"]
providers: [openai:gpt-4o-mini]
tests:
  - description: returns
    vars: {question: How long?}
    assert:
      - {type: icontains, value: 14 days}
      - {type: python, value: "file://check.py"}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "promptfooconfig.yaml").write_text(CONFIG, "utf-8")
    return tmp_path


def _run(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = main(["import", "promptfooconfig.yaml", *options])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_the_screen_lists_what_was_left_out_and_the_next_commands(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed = _run(capsys, "--to", "golden/shop.jsonl")
    assert code == 0
    assert "promptfooconfig.yaml: promptfoo, 1 case for golden/shop.jsonl" in printed
    assert "left out (1 part):\n  promptfooconfig.yaml:9: assert python: file://check.py is not run" in printed
    assert "pytest --eval-gate --eval-estimate " in printed
    settings = tomllib.loads((folder / "evalgate.toml").read_text("utf-8"))
    assert settings["suites"]["shop"]["golden"] == "golden/shop.jsonl"
    assert json.loads((folder / "golden" / "shop.jsonl").read_text("utf-8"))["id"] == "returns"
    assert (folder / "prompts" / "prompt.md").read_text("utf-8") == "Answer: {{question}}\n"


def test_nothing_is_replaced_without_force(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys)[0] == 0
    code, printed = _run(capsys)
    assert (code, printed.count("unchanged")) == (0, 3)
    changed = CONFIG.replace("Answer:", "Reply:").replace("gpt-4o-mini", "gpt-4o")
    (folder / "promptfooconfig.yaml").write_text(changed, "utf-8")
    code, printed = _run(capsys)
    assert code == 4
    assert "prompts/prompt.md: exists and differs" in printed
    assert "Answer" in (folder / "prompts" / "prompt.md").read_text("utf-8")
    assert _run(capsys, "--force")[0] == 0
    assert "Reply" in (folder / "prompts" / "prompt.md").read_text("utf-8")
    assert 'model = "gpt-4o"' in (folder / "evalgate.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("file", "text", "table"),
    [
        ("evalgate.toml", "[models.own]\nmodel = 'm'\n", "  [suites.shop]"),
        ("pyproject.toml", "[tool.evalgate.models.own]\nmodel = 'm'\n", "  [tool.evalgate.suites.shop]"),
    ],
)
def test_a_configuration_of_the_user_is_never_replaced(
    folder: Path, capsys: pytest.CaptureFixture[str], file: str, text: str, table: str
) -> None:
    (folder / file).write_text(text, "utf-8")
    code, printed = _run(capsys, "--force")
    assert code == 0
    assert f"add to {file}:\n" in printed
    assert f"\n{table}\n" in printed
    assert (folder / file).read_text("utf-8") == text


def test_options_of_tables_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = _run(capsys, "--map", "input=Question")
    assert code == 4
    assert "promptfooconfig.yaml: is a configuration of promptfoo: --map, --sheet and --delimiter are for" in printed
    assert sorted(path.name for path in folder.iterdir()) == ["promptfooconfig.yaml"]


def test_a_dry_run_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = _run(capsys, "--dry-run")
    assert (code, printed.count("would write")) == (0, 3)
    assert sorted(path.name for path in folder.iterdir()) == ["promptfooconfig.yaml"]
