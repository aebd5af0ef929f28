"""README and docs are true: their configuration loads, their fields are those of the files."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from pytest_evalgate import golden, settings
from pytest_evalgate.data import (
    Accounting,
    CorrectedRate,
    Delta,
    GateResult,
    JudgeVerdict,
    SliceResult,
    SuiteVerdict,
    Verdict,
)
from pytest_evalgate.plugin.options import VALUES
from pytest_evalgate.scorers import RULES

_ROOT = Path(__file__).parents[1]
_PAGES = [_ROOT / "README.md", *sorted((_ROOT / "docs").glob("*.md"))]


def _blocks(language: str) -> list[Any]:
    found = [(page, block) for page in _PAGES for block in _fenced(page, language)]
    return [pytest.param(block, id=f"{page.name}-{index}") for index, (page, block) in enumerate(found)]


def _fenced(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", _blocks("toml"))
def test_configuration_loads(block: str, tmp_path: Path) -> None:
    (tmp_path / "evalgate.toml").write_text(block, "utf-8")
    assert settings.load(tmp_path).suites


@pytest.mark.parametrize("block", _blocks("python"))
def test_python_compiles(block: str) -> None:
    compile(block, "README", "exec")


def test_the_golden_set_of_the_readme_loads(tmp_path: Path) -> None:
    rows = re.search(r'^```\n(\{"id".*?)^```', (_ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert rows is not None
    (tmp_path / "golden.jsonl").write_text(rows[1], "utf-8")
    (loaded,) = golden.load([tmp_path / "golden.jsonl"], root=tmp_path)
    assert [case.id for case in loaded] == ["refund-1", "refund-2"]


@pytest.mark.parametrize(
    "record", [Verdict, SuiteVerdict, Delta, SliceResult, GateResult, JudgeVerdict, CorrectedRate, Accounting]
)
def test_every_field_of_the_verdict_is_described(record: type) -> None:
    text = (_ROOT / "docs" / "verdict.md").read_text("utf-8")
    assert [field.name for field in dataclasses.fields(record) if f"`{field.name}`" not in text] == []


def test_every_option_and_scorer_is_described() -> None:
    text = (_ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert [name for name in VALUES if name not in text] == []
    plain = [name for name in RULES if not name.startswith(("not-", "i"))]
    assert [name for name in plain if f"`{name}`" not in text] == []


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
