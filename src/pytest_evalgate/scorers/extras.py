"""Libraries of the extras, imported when a scorer needs them, and checked before anything runs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.text.problems import UNQUOTED

if TYPE_CHECKING:
    from collections.abc import Callable


def require(library: str, extra: str) -> Any:
    """Import a library of an extra.

    Raises:
        ScorerError: The library is not installed; the message contains the command that installs it.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise ScorerError(
            f"{library.partition('.')[0]} is not installed: pip install 'pytest-evalgate[{extra}]'"
        ) from error


def requires(library: str, extra: str) -> Callable[[Any], Any]:
    """Return a validator of a rule's parameter that imports a library, so that a suite without it is refused."""

    def installed(value: Any) -> Any:
        try:
            require(library, extra)
        except ScorerError as error:
            raise PydanticCustomError(UNQUOTED, "{message}", {"message": str(error)}) from error
        return value

    return installed
