"""JSON within an HTML page: a browser ends a script at ``</script``, whatever the JSON around it means."""

from __future__ import annotations

from typing import Final

_ESCAPED: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""What could end or open something in HTML, or a line in a script: only strings hold it, so JSON stays as it is."""


def inert(text: str) -> str:
    """Return JSON that means the same and can stand in a page."""
    for char, escape in _ESCAPED.items():
        text = text.replace(char, escape)
    return text
