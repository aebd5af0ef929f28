"""The package is light to load, and says what it exports."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import is_dataclass

import pytest

from pytest_evalgate import stats


def test_loading_it_does_not_load_the_slow_half_of_scipy() -> None:
    code = "import sys, pytest_evalgate.stats; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "scipy.special" in loaded
    assert {"scipy.stats", "scipy.optimize", "pandas", "pytest"}.isdisjoint(loaded)


def test_all_is_sorted_and_complete() -> None:
    assert stats.__all__ == sorted(stats.__all__)
    public = {name for name, value in vars(stats).items() if callable(value) and not name.startswith("_")}
    assert public <= set(stats.__all__)
    assert all(hasattr(stats, name) for name in stats.__all__)


@pytest.mark.parametrize("name", [name for name in stats.__all__ if is_dataclass(getattr(stats, name))])
def test_results_are_frozen_and_slotted(name: str) -> None:
    result = getattr(stats, name)
    assert result.__dataclass_params__.frozen
    assert "__dict__" not in dir(result)
