from __future__ import annotations

import asyncio
import itertools
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.records.results import Case, Output, Place, Score
from pytest_evalgate.scorers import Context, build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_numbers = itertools.count()
CASE = Case("q1", expected="x", place=Place("golden/faq.jsonl", 3))


@pytest.fixture
def module(tmp_path: Path) -> Callable[[str], str]:
    """Write a module with a name of its own: what was imported once stays imported."""

    def write(source: str, folder: Path = tmp_path / "app") -> str:
        name = f"scorers_of_user_{next(_numbers)}"
        folder.mkdir(exist_ok=True, parents=True)
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
        return name

    return write


def _score(spec: dict[str, Any], root: Path) -> Score:
    return asyncio.run(build(spec, context=Context(roots=(root,))).score(CASE, Output("out")))


@pytest.mark.parametrize(
    ("body", "value", "passed", "reason"),
    [
        ("return True", 1.0, True, ""),
        ("return False", 0.0, False, ""),
        ("return 0.5", 0.5, True, ""),
        ("return 0.49", 0.49, False, ""),
        ("return 1", 1.0, True, ""),
        ("return None", None, None, "could not tell"),
        ("return (None, 'too short')", None, None, "too short"),
        ("return (0.2, 'rude')", 0.2, False, "rude"),
        ("return Score('x', 0.1, True, 'low')", 0.1, False, "low"),
        ("return np.float32(0.5)", 0.5, True, ""),
        ("return (1, 'x' * 600)", 1.0, True, "x" * 499 + "…"),
        ("return output.value == 'out' and case.expected == 'x'", 1.0, True, ""),
    ],
)
@pytest.mark.parametrize("define", ["def", "async def"])
def test_what_a_function_may_return(
    define: str,
    body: str,
    value: float | None,
    *,
    passed: bool | None,
    reason: str,
    module: Callable[[str], str],
    tmp_path: Path,
) -> None:
    imports = "import numpy as np\nfrom pytest_evalgate.records.results import Score\n"
    name = module(f"{imports}{define} tone(case, output):\n    {body}\n")
    assert _score({"python": f"{name}:tone"}, tmp_path / "app") == Score("tone", value, passed=passed, reason=reason)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("return float('nan')", r"returned nan, which is not in \[0, 1\]"),
        ("return float('inf')", "returned inf"),
        ("return 1.5", "returned 1.5"),
        ("return -0.1", "returned -0.1"),
        ("return 5", "returned 5"),
        ("return 'yes'", "returned 'yes', which is str"),
        ("return {'value': 1}", "which is dict"),
        ("return (1, 2, 3)", "a tuple of 3"),
        ("return (1, 2)", "the reason 2, which is int"),
        ("return 1j", "which is complex"),
        ("raise KeyError('tone')", "KeyError: 'tone'"),
        ("return 1 / 0", "ZeroDivisionError"),
    ],
)
@pytest.mark.parametrize("define", ["def", "async def"])
def test_a_bad_return_names_scorer_case_and_value(
    define: str, body: str, problem: str, module: Callable[[str], str], tmp_path: Path
) -> None:
    name = module(f"{define} tone(case, output):\n    {body}\n")
    with pytest.raises(ScorerError, match=problem) as caught:
        _score({"python": f"{name}:tone"}, tmp_path / "app")
    assert str(caught.value).startswith('golden/faq.jsonl:3: case "q1": scorer "tone": ')
    assert caught.value.__cause__ is not None


def test_settings_of_a_python_scorer(module: Callable[[str], str], tmp_path: Path) -> None:
    name = module("class Tone:\n    @staticmethod\n    def polite(case, output): return 0.8\n")
    spec = {"python": f"{name}:Tone.polite", "threshold": 0.9, "weight": 2, "name": "manners"}
    assert _score(spec, tmp_path / "app") == Score("manners", 0.8, passed=False, weight=2.0)
    assert _score({"python": f"{name}:Tone.polite"}, tmp_path / "app").name == "Tone.polite"


