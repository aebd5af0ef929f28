from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import jinja2
import pytest
from jinja2.filters import FILTERS as BUILT_IN

from pytest_evalgate.reports.html import page
from pytest_evalgate.reports.html.template_syntax import FILTERS, MADE_FOR

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
    "view": ("starlette", "uvicorn"),
    "warehouse": ("duckdb",),
    "yaml": ("yaml",),
    "watch": ("watchfiles",),
    "remote": ("fsspec",),
    "uvloop": ("uvloop",),
}
"""The modules that each extra brings."""


def test_a_wheel_has_the_compiled_templates_of_the_page(tmp_path: Path) -> None:
    """They are what the page itself compiles."""
    build = runpy.run_path(str(ROOT / "hatch_build.py"))
    build["compile_templates"](ROOT / "src/pytest_evalgate/reports/html", tmp_path)
    page_itself, loader = page.environment(), page.loader(tmp_path)
    assert isinstance(loader, jinja2.ModuleLoader)
    own = {name for name, made in page_itself.filters.items() if BUILT_IN.get(name) is not made}
    assert own == set(FILTERS)
    names = page_itself.list_templates()
    assert names
    for name in names:
        source, _, _ = page_itself.loader.get_source(page_itself, name)  # type: ignore[union-attr]
        compiled = (tmp_path / loader.get_module_filename(name)).read_text("utf-8")
        assert compiled == page_itself.compile(source, name, raw=True, defer_init=True)


@pytest.mark.parametrize("made_for", ["3.0", "2", "4.1"])
def test_templates_for_another_version_of_jinja_are_not_used(tmp_path: Path, made_for: str) -> None:
    (tmp_path / MADE_FOR).write_text(made_for)
    assert isinstance(page.loader(tmp_path), jinja2.FileSystemLoader)


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


def test_the_licences_of_packaged_data_are_those_of_the_distribution() -> None:
    packs = ROOT / "src/pytest_evalgate/cli/templates/packs"
    assert PROJECT["license"] == "MIT AND CC-BY-4.0 AND CC-BY-SA-3.0"
    files = [path for pattern in PROJECT["license-files"] for path in ROOT.glob(pattern)]
    assert {path.parent for path in files if path.name == "LICENSE.source"} == {*filter(Path.is_dir, packs.iterdir())}
    listed = (packs / "README.md").read_text("utf-8")
    assert all(name in listed for name in ("MIT", "CC BY 4.0", "CC BY-SA 3.0"))
