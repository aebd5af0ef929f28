"""The output that a judge is shown: nothing in it is hidden, read as a turn of the chat, or longer than it may be."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_evalgate.data import Json

MOST: Final = 16_000
"""Characters of an output that a judge reads."""

_MARKER: Final = "\n[... {:,} characters left out here ...]\n"
_LONGEST_MARKER: Final = len(_MARKER.format(10**12))
_HEAD: Final = 0.75

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_PLAIN: Final = str.maketrans("", "", "\n\r\t")
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0d\uffa0\U000e0100-\U000e01ef]"
)
"""Letters, marks and symbols that show nothing. The two selectors that emoji need stay."""

_CHAT_TOKEN: Final = re.compile(
    r"""<(?=[|\uff5c][^<>\n]{1,40}[|\uff5c]>)                  # <|im_end|> and its kin, with wide bars too
      | <(?=/?(?:s|bos|eos|pad|unk|mask|think)>)
      | <(?=(?:start|end)_of_turn>)
      | <(?=/?tool_(?:call|response|result|output)s?>)
      | <(?=</?SYS>>)
      | \[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\])""",
    re.IGNORECASE | re.VERBOSE,
)


def text_of(value: Json) -> str:
    """Return an output, or another value, as text: itself where it is text, else JSON with its keys sorted.

    Raises:
        ValueError: it holds NaN or an infinity.
        TypeError: it holds what JSON cannot.

    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True)


def visible(text: str, most: int = MOST) -> str:
    """Return ``text`` as a judge may read it, in at most ``most`` characters (100 or more).

    Control, format, bidirectional and tag characters, and others that show nothing, are written as ``⟨U+200B⟩``; line
    ends and tabs stay. A dot breaks what a chat template would take for a token of its own: ``<·|im_end|>``. Of a
    longer text the head and the tail are kept, with a marker that says how many characters are left out.
    """
    if len(text) <= 2 * most:
        shown = _shown(text)
        return shown if len(shown) <= most else _cut(shown, 0, most)
    return _cut(_shown(text[:most] + text[-most:]), len(text) - 2 * most, most)


def _shown(text: str) -> str:
    text = _BLANK.sub(lambda found: _named(found[0]), text)
    if not text.translate(_PLAIN).isprintable():
        text = "".join(map(_unhidden, text))
    return _CHAT_TOKEN.sub(lambda found: f"{found[0]}·", text)


def _unhidden(character: str) -> str:
    hidden = unicodedata.category(character) in _HIDDEN and character not in "\n\r\t"
    return _named(character) if hidden else character


def _named(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


def _cut(shown: str, gone: int, most: int) -> str:
    """Keep head and tail of ``shown``, from the middle of which ``gone`` characters are gone already."""
    room = most - _LONGEST_MARKER
    head = int(room * _HEAD)
    tail = room - head
    return f"{shown[:head]}{_MARKER.format(len(shown) - room + gone)}{shown[-tail:]}"
