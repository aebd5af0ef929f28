"""Python project in a folder: its packaging, its settings of pytest, and the functions that look like applications.

Files are read as data; nothing of the project is imported or run.
"""

from __future__ import annotations

import importlib.util
import re
import tomllib
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import config
from pytest_evalgate.app.application import find_applications
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.files import read_bytes, read_head

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_evalgate.app.application import Application
    from pytest_evalgate.app.starter import Step

PYTEST_INI: Final = "pytest.ini"
_ROOT_FILES: Final = (PYTEST_INI, ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "setup.py")


@dataclass(frozen=True)
class PythonProject:
    """The project in ``root``. Every property is computed once, on first use."""

    root: Path

    @cached_property
    def pyproject(self) -> Mapping[str, Any]:
        """The content of ``pyproject.toml``; empty if there is none, or it cannot be parsed."""
        try:
            return tomllib.loads(read_bytes(self.root / config.PYPROJECT_FILE).decode("utf-8-sig"))
        except (OSError, ValueError):
            return {}

    def table(self, *keys: str) -> Mapping[str, Any]:
        """Return a nested table of ``pyproject.toml``; an empty one if it is missing, or is no table."""
        data = self.pyproject
        for key in keys:
            value = data.get(key)
            if not isinstance(value, dict):
                return {}
            data = value
        return data

    @cached_property
    def pytest_file(self) -> str | None:
        """The file that configures pytest, and so makes this folder its root folder."""
        if (self.root / PYTEST_INI).is_file():
            return PYTEST_INI
        if self.pyproject:
            return config.PYPROJECT_FILE
        marks = (("tox.ini", b"[pytest]"), ("setup.cfg", b"[tool:pytest]"))
        return next((name for name, mark in marks if mark in read_head(self.root / name)), None)

    @cached_property
    def is_root(self) -> bool:
        """Whether pytest takes this folder as its root folder: it has a file of pytest, or no folder above has one."""
        return self.pytest_file is not None or not any(
            (folder / name).is_file() for folder in self.root.parents for name in _ROOT_FILES
        )

    @cached_property
    def is_packaged(self) -> bool:
        """Whether ``pip install -e .`` can install the project."""
        tables = ("project", "build-system")
        return any(name in self.pyproject for name in tables) or (self.root / "setup.py").is_file()

    def pytest_setting(self, name: str) -> tuple[str, ...]:
        """Return the words of a setting of pytest."""
        listed = self.table("tool", "pytest", "ini_options").get(name, ())
        if isinstance(listed, str):
            return tuple(listed.split())
        found = re.search(rf"^{name}\s*=\s*(.+)$".encode(), read_head(self.root / PYTEST_INI), re.MULTILINE)
        if not listed and found is not None:
            return tuple(found[1].decode("utf-8", "replace").split())
        return tuple(map(str, listed))

    @cached_property
    def applications(self) -> tuple[Application, ...]:
        """The functions that look like the application under test, the most certain first."""
        return find_applications(self.root)

    @property
    def application(self) -> Application | None:
        """The most certain of the applications."""
        return next(iter(self.applications), None)

    @cached_property
    def is_importable(self) -> bool:
        """Whether the application can be imported as it is: from this folder, or as an installed project."""
        app = self.application
        if app is None or not app.root or app.root in self.pytest_setting("pythonpath"):
            return True
        package = app.spec.partition(":")[0].partition(".")[0]
        try:
            return importlib.util.find_spec(package) is not None
        except (ImportError, ValueError):
            return False

    @property
    def missing_ini(self) -> tuple[str, str] | None:
        """The text of the ``pytest.ini`` that the next commands need, and its effect; None if they need none."""
        app = self.application
        if app is not None and not self.is_importable and self.pytest_file is None:
            return f"[pytest]\npythonpath = {app.root}\n", f"makes {app.root} importable"
        return None if self.is_root else ("[pytest]\n", "makes this folder the root folder of pytest")

    @property
    def install_steps(self) -> tuple[Step, ...]:
        """The command that makes the application importable; none if it is, or ``pytest.ini`` makes it so."""
        app = self.application
        if app is None or self.is_importable or self.pytest_file is None or not self.is_packaged:
            return ()
        return (("pip install -e .", f"makes {app.spec.partition(':')[0]} importable"),)

    @property
    def path_note(self) -> str | None:
        """What the user has to set before the application can be imported; None if a command does it."""
        app = self.application
        if app is None or self.is_importable or self.pytest_file is None or self.is_packaged:
            return None
        return f"{app.spec} cannot be imported yet: set pythonpath = {app.root} in {self.pytest_file}"
