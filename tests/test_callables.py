from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate import callables
from pytest_evalgate.errors import CallableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CODE = """\
def answer(text):
    return text

class Bot:
    answer = staticmethod(answer)

bot = Bot()
name = "x"
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A project with modules of its own, which are forgotten afterwards."""
    root = tmp_path / "project"
    (root / "shop").mkdir(parents=True)
    (root / "shop" / "__init__.py").write_text("")
    (root / "shop" / "bot_t2.py").write_text(_CODE)
    (root / "app_t2.py").write_text(_CODE)
    known = set(sys.modules)
    yield root
    for name in set(sys.modules) - known:
        del sys.modules[name]


@pytest.mark.parametrize("spec", ["app_t2:answer", "app_t2:bot.answer", "shop.bot_t2:answer"])
def test_functions_below_the_root_are_found(root: Path, spec: str) -> None:
    assert callables.resolve(spec, [root])("hi") == "hi"


def test_installed_functions_are_found() -> None:
    assert callables.resolve("json:dumps", [])([1]) == "[1]"
    assert callables.resolve("math:floor", [])(1.5) == 1


def test_the_search_path_is_left_as_it_was(root: Path) -> None:
    before = list(sys.path)
    callables.resolve("app_t2:answer", [root])
    with pytest.raises(CallableError):
        callables.resolve("app_t2:nothing", [root])
    assert sys.path == before


@pytest.mark.parametrize(
    "spec", ["app_t2", "", ":", "app_t2:", ":answer", "app t2:answer", "../app:answer", "app-t2:x", "a..b:c"]
)
def test_specs_of_another_form_are_refused(root: Path, spec: str) -> None:
    with pytest.raises(CallableError, match=r"is not of the form"):
        callables.resolve(spec, [root])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("app_t2:answr", 'app_t2 has no answr; did you mean "answer"?'),
        ("app_t2:name", "is str, which cannot be called: name a function"),
        ("nowhere_t2:answer", 'cannot be imported: there is no module "nowhere_t2" below '),
        ("shop.nowhere:answer", 'cannot be imported: there is no module "shop.nowhere" below '),
        ("app_t2.deeper:answer", 'cannot be imported: there is no module "app_t2.deeper" below '),
    ],
)
def test_a_missing_module_or_function_is_named(root: Path, spec: str, message: str) -> None:
    with pytest.raises(CallableError) as caught:
        callables.resolve(spec, [root])
    assert str(caught.value).startswith(f'python = "{spec}"')
    assert message in str(caught.value)


def test_a_module_that_fails_on_import_is_reported(root: Path) -> None:
    (root / "broken_t2.py").write_text("raise RuntimeError('no database')\n")
    with pytest.raises(CallableError, match=r"cannot be imported: broken_t2\.py:1: RuntimeError: no database$"):
        callables.resolve("broken_t2:answer", [root])


def test_a_module_that_exits_on_import_is_reported(root: Path) -> None:
    (root / "script_t2.py").write_text("import sys\nsys.exit(0)\n")  # would end the session with 0
    with pytest.raises(CallableError, match=r"cannot be imported: script_t2\.py:2: SystemExit: 0$"):
        callables.resolve("script_t2:answer", [root])


def test_a_module_outside_of_the_root_is_refused_before_it_runs(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "other_t2.py").write_text("raise SystemExit('it ran')\n")
    monkeypatch.syspath_prepend(str(outside))
    with pytest.raises(CallableError, match="outside the root folder and the installed packages"):
        callables.resolve("other_t2:answer", [root])


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")
@pytest.mark.parametrize("link", ["linked_t2.py", "folder_t2"])
def test_a_link_out_of_the_root_is_refused_before_it_runs(root: Path, tmp_path: Path, link: str) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "linked_t2.py").write_text("raise SystemExit('it ran')\n")
    (root / link).symlink_to(outside / "linked_t2.py" if link.endswith(".py") else outside)
    module = "linked_t2" if link.endswith(".py") else "folder_t2.linked_t2"
    with pytest.raises(CallableError, match=r"_t2 is at .*elsewhere"):
        callables.resolve(f"{module}:answer", [root])


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")
def test_a_link_within_the_root_is_followed(root: Path) -> None:
    (root / "inner_t2.py").symlink_to(root / "shop" / "bot_t2.py")
    assert callables.resolve("inner_t2:answer", [root])("hi") == "hi"


def test_a_package_without_init_file_is_found(root: Path) -> None:
    (root / "plain_t2").mkdir()
    (root / "plain_t2" / "deep.py").write_text(_CODE)
    assert callables.resolve("plain_t2.deep:answer", [root])("hi") == "hi"


def test_the_code_digest_is_that_of_the_file(root: Path) -> None:
    callables.resolve("app_t2:answer", [root])
    assert callables.code_sha256("app_t2:answer") == hashlib.sha256(_CODE.encode()).hexdigest()
    assert callables.code_sha256("sys:exit") == ""
