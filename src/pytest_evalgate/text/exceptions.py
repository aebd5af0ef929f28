"""Text of exceptions and values of the user's code, whose ``__str__`` and ``__repr__`` may raise or return anything.

SDK errors are often built without the response that their ``__str__`` reads.
"""

from __future__ import annotations

import re
from typing import Final

from pytest_evalgate.errors import CodeExit

_MAX_CHARS: Final = 1_000
_MAX_DEPTH: Final = 4  # of groups of exceptions in each other

_LAST_WORD: Final = re.compile(r"\S{1,200}\Z")  # keys are shorter

_UNREADABLE: Final = "(its text cannot be read)"


def describe_error(error: BaseException) -> str:
    """Return the type of an exception and the first line of its message, at most about 1,000 characters.

    A group of exceptions, such as that of an ``asyncio.TaskGroup``, is described with its first exception.
    """
    return truncate(_described(error.error if isinstance(error, CodeExit) else error, _MAX_DEPTH))


def safe_repr(value: object, most: int = 80) -> str:
    """Return the start of ``repr(value)``, or the name of its type if that raises."""
    try:
        return str.__str__(repr(value))[:most]
    except BaseException:  # noqa: BLE001 - the code of the user, which may raise anything
        return f"a {type_name(value)} {_UNREADABLE}"


def type_name(value: object) -> str:
    """Return the name of a value's type; its metaclass may hide it."""
    name: str = type.__dict__["__name__"].__get__(type(value))
    return name


def _described(error: BaseException, depth: int) -> str:
    name = type_name(error)
    try:
        text = str.__str__(str(error)).strip()[: 2 * _MAX_CHARS].partition("\n")[0].rstrip()
    except BaseException:  # noqa: BLE001 - the code of the user, which may raise anything
        return f"{name} {_UNREADABLE}"
    described = f"{name}: {text}" if text else name
    if isinstance(error, BaseExceptionGroup) and depth:
        first = BaseExceptionGroup.exceptions.__get__(error)[0]
        return f"{described}: {_described(first, depth - 1)}"
    return described


def truncate(text: str) -> str:
    """Return at most 1,000 characters of ``text``. A word that would be cut is omitted: it may be an API key."""
    return text if len(text) <= _MAX_CHARS else _LAST_WORD.sub("", text[: _MAX_CHARS - 1]) + "…"
