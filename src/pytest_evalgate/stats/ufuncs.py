"""The special functions of scipy, without the rest of ``scipy.special``: 0.10 s instead of 0.23 s with numpy.

Their package imports what other array libraries need, with most of numpy. Here it is executed when something else of
it is asked for, by any code; its module of functions is loaded at once. The functions are the same objects.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from types import ModuleType
from typing import Any, Final, cast

_PACKAGE: Final = "scipy.special"
_LOCK: Final = threading.RLock()
_PATIENCE_S: Final = 60.0
"""Longest wait for another thread that executes the package: it could wait for a module that this one imports."""


class _ExecutedLater(ModuleType):
    """A package that is executed when an attribute is missing."""

    is_executing = False

    def __getattr__(self, name: str) -> Any:
        """Execute the package and return the attribute."""
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)  # what the import system looks for
        if not _LOCK.acquire(timeout=_PATIENCE_S):
            raise AttributeError(name)
        try:
            if type(self) is _ExecutedLater:
                if self.is_executing:  # a module of the package asks, before the name is defined
                    raise AttributeError(name)
                self.is_executing = True
                cast("Any", self.__spec__).loader.exec_module(self)
                del self.is_executing
                cast("Any", self).__class__ = ModuleType
        finally:
            _LOCK.release()
        return getattr(self, name)

    def __dir__(self) -> list[str]:
        """Execute the package and list it."""
        self.__getattr__("__all__")
        return dir(self)


def _load() -> Any:
    if _PACKAGE not in sys.modules and (spec := importlib.util.find_spec(_PACKAGE)) is not None:
        package = importlib.util.module_from_spec(spec)
        cast("Any", package).__class__ = _ExecutedLater
        sys.modules.setdefault(_PACKAGE, package)
    try:
        functions = importlib.import_module(f"{_PACKAGE}._ufuncs")
    except ImportError:  # the name is not public
        return importlib.import_module(_PACKAGE)
    return functions if hasattr(functions, "betaincinv") else importlib.import_module(_PACKAGE)


special: Final = _load()
"""``betainc``, ``ndtri``, ``stdtrit`` and the other functions of numbers and arrays."""
