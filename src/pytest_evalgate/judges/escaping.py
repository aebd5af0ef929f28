"""Escaping of untrusted text for the prompt of a judge: no hidden characters, no control tokens, a bounded length."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_OUTPUT: Final = 16_000
"""Largest number of characters of an output in a prompt."""

_OMITTED: Final = "\n[... {:,} characters omitted ...]\n"
_MAX_OMITTED: Final = len(_OMITTED.format(10**12))
_HEAD: Final = 0.75  # share of the kept characters that come from the start

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_WHITE: Final = str.maketrans("", "", "\n\r\t")
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0d\uffa0\U000e0100-\U000e01ef]"
)
"""Letters, marks and symbols without a visible glyph. U+FE0E and U+FE0F are not included: emoji need them."""

_CHAT_TOKEN: Final = re.compile(
    r"""<(?=[|\uff5c][^<>\n]{1,40}[|\uff5c]>)                  # <|im_end|> and similar, also with full-width bars
      | <(?=/?(?:s|bos|eos|pad|unk|mask|think)>)
      | <(?=(?:start|end)_of_turn>)
      | <(?=/?tool_(?:call|response|result|output)s?>)
      | <(?=</?SYS>>)
      | \[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\])""",
    re.IGNORECASE | re.VERBOSE,
)


def escape_for_judge(text: str, limit: int = MAX_OUTPUT) -> str:
    """Return ``text`` escaped for a judge and truncated to ``limit`` characters (100 or more).

    Control, format, bidirectional, tag and blank characters are written as ``⟨U+200B⟩``; line ends and tabs are kept.
    A dot is inserted into anything that a chat template would tokenise as a control token: ``<·|im_end|>``. Of a
    longer text the head and the tail are kept, with the number of omitted characters between them.
    """
    omitted = max(len(text) - 2 * limit, 0)
    if omitted:  # escape only what can be kept: the text may have millions of characters
        text = text[:limit] + text[-limit:]
    escaped = _escape(text)
    if not omitted and len(escaped) <= limit:
        return escaped
    room = limit - _MAX_OMITTED
    head = int(room * _HEAD)
    return f"{escaped[:head]}{_OMITTED.format(len(escaped) - room + omitted)}{escaped[head - room :]}"


def _escape(text: str) -> str:
    text = _BLANK.sub(lambda found: _code_point(found[0]), text)
    if not text.translate(_WHITE).isprintable():
        hidden = {char for char in set(text) if unicodedata.category(char) in _HIDDEN} - {"\n", "\r", "\t"}
        text = text.translate({ord(char): _code_point(char) for char in hidden})
    return _CHAT_TOKEN.sub(lambda found: f"{found[0]}·", text)


def _code_point(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"
