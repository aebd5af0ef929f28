"""numpy and scipy are loaded when they are first used, with one thread of OpenBLAS."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from scipy.special import betaincinv, ndtri

from pytest_evalgate.stats import numeric
from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided

_COUNT_THREADS = """
import os, sys
import pytest_evalgate.gates
from pytest_evalgate.stats.arrays import load, np
assert not {"numpy", "scipy"} & set(sys.modules)
before = len(os.listdir("/proc/self/task"))
assert np.arange(3).sum() == 3
load()
print(len(os.listdir("/proc/self/task")) - before, os.environ.get("OPENBLAS_NUM_THREADS"))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts the threads in /proc")
@pytest.mark.parametrize(("limit", "printed"), [(None, "0 None"), ("3", "2 3")])
def test_numpy_is_loaded_late_and_starts_no_threads_unless_the_user_wants_them(
    limit: str | None, printed: str
) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    if limit is not None:
        environ["OPENBLAS_NUM_THREADS"] = limit
    command = [sys.executable, "-c", _COUNT_THREADS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert (done.returncode, done.stdout.strip()) == (0, printed), done.stderr


@pytest.mark.parametrize("alpha", numeric._USUAL_Z)
def test_the_usual_quantiles_are_those_of_scipy(alpha: float) -> None:
    assert numeric.upper_z(alpha) == -ndtri(alpha)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_closed_form_of_all_passes_is_the_bound_in_every_bit(confidence: float) -> None:
    for n in (1, 2, 3, 7.5, 20, 59, 149, 1_000, 99_999):
        assert clopper_pearson_lower_one_sided(n, n, confidence) == betaincinv(n, 1, 1 - confidence)
