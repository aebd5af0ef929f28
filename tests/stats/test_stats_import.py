"""The modules are light to load, and their results cannot be changed."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from dataclasses import is_dataclass

import pytest

from pytest_evalgate import stats

MODULES = sorted(f"{stats.__name__}.{found.name}" for found in pkgutil.iter_modules(stats.__path__))
RESULTS = [
    value
    for module in map(importlib.import_module, MODULES)
    for value in vars(module).values()
    if isinstance(value, type) and value.__module__ == module.__name__ and is_dataclass(value)
]


def _loaded_by(*modules: str) -> set[str]:
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_package_itself_loads_nothing() -> None:
    assert {"numpy", "scipy"}.isdisjoint(_loaded_by(stats.__name__))


def test_no_module_loads_the_slow_half_of_scipy() -> None:
    loaded = _loaded_by(*MODULES)
    assert "scipy.special" in loaded
    assert {"scipy.stats", "scipy.optimize", "pandas", "pytest"}.isdisjoint(loaded)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.__name__)
def test_results_are_frozen_and_slotted(result: type) -> None:
    assert result.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__dict__" not in dir(result)
