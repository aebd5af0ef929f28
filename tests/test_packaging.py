from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = {
    "embed": ("wordllama",),
    "excel": ("python_calamine",),
    "phone": ("phonenumbers",),
    "metrics": ("sacrebleu", "rouge_score", "rapidfuzz"),
    "postgres": ("psycopg",),
    "prices": ("genai_prices",),
    "re2": ("re2",),
    "schema": ("jsonschema_rs",),
    "sql": ("sqlglot",),
    "yaml": ("yaml",),
    "warehouse": ("duckdb",),
    "watch": ("watchfiles",),
}
"""The modules that each extra brings."""


def _lower_bounds(requirements: list[str]) -> dict[str, tuple[int, ...]]:
    found = [re.match(r"([\w-]+)[>=]=([\d.]+)", requirement) for requirement in requirements]
    return {match[1]: _version(match[2]) for match in found if match}


def _version(text: str) -> tuple[int, ...]:
    parts = [int(part) for part in text.split(".")]
    return (*parts, 0, 0)[:3]


def test_the_oldest_dependencies_that_are_tested_are_the_lower_bounds() -> None:
    pinned = (ROOT / "tests/smoke/oldest.txt").read_text("utf-8").splitlines()
    assert _lower_bounds(pinned) == _lower_bounds(PROJECT["dependencies"])
    assert len(PROJECT["dependencies"]) == len(_lower_bounds(PROJECT["dependencies"]))


def test_extras_are_those_that_the_code_imports() -> None:
    assert set(PROJECT["optional-dependencies"]) - {"dev"} == set(EXTRAS)


@pytest.mark.parametrize("module", [module for modules in EXTRAS.values() for module in modules])
def test_the_module_of_an_extra_is_imported(module: str) -> None:
    sources = (path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert any(
        re.search(rf'(import|from) {module}\b|import_module\("{module}|"{module}', source) for source in sources
    )