def test_modules_of_packages_are_found_and_the_path_is_as_before(tmp_path: Path) -> None:
    package = tmp_path / f"package_of_user_{next(_numbers)}"
    package.mkdir()
    (package / "deep.py").write_text("def ok(case, output): return True\n", encoding="utf-8")  # no __init__.py
    before = list(sys.path)
    assert _score({"python": f"{package.name}.deep:ok"}, tmp_path).passed is True
    assert sys.path == before


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("{}", "is not of the form"),
        ("{}:", "is not of the form"),
        (":tone", "is not of the form"),
        ("{}:tone()", "is not of the form"),
        ("../{}:tone", "is not of the form"),
        ("{}:tune", 'has no tune; did you mean "tone"'),
        ("{}:LIMIT", "is int, which cannot be called"),
        ("{}:one", r"takes \(case\), not \(case, output\)"),
        ("{}_nope:tone", "ModuleNotFoundError: no module named"),
        ("{}.sub:tone", "cannot be imported"),
        ("__main__:tone", "__main__"),
    ],
)
def test_a_name_that_is_refused_names_itself_and_the_place(
    spec: str, problem: str, module: Callable[[str], str], tmp_path: Path
) -> None:
    spec = spec.format(module("LIMIT = 5\ndef tone(case, output): ...\ndef one(case): ...\n"))
    with pytest.raises(SettingsError, match=problem) as caught:
        build({"python": spec}, context=Context(roots=(tmp_path / "app",), place="suites.faq.scorers[2]"))
    assert str(caught.value).startswith("suites.faq.scorers[2]: ")
    assert spec in str(caught.value)


@pytest.mark.parametrize("value", [5, None, ["a:b"]])
def test_a_name_that_is_no_string(value: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not a string"):
        build({"python": value}, context=Context(roots=(tmp_path,)))


def test_a_module_that_breaks_says_how(module: Callable[[str], str], tmp_path: Path) -> None:
    name = module("raise RuntimeError('no licence')\n")
    with pytest.raises(SettingsError, match="cannot be imported: RuntimeError: no licence") as caught:
        build({"python": f"{name}:tone"}, context=Context(roots=(tmp_path / "app",)))
    assert isinstance(caught.value.__cause__, Exception)


def test_unknown_parameters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match='unknown parameter "treshold" of python; did you mean "threshold"'):
        build({"python": "os.path:join", "treshold": 1}, context=Context(roots=(tmp_path,)))


def _marker(tmp_path: Path) -> tuple[str, Path]:
    ran = tmp_path / "ran"
    return f"open({str(ran)!r}, 'w').close()\ndef tone(case, output): return True\n", ran


def test_a_file_outside_of_the_root_is_refused_before_it_runs(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, ran = _marker(tmp_path)
    name = module(source, tmp_path / "elsewhere")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    with pytest.raises(SettingsError, match="outside of the root folder") as caught:
        build({"python": f"{name}:tone"}, context=Context(roots=(tmp_path / "app",)))
    assert "elsewhere" in str(caught.value)
    assert not ran.exists()


@pytest.mark.parametrize("link_is", ["file", "folder"])
def test_a_symbolic_link_that_leaves_the_root_is_refused_before_it_runs(
    link_is: str, module: Any, tmp_path: Path
) -> None:
    source, ran = _marker(tmp_path)
    root = tmp_path / "app"
    root.mkdir()
    name = module(source, tmp_path / "elsewhere")
    if link_is == "file":
        (root / f"{name}.py").symlink_to(tmp_path / "elsewhere" / f"{name}.py")
        spec = f"{name}:tone"
    else:
        folder = f"linked_{next(_numbers)}"
        (root / folder).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        spec = f"{folder}.{name}:tone"
    with pytest.raises(SettingsError, match="outside of the root folder"):
        build({"python": spec}, context=Context(roots=(root,)))
    assert not ran.exists()


def test_a_link_within_the_root_and_what_is_installed_are_fine(module: Any, tmp_path: Path) -> None:
    root = tmp_path / "app"
    name = module("def tone(case, output): return True\n", root / "real")
    (root / f"{name}.py").symlink_to(root / "real" / f"{name}.py")
    assert _score({"python": f"{name}:tone"}, root).passed is True
    assert build({"python": "operator:eq"}, context=Context(roots=(root,))).name == "eq"
    assert build({"python": "numpy:array_equal"}, context=Context(roots=(root,))).threshold == 0.5
