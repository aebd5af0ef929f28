"""Comparison of texts and of JSON values, the same for every rule.

Two texts are the same if they are canonically equivalent (Unicode NFC). Line ends, kinds of spaces and invisible
characters do not matter. Other differences are reported with their code points, because they often look the same:
``14 days`` with a line feed, a Cyrillic letter, an en dash.

* CRLF, CR and U+2028 are a line feed; no-break, thin, narrow and wide spaces are a space; U+2010 and U+2011 are
  ``-``. Soft hyphens, zero width spaces, word joiners, byte order marks and direction marks are removed.
* A line feed, a tab or several spaces differ from one space, unless ``collapse_space = true``. Other dashes,
  typographic quotes, ligatures, full-width forms and letters of another script differ. Case differs, except for
  ``i...`` rules.
* A number, true or false equals the same value, or text that is its JSON: 30 and ``"30"``, 1 and ``"1.0"``; true is
  not 1. ``json-fields`` takes no text for them. ``contains``, ``starts-with`` and ``squad-...`` use their JSON text.
* An object or a list equals the same value, or text that is its JSON. ``contains``, ``starts-with`` and ``squad-...``
  refuse it: use ``contains-any`` or ``contains-all`` for a list, ``json-fields`` for an object.
* null equals only null, never a text; for ``json-fields``, the field is null.

Offsets in reasons count from 0. ``length`` counts the characters of NFC.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pytest_evalgate.text.jsonl import canonical, loads

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Json

# U+200C and U+200D are kept: they change words in Persian, and emoji
_INVISIBLE: Final = "\u00ad\u061c\u200b\u200e\u200f\u2060\ufeff"
_SPACES: Final = "\u00a0\u2000-\u200a\u202f\u205f\u3000"
_HYPHENS: Final = "\u2010\u2011"
_FORMS: Final = re.compile(f"\r\n?|\u2028|[{_INVISIBLE}]|[{_SPACES}]|[{_HYPHENS}]")
_DOTTED_I: Final = "i\u0307"  # the lower case of U+0130, which keeps the dot that every i has


_STACK: Final = re.compile("[\u0300-\u036f]{100,}+")  # sorting them takes quadratic time: 1 MB, minutes


def _nfc(text: str) -> str:
    return text if _STACK.search(text) else unicodedata.normalize("NFC", text)


def comparable(text: str) -> str:
    """Return ``text`` in the form in which texts are compared.

    That is NFC, with LF as line end, U+0020 for every kind of space, ``-`` for U+2010 and U+2011, and without soft
    hyphens, zero width spaces, byte order marks and direction marks.
    """
    if text.isascii():
        return text if "\r" not in text else text.replace("\r\n", "\n").replace("\r", "\n")
    return _FORMS.sub(_form, _nfc(text))


def folded(text: str) -> str:
    """Return ``text`` in the form in which texts are compared without regard to case."""
    if text.isascii():
        return comparable(text).casefold()
    return _nfc(comparable(text).casefold()).replace(_DOTTED_I, "i")


def collapsed(text: str) -> str:
    """Return ``text`` with one space for every sequence of white space, and none at its ends."""
    return " ".join(text.split())


def _form(found: re.Match[str]) -> str:
    one = found[0]
    if one[0] in "\r\u2028":
        return "\n"
    return "-" if one in _HYPHENS else "" if one in _INVISIBLE else " "


def json_equal(one: Json, other: Json) -> bool:
    """Return whether two JSON values are equal: 1 is 1.0, true is not 1, and the order of keys does not matter."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, str) and isinstance(other, str):
        return comparable(one) == comparable(other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        left, right = keyed(one), keyed(other)
        return left.keys() == right.keys() and all(json_equal(value, right[key]) for key, value in left.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(json_equal, one, other))
    return bool(one == other)


def keyed(value: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return an object with its keys in the form in which texts are compared, if that keeps them distinct."""
    normal = {comparable(key): member for key, member in value.items()}
    return normal if len(normal) == len(value) else value


def text_is_value(text: str, value: Json, *, ignore_case: bool = False) -> bool:
    """Return whether a text is the JSON of a value that is not text: ``"30"`` is 30, and ``"true"`` is true.

    No text is null. With ``ignore_case``, ``"True"`` is true.
    """
    if value is None:
        return False
    try:
        if not ignore_case:
            return json_equal(loads(comparable(text).strip()), value)
        spelled = json.dumps(json.loads(canonical(value)), ensure_ascii=False)
        return json_equal(loads(folded(text).strip()), loads(folded(spelled)))
    except (TypeError, ValueError):  # the text is not JSON, or the value is NaN or a Python object
        return False


_MOST_COMPARED: Final = 100_000  # characters in which a difference is searched: it takes 0.1 s
_FEW: Final = 2
_CONTROLS: Final = {"\n": "line feed", "\t": "tab", "\r": "carriage return"}
_LOOKS: Final = {
    **dict.fromkeys("\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4\u0060\u02bc", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u200c\u200d\ufe0e\ufe0f", ""),
    "\u2026": "...",
}


def difference(wanted: str, got: str, *, inside: bool = False) -> str:
    """Return the first character of ``got`` that differs from ``wanted``, if the two look the same; else nothing.

    With ``inside``, ``wanted`` is searched for in ``got``. The offset counts the characters of ``got`` in NFC.
    """
    if max(len(wanted), len(got)) > _MOST_COMPARED:
        return ""
    if not got.strip() and wanted.strip():  # the check before a run tries every case on an empty output
        return ""
    left, right = comparable(wanted), comparable(got)
    lead = 0
    if not inside and left.strip() != right.strip():
        lead = len(right) - len(right.lstrip())
        left, right = left.strip(), right.strip()
    start = _looks_alike_at(left, right, inside=inside)
    if start is None:
        return ""
    length = next((n for n, (a, b) in enumerate(zip(left, right[start:], strict=False)) if a != b), None)
    at = min(len(left), len(right) - start) if length is None else length
    here = right[start + at : start + at + 1]
    found = f"{_name(here)} at offset {_offset(got, lead + start + at)}" if here else "the end"
    return f"{found}, wanted {_name(left[at]) if at < len(left) else 'the end'}"


def _looks_alike_at(wanted: str, got: str, *, inside: bool) -> int | None:
    """Return the offset at which ``got`` looks like ``wanted`` but differs from it; None if there is none."""
    looks, origins = _look(got)
    want, _ = _look(wanted)
    if want and inside and (found := looks.find(want)) >= 0:
        return origins[found]
    if inside or wanted == got:
        return None
    if looks.strip() == want.strip():
        return 0
    differing = [pair for pair in zip(wanted, got, strict=False) if pair[0] != pair[1]]
    is_close = len(wanted) == len(got) and len(differing) <= _FEW and len(wanted) > len(differing)
    return 0 if is_close and any(not one.isascii() and one.isalpha() for pair in differing for one in pair) else None


def _look(text: str) -> tuple[str, list[int]]:
    """Return ``text`` with similar characters replaced by one, and the offset in ``text`` of each character."""
    looks: list[str] = []
    origins: list[int] = []
    for offset, character in enumerate(text):
        look = " " if character.isspace() else _LOOKS.get(character, unicodedata.normalize("NFKC", character))
        if look == " " and looks[-1:] == [" "]:
            continue
        looks += look
        origins += [offset] * len(look)
    return "".join(looks), origins


def _offset(text: str, position: int) -> int:
    """Return the offset in ``text`` of a character of ``comparable(text)``."""
    for found in _FORMS.finditer(_nfc(text)):
        if found.start() > position:
            break
        position += len(found[0]) - len(_form(found))
    return position


def _name(character: str) -> str:
    name = _CONTROLS.get(character) or unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" ({name.lower()})" if name else "")
