from __future__ import annotations

import subprocess
import sys

import pytest
from scipy import special as package

from pytest_evalgate.stats.ufuncs import special

_CALLS = [
    ("betainc", (3.0, 5.0, 0.2)),
    ("betaincinv", (3.0, 5.0, 0.975)),
    ("betainccinv", (3.0, 5.0, 0.025)),
    ("ndtr", (1.5,)),
    ("ndtri", (0.975,)),
    ("stdtr", (7.0, 1.5)),
    ("stdtrit", (7.0, 0.975)),
    ("nctdtr", (7.0, 1.0, 1.5)),
    ("xlogy", (0.0, 0.0)),
    ("xlog1py", (0.3, -0.4)),
    ("rel_entr", (0.3, 0.4)),
    ("kolmogorov", (0.8,)),
    ("log_ndtr", (-3.0,)),
    ("betaln", (3.0, 5.0)),
    ("entr", (0.3,)),
]


@pytest.mark.parametrize(("name", "arguments"), _CALLS)
def test_a_function_is_that_of_the_package(name: str, arguments: tuple[float, ...]) -> None:
    assert getattr(special, name)(*arguments) == getattr(package, name)(*arguments)


_ALONE = """
import sys
from pytest_evalgate.stats.ufuncs import special
assert "scipy.special._ufuncs" in sys.modules
assert "scipy.special._basic" not in sys.modules, "the package was executed"
assert len([name for name in sys.modules if name.startswith("numpy.f2py")]) == 0
"""
_LATER = [
    "import scipy.special as package; assert package.logsumexp([0.0]) == 0.0",
    "from scipy.special import logsumexp; assert logsumexp([0.0]) == 0.0",
    "from scipy.special import *; assert logsumexp([0.0]) == 0.0",
    "import scipy; assert scipy.special.logsumexp([0.0]) == 0.0",
    "from scipy import stats; assert stats.norm.ppf(0.5) == 0",
    "import scipy.special as package; assert 'logsumexp' in dir(package)",
    "import scipy.special as package; assert not hasattr(package, 'no_such_function')",
    "import scipy.special as package; assert package._ufuncs is special",
    "import pickle; assert pickle.loads(pickle.dumps(special.ndtri)) is special.ndtri",
    """
import threading

def use():
    from scipy.special import logsumexp
    done.append(logsumexp([0.0]))

done = []
threads = [threading.Thread(target=use) for _ in range(8)]
[one.start() for one in threads]
[one.join() for one in threads]
assert done == [0.0] * 8
""",
]


@pytest.mark.parametrize("later", _LATER)
def test_the_package_is_executed_when_something_else_of_it_is_used(later: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{_ALONE}\n{later}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
