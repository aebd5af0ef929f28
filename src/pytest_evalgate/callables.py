"""Functions of the user, imported by name: only from below the root folders or from installed packages."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import site
import sys
import sysconfig
import traceback
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import CallableError
from pytest_evalgate.text.exceptions import describe_error
from pytest_evalgate.text.files import relative_name
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.machinery import ModuleSpec

_INSTALLED: Final = ("stdlib", "platstdlib", "purelib", "platlib")


def resolve(spec: str, roots: Sequence[Path]) -> Callable[..., Any]:
    """Import the function that ``spec`` names as ``package.module:function``.

    The location of each module is checked, with symbolic links resolved, before any of its code runs.

    Args:
        spec: The name; the root folders precede ``sys.path``.
        roots: The folders of the user's code.

    Raises:
        CallableError: there is no such function, or its file is elsewhere.
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


def kind_problem(function: Callable[..., Any]) -> str | None:
    """Return why a call of ``function`` cannot return a value; None if it can."""
    if inspect.isclass(function):
        return "is a class, so a call would only create an object: name a function, or an object that can be called"
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return "is a generator, so a call returns no value: name a function that returns the whole value"
    return None


def code_sha256(spec: str) -> str:
    """Return the digest of the source file of a resolved function's module."""
    file = getattr(sys.modules[spec.partition(":")[0]], "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""


def _import(module: str, spec: str, roots: Sequence[Path]) -> Any:
    allowed = [*(root.resolve() for root in roots), *_installed()]
    parts = module.split(".")
    try:
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            _require_inside(importlib.util.find_spec(name), name, spec, allowed)
        return importlib.import_module(module)
    except CallableError:
        raise
    except (Exception, SystemExit) as error:  # sys.exit(0) of a script would end the session with 0
        raise CallableError(f'python = "{spec}" cannot be imported: {_why(error, module, roots)}') from error


def _why(error: BaseException, module: str, roots: Sequence[Path]) -> str:
    """Return why an import failed: the line of the user's code, and what to change there."""
    place = next((f"{place}: " for place in _places(error, roots)), "")
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(Path(error.filename), roots)}:{error.lineno}: syntax error: {error.msg}"
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return f"{place}{describe_error(error)}"
    if module == error.name or module.startswith(f"{error.name}."):
        below = " or ".join(map(str, roots)) or "the root folder"
        near = did_you_mean(error.name, _modules_below(roots))
        return f'there is no module "{error.name}" below {below}, and none is installed{near}'
    return f'{place}it imports "{error.name}", which is not installed here: install it, or correct the name'


def _modules_below(roots: Sequence[Path]) -> set[str]:
    found = (path for root in roots for path in root.iterdir())
    return {path.stem for path in found if path.suffix == ".py" or (path.is_dir() and path.name.isidentifier())}


def _places(error: BaseException, roots: Sequence[Path]) -> Iterator[str]:
    """Yield the lines of the user's code that led to an exception, the innermost first."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if any(path.is_relative_to(root.resolve()) for root in roots):
            yield f"{_short(path, roots)}:{frame.lineno}"


def _short(path: Path, roots: Sequence[Path]) -> str:
    return next((relative_name(path, root) for root in roots if path.is_relative_to(root.resolve())), str(path))


def _require_inside(found: ModuleSpec | None, name: str, spec: str, allowed: Sequence[Path]) -> None:
    if found is None:
        raise ModuleNotFoundError(f"no module named {name}", name=name)
    files = [found.origin] if found.has_location and found.origin else list(found.submodule_search_locations or ())
    for file in files:  # none: compiled into the interpreter
        place = Path(file).resolve()
        if not any(place.is_relative_to(folder) for folder in allowed):
            raise CallableError(
                f'python = "{spec}": {name} is at {place}, outside the root folder and the installed '
                "packages; move it below the root folder, or install it"
            )


def _installed() -> list[Path]:
    paths = sysconfig.get_paths()
    folders = [*(paths[key] for key in _INSTALLED), *site.getsitepackages(), site.getusersitepackages()]
    return [Path(folder).resolve() for folder in folders]


@contextlib.contextmanager
def _on_import_path(roots: Sequence[Path]) -> Iterator[None]:
    """Put ``roots`` in front of ``sys.path``; remove only them afterwards, since the import may add other entries."""
    added = [str(root.resolve()) for root in roots]
    sys.path[:0] = added
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for folder in added:
            with contextlib.suppress(ValueError):
                sys.path.remove(folder)
