"""Code fences around a document in an output."""

from __future__ import annotations

import re
from typing import Final

_FENCED: Final = re.compile(r"\s*(`{3,}|~{3,})[^\n`]*\n(?P<inside>.*?)\n?[ \t]*\1\s*", re.DOTALL)


def without_fence(text: str) -> str:
    """Return the content of a fenced block if ``text`` is one and nothing else, otherwise ``text`` unchanged."""
    found = _FENCED.fullmatch(text)
    return text if found is None or found[1] in found["inside"] else found["inside"]
