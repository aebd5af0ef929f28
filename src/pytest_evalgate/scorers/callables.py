"""A user's own function as a scorer."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from pytest_evalgate import callables
from pytest_evalgate.errors import CallableError
from pytest_evalgate.scorers.params import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def resolve(spec: str, roots: Sequence[Path]) -> Callable[..., object]:
    """Import the function that ``spec`` names as ``package.module:function``, from below ``roots`` or installed.

    Raises:
        SpecError: no such function, one that lies elsewhere, or one that does not take a case and an output.

    """
    try:
        function = callables.resolve(spec, roots)
    except CallableError as error:
        raise SpecError(str(error)) from error
    _require_scorer(function, spec)
    return function


def _require_scorer(function: Callable[..., object], spec: str) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:  # some of what is compiled has no signature to look at
        return
    try:
        signature.bind("case", "output")
    except TypeError as error:
        raise SpecError(f'python = "{spec}" takes {signature!s:.200}, not (case, output): {error}') from error
