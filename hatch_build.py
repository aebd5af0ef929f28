"""Compile the templates of the HTML report into the wheel: compiling them took a fifth of a session with one case."""

from __future__ import annotations

import runpy
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from jinja2 import Environment, FileSystemLoader

_PAGE = Path("src/pytest_evalgate/reports/html")


class CompileTemplates(BuildHookInterface[Any]):
    """The build hook ``custom`` of pyproject.toml."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the compiled templates to a wheel; an editable installation compiles them in each session."""
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        compile_templates(Path(self.root) / _PAGE, folder)
        for path in sorted(folder.iterdir()):
            build_data["force_include"][str(path)] = f"pytest_evalgate/reports/html/compiled/{path.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the compiled templates outside of the wheel."""
        del build_data, artifact_path
        if version != "editable":
            self._folder.cleanup()


def compile_templates(page: Path, folder: Path) -> None:
    """Write the templates of the page as Python modules, and the version of Jinja that they need."""
    options = runpy.run_path(str(page / "template_syntax.py"))
    environment = Environment(loader=FileSystemLoader(page / "templates"), **options["SYNTAX"])  # noqa: S701 - it has autoescape
    environment.filters.update(dict.fromkeys(options["FILTERS"], str))  # only their names are compiled
    environment.compile_templates(folder, zip=None, ignore_errors=False)
    (folder / options["MADE_FOR"]).write_text(".".join(version("jinja2").split(".")[:2]), "ascii")
