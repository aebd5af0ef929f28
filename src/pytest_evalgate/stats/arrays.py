"""numpy and the special functions of scipy, each loaded when one of its names is first used.

Their import takes 0.1 s, and most modules of the gates are loaded before the first call, which needs no statistics.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from pytest_evalgate.stats.ufuncs import special

__all__ = ["np", "special"]

_THREADS = "OPENBLAS_NUM_THREADS"
_LIMITS = frozenset({_THREADS, "OMP_NUM_THREADS", "GOTO_NUM_THREADS"})
"""Variables by which users limit the threads: https://github.com/OpenMathLib/OpenBLAS#setting-the-number-of-threads."""


class _LoadedLater:
    """A module that is loaded when an attribute is first used. Later uses find the attribute here."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._load(), name)
        vars(self)[name] = value
        return value


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Have OpenBLAS, if it is loaded meanwhile, start no threads: each would first spin for 25 ms, and we need none.

    The variable is not set for longer, so that child processes do not inherit it.
    """
    if "numpy" in sys.modules or not _LIMITS.isdisjoint(os.environ):
        yield
        return
    os.environ[_THREADS] = "1"
    try:
        yield
    finally:
        os.environ.pop(_THREADS, None)


def _load_numpy() -> Any:
    with _one_thread():
        import numpy  # noqa: ICN001, PLC0415 - the reason for this module
    return numpy


def _load_special() -> Any:
    with _one_thread():
        from pytest_evalgate.stats import ufuncs  # noqa: PLC0415 - the same
    return ufuncs.special


def load() -> None:
    """Load numpy and the functions of scipy now."""
    _load_special()


if not TYPE_CHECKING:
    np = _LoadedLater(_load_numpy)
    special = _LoadedLater(_load_special)
