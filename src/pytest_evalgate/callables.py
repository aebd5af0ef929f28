"""The user's functions, imported by name from the root folders or from installed packages, and from nowhere else.

A name in a configuration must not run code from another place, so the file of each module is checked first.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import site
import sys
import sysconfig
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import CallableError
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.machinery import ModuleSpec

_INSTALLED: Final = ("stdlib", "platstdlib", "purelib", "platlib")


def resolve(spec: str, roots: Sequence[Path]) -> Callable[..., Any]:
    """Import the function that ``spec`` names as ``package.module:function``.

    The path of each module, with symbolic links resolved, is checked before any of its code runs.

    Args:
        spec: The name. The root folders come first in ``sys.path`` during the import.
        roots: The folders that contain the user's code.

    Raises:
        CallableError: There is no such function, or its file is in another place.

    """
    module, _, path = spec.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *path.split("."))):
        raise CallableError(f'python = "{spec}" is not of the form "package.module:function"')
    with _on_import_path(roots):
        found = _import(module, spec, roots)
    try:
        function = attrgetter(path)(found)
    except AttributeError as error:
        raise CallableError(f'python = "{spec}": {module} has no {path}{did_you_mean(path, vars(found))}') from error
    if not callable(function):
        raise CallableError(f'python = "{spec}" is {type(function).__name__}, which cannot be called: name a function')
    found_function: Callable[..., Any] = function
    return found_function


def code_sha256(spec: str) -> str:
    """Return the digest of the module's file of a resolved function, or an empty string if it has none."""
    file = getattr(sys.modules[spec.partition(":")[0]], "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""


def _import(module: str, spec: str, roots: Sequence[Path]) -> Any:
    paths = sysconfig.get_paths()
    installed = [*(paths[key] for key in _INSTALLED), *site.getsitepackages(), site.getusersitepackages()]
    allowed = [*(root.resolve() for root in roots), *(Path(folder).resolve() for folder in installed)]
    parts = module.split(".")
    try:
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            _require_inside(importlib.util.find_spec(name), name, spec, allowed)
        return importlib.import_module(module)
    except CallableError:
        raise
    except Exception as error:
        folders = " or ".join(map(str, roots)) or "the root folder"
        raise CallableError(
            f'python = "{spec}" cannot be imported: {type(error).__name__}: {error}; it has to be in {folders}, '
            "or installed"
        ) from error


def _require_inside(found: ModuleSpec | None, name: str, spec: str, allowed: Sequence[Path]) -> None:
    if found is None:
        raise ModuleNotFoundError(f"no module named {name}")
    files = [found.origin] if found.has_location and found.origin else list(found.submodule_search_locations or ())
    for file in files:  # a module that is compiled into the interpreter has none
        place = Path(file).resolve()
        if not any(place.is_relative_to(folder) for folder in allowed):
            raise CallableError(
                f'python = "{spec}": {name} is at {place}, outside of the root folder and of the installed '
                "packages; move it into the root folder, or install it"
            )


@contextlib.contextmanager
def _on_import_path(roots: Sequence[Path]) -> Iterator[None]:
    """Insert ``roots`` into ``sys.path``, and remove only them afterwards: the import may have added others."""
    added = [str(root.resolve()) for root in roots]
    sys.path[:0] = added
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for folder in added:
            with contextlib.suppress(ValueError):
                sys.path.remove(folder)
