from __future__ import annotations

import pytest

from pytest_evalgate.guard.file_changes import code_files


def _found(files: dict[str, str], *modules: str, imports: bool = True, folders: tuple[str, ...] = ("",)) -> list[str]:
    given = {name: text.encode() for name, text in files.items()}
    return sorted(code_files(given.get, modules, folders, imports=imports))


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"g.py": ""}, ["g.py"]),
        ({"g.py": "", "g/__init__.py": ""}, ["g.py", "g/__init__.py"]),
        ({"src/g.py": ""}, ["src/g.py"]),
        ({"g.py": "import h", "h.py": "", "i.py": ""}, ["g.py", "h.py"]),
        ({"g.py": "import p.h", "p/__init__.py": "", "p/h.py": ""}, ["g.py", "p/__init__.py", "p/h.py"]),
        ({"g.py": "from p import h", "p/__init__.py": "", "p/h.py": ""}, ["g.py", "p/__init__.py", "p/h.py"]),
        ({"g.py": "def f():\n import h", "h.py": "import k", "k.py": ""}, ["g.py", "h.py", "k.py"]),
        ({"g.py": "import h", "h.py": "import g"}, ["g.py", "h.py"]),
        ({"g.py": "import re, numpy"}, ["g.py"]),
        ({"g.py": "import re", "re.py": ""}, ["g.py", "re.py"]),
        ({"g.py": "not Python ("}, ["g.py"]),
        ({"g.py": "'\\d'\nimport h", "h.py": ""}, ["g.py", "h.py"]),
        ({}, []),
    ],
)
def test_a_module_and_what_it_imports(files: dict[str, str], found: list[str]) -> None:
    assert _found(files, "g", folders=("", "src")) == found


@pytest.mark.parametrize("line", ["from . import h", "from .h import f", "from ..p import h", "from ..p.h import f"])
def test_relative_imports(line: str) -> None:
    files = {"p/__init__.py": "", "p/g.py": line, "p/h.py": "", "h.py": ""}
    found = _found({f"top/{name}": text for name, text in files.items()} | {"top/__init__.py": ""}, "top.p.g")
    assert "top/p/h.py" in found
    assert "top/h.py" not in found


def test_imports_are_not_followed_for_targets() -> None:
    assert _found({"g.py": "import h", "h.py": ""}, "g", imports=False) == ["g.py"]
