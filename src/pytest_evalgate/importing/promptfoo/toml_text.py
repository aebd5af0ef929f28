"""Values as TOML, in the form that people write: short keys bare, tables inline, texts in double quotes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
WIDTH: Final = 110


def key_text(key: str) -> str:
    """Return a key, in quotes if it is not bare."""
    return key if _BARE.fullmatch(key) else _string(key)


def value_text(value: Any) -> str:
    """Return a value on one line.

    Raises:
        TypeError: TOML has no such value, such as null.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        members = ", ".join(
            f"{key_text(key)} = {value_text(member)}" for key, member in value.items() if member is not None
        )
        return f"{{ {members} }}" if members else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(value_text(member) for member in value)}]"
    raise TypeError(f"TOML has no {type(value).__name__}")


def _string(text: str) -> str:
    # JSON's escapes are TOML's, apart from DEL and pairs for characters beyond U+FFFF, which are written as they are
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def pair_text(key: str, value: Any) -> str:
    """Return ``key = value``; a long list has one member a line."""
    whole = f"{key_text(key)} = {value_text(value)}"
    if len(whole) <= WIDTH or not isinstance(value, list | tuple) or not value:
        return whole
    return "\n".join([f"{key_text(key)} = [", *(f"  {value_text(member)}," for member in value), "]"])


def table_text(name: str, values: Mapping[str, Any]) -> str:
    """Return a table with its header."""
    return "\n".join([f"[{name}]", *(pair_text(key, value) for key, value in values.items() if value is not None)])
