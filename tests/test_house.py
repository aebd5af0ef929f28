"""Shape of the source tree: no import cycle, bounded files, one home per name."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter, defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"
MOST_LINES = 650
MOST_TWIN_STEMS = 18
TWIN_CLASSES = frozenset({"Comparison", "Request"})
"""Class names that occur twice: comparisons of a gate and of ``compare``, requests of a client and of a server."""


@cache
def _modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted((SRC / "pytest_evalgate").rglob("*.py")):
        name = ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text("utf-8"))
    return found


def _imports(name: str, tree: ast.Module) -> set[str]:
    """Return the modules of ours that a module imports anywhere, under TYPE_CHECKING and in functions included."""
    wanted = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            wanted += [f"{node.module}.{alias.name}" for alias in node.names]
    found = set()
    for full in wanted:
        target = full
        while target and target not in _modules():
            target = target.rpartition(".")[0]
        # a package's __init__ re-exports its modules: that is no cycle
        if target and target != name and not f"{name}.".startswith(f"{target}."):
            found.add(target)
    return found


def test_there_is_no_import_cycle_with_type_checking_imports_counted() -> None:
    graph = {name: _imports(name, tree) for name, tree in _modules().items()}
    assert sum(map(len, graph.values())) > 1000
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_no_file_is_too_long_to_be_one_idea() -> None:
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in SRC.rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_a_class_name_has_one_home() -> None:
    homes = defaultdict(set)
    for name, tree in _modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].add(name)
    assert {name for name, where in homes.items() if len(where) > 1} == TWIN_CLASSES


def test_modules_of_one_name_are_few() -> None:
    stems = Counter(path.stem for path in SRC.rglob("*.py") if path.stem != "__init__")
    assert len([stem for stem, number in stems.items() if number > 1]) <= MOST_TWIN_STEMS


_ALLOWED = {
    "only plugin imports pytest and xdist": {"plugin", "hookspec"},
    "only engine imports openai, httpx, h11, tenacity, diskcache": {"engine"},
    "only store imports psycopg": {"store"},
    "only server imports starlette and uvicorn": {"server"},
    "only runs imports fsspec": {"runs"},
    "stats imports nothing of ours but frozen": {"stats", "frozen"},
}
"""The rooms that each contract leaves out."""


def test_the_contracts_name_every_other_room() -> None:
    with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    forbidding = {contract["name"]: contract for contract in contracts if contract["type"] == "forbidden"}
    assert forbidding.keys() == _ALLOWED.keys()
    entries = {
        path for path in (SRC / "pytest_evalgate").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    rooms = {path.stem for path in entries} - {"__init__"}
    for name, allowed in _ALLOWED.items():
        key = "forbidden_modules" if name.startswith("stats") else "source_modules"
        assert {module.partition(".")[2] for module in forbidding[name][key]} == rooms - allowed, name
