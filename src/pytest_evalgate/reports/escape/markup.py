"""XML 1.0: it holds no control characters, not even as references, and no half characters."""

from __future__ import annotations

import re
from typing import Final
from xml.sax.saxutils import escape

from pytest_evalgate.reports.escape.visible import lines_of

_NEVER: Final = re.compile("[\ufffe\uffff]")
_IN_ATTRIBUTES: Final = str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})


def xml_text(text: str) -> str:
    r"""Return ``text`` as the content of an element; what XML cannot hold is shown as its escape (``\x00``)."""
    return escape(_NEVER.sub(lambda found: f"\\u{ord(found[0]):04x}", lines_of(text)))


def xml_attribute(text: str) -> str:
    """Return ``text`` as an attribute's value with its quotes; line ends and tabs are kept."""
    return f'"{xml_text(text).translate(_IN_ATTRIBUTES)}"'
