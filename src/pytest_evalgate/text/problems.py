"""Plain messages for the problems that pydantic finds in configurations, rows, rubrics and stored files.

This is the one module that reads pydantic's errors; `text.syntax` does the same for the parsers of TOML and JSON. A
message names the value and what to write instead. It contains no value that may be a key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.escape import escape_hidden
from pytest_evalgate.text.redaction import MASK, looks_like_key, mask_keys
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

Place = tuple[int | str, ...]
"""The keys and indices that lead to a value, as the file has them."""

Advice = Callable[[Place], str]
"""A function from the place of a key to a text that is appended to the message about it; the text may be empty."""

Language = Literal["toml", "json"]

UNQUOTED: Final = "unquoted"
"""Type of the errors of our own validators whose message must not quote the value."""

SECRET_KEYS: Final = re.compile(
    r"key|secret|password|credential|authorization|headers|(?<!max_)token(?!s_per)", re.IGNORECASE
)
"""Names of keys whose values are never quoted."""


class InvalidKey(ValueError):  # noqa: N818 - pydantic turns it into an error of the table
    """A problem of one key that the check of its whole table found; ``place`` leads from the table to the key."""

    def __init__(self, place: Place, message: str) -> None:
        """Store the place and the message."""
        self.place = place
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem: the place of the value, and the message about it."""

    place: Place
    message: str

    @property
    def key(self) -> str:
        """The place as text, safe to print: ``suites.faq.gates[0].min``."""
        return mask_keys(jsonl.escape_text(join_place(self.place), 200))

    def __str__(self) -> str:
        """Render as ``key: message``; a problem of the whole has no key."""
        return f"{self.key}: {self.message}" if self.place else self.message


def join_place(place: Place) -> str:
    """Return keys and indices as one key: ``suites.faq.gates[0].min``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def format_value(value: object, language: Language = "toml") -> str:
    """Return a value of a file as TOML and JSON have it, truncated: ``"85%"``, ``true``, ``a list``."""
    if isinstance(value, str):
        return jsonl.quote_text(_CREDENTIALS.sub(f"//{MASK}@", value))
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float):
        return repr(value) if isinstance(value, float) or abs(value) < _LONG else "a very large number"
    if isinstance(value, Mapping):
        filled = "a table" if language == "toml" else "an object"
        return filled if value else f"an empty {filled.split()[1]}"
    if isinstance(value, Sequence):
        return "a list" if value else "an empty list"
    return jsonl.escape_text(str(value), 80)  # a date of TOML


_LONG: Final = 10**15
_CREDENTIALS: Final = re.compile(r"//[^/@\s]*@")
"""User name and password in a URL. Such URLs are refused, and the message must not print them."""


def explain(
    error: ValidationError,
    data: object,
    *,
    language: Language = "toml",
    unknown: Advice | None = None,
    missing: Advice | None = None,
) -> list[Problem]:
    """Return the problems that pydantic found in ``data``, in its order, one for each place.

    Args:
        error: The error of the validation.
        data: What was validated; None if it is not known. pydantic also puts members of unions into a place; steps
            that do not exist in the data are left out.
        language: Language of the file, for the names of its types.
        unknown: Returns the text after the message about an unknown key, such as a suggestion.
        missing: Returns the text after the message about a missing key or an empty value, such as an example.
    """
    found: dict[Place, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        own = detail.get("ctx", {}).get("error")
        place = (*_place(detail, data), *own.place) if isinstance(own, InvalidKey) else _place(detail, data)
        found.setdefault(place, []).append(detail)
    words = _Words(language, unknown, missing)
    return [
        Problem(place, escape_hidden(_masked(words.message(place, details), details[0]["input"])))
        for place, details in found.items()
        if not (_of_kind(details) and any(other[: len(place)] == place != other for other in found))
    ]


def first_problem(error: ValidationError, data: object) -> str:
    """Return the first problem of a stored file. Such files are written by programs, so it has no remedy."""
    problem = explain(error, data, language="json")[0]
    return str(Problem(problem.place, problem.message.partition(": write ")[0]))


def _place(detail: ErrorDetails, data: object) -> Place:
    """Return the steps of a location that exist in the data, and the last one if it names a missing key."""
    place: list[int | str] = []
    loc = detail["loc"]
    if data is None:
        return loc
    for step in loc[:-1] if detail["type"] in _MISSING else loc:
        inner = _step(data, step)
        if inner is not _NONE:
            place.append(step)
            data = inner
    return (*place, loc[-1]) if detail["type"] in _MISSING else tuple(place)


def _step(data: object, step: int | str) -> object:
    if isinstance(data, Mapping):
        return data.get(step, _NONE)
    if isinstance(step, int) and isinstance(data, Sequence) and not isinstance(data, str) and step < len(data):
        return data[step]
    return _NONE


_NONE: Final = object()


def _of_kind(details: Iterable[ErrorDetails]) -> bool:
    """Return whether a value is of a wrong type. A union reports this for each of its kinds, beside other problems."""
    return all(detail["type"] in _KINDS for detail in details)


_MISSING: Final = frozenset({"missing", "missing_argument", "missing_keyword_only_argument"})
_UNKNOWN: Final = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
_KINDS: Final = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dataclass_type": "a table",
    "dict_type": "a table",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_type": "a whole number",
    "is_instance_of": "a list",  # of an annotation such as Sequence
    "list_type": "a list",
    "mapping_type": "a table",
    "model_attributes_type": "a table",
    "model_type": "a table",
    "sequence_str": "a list",
    "string_type": "a text in quotes",
    "tuple_type": "a list",
}
"""What a value must be, by the type of the error."""
_JSON_WORDS: Final = {"a text in quotes": "a string", "a table": "an object"}
_BOUNDS: Final = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
    "multiple_of": ("multiple_of", "a multiple of"),
}


@dataclass(frozen=True, slots=True)
class _Words:
    """The messages of one language, with the advice of the caller."""

    language: Language
    unknown: Advice | None
    missing: Advice | None

    def message(self, place: Place, details: Sequence[ErrorDetails]) -> str:  # noqa: PLR0911 - one for each kind
        """Return the message about one value. A union reports problems of several of its kinds."""
        detail = details[0]
        if _of_kind(details):
            wanted = " or ".join(dict.fromkeys(self._kind(one["type"]) for one in details))
            return f"must be {wanted}{self._not(place, detail['input'])}{_remedy(place, wanted, detail['input'])}"
        detail = next(one for one in details if one["type"] not in _KINDS)
        kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
        if kind in _MISSING:
            return f"this key is missing{self._about_missing(place)}"
        if kind in _UNKNOWN:
            return f"unknown key{self.unknown(place) if self.unknown else ''}"
        if kind in ("value_error", "assertion_error"):
            own = str(context["error"])
            return own if format_value(value, self.language) in own else f"{own}{self._got(place, value)}"
        if kind == "union_tag_invalid":
            tag = context["discriminator"].strip("'")
            return f"{tag} {self._choice(place, value[tag], context['expected_tags'])}"
        if kind in ("literal_error", "enum"):
            return self._choice(place, value, context["expected"])
        if kind in _BOUNDS:
            name, words = _BOUNDS[kind]
            limit = context[name]
            return f"must be {words} {limit:g}{self._not(place, value)}{_share_remedy(value, limit)}"
        if kind in ("too_short", "string_too_short"):
            least = context["min_length"]
            return f"{'must not be empty' if least == 1 else f'needs at least {least}'}{self._about_missing(place)}"
        if kind in ("too_long", "string_too_long"):
            return f"too long: at most {context['max_length']}"
        return detail["msg"] if kind == UNQUOTED else f"this value cannot be used here{self._got(place, value)}"

    def _kind(self, kind: str) -> str:
        words = _KINDS[kind]
        return _JSON_WORDS.get(words, words) if self.language == "json" else words

    def _about_missing(self, place: Place) -> str:
        return self.missing(place) if self.missing else ""

    def _not(self, place: Place, value: object) -> str:
        return "" if _is_secret(place, value) else f", not {format_value(value, self.language)}"

    def _got(self, place: Place, value: object) -> str:
        """Return the value for a message that may already contain it; tables, lists and defaults are left out."""
        left_out = value is None or isinstance(value, Mapping | list | tuple) or _is_secret(place, value)
        return "" if left_out else f" (got {format_value(value)})"

    def _choice(self, place: Place, value: object, expected: str) -> str:
        known = re.findall(r"'([^']*)'", expected)
        return f"must be {_either(known) if known else expected}{self._not(place, value)}{_near(value, known)}"


def _masked(message: str, value: object) -> str:
    """Return a message without keys, and without the user names and passwords of URLs."""
    for found in _CREDENTIALS.findall(value) if isinstance(value, str) else ():
        message = message.replace(found[2:-1], MASK)
    return mask_keys(_CREDENTIALS.sub(f"//{MASK}@", message))


def _is_secret(place: Place, value: object) -> bool:
    return any(isinstance(step, str) and SECRET_KEYS.search(step) for step in place) or (
        isinstance(value, str) and looks_like_key(value)
    )


def _either(known: Sequence[str]) -> str:
    *others, last = map(format_value, known)
    return f"{', '.join(others)} or {last}" if others else last


def _near(value: object, known: Iterable[str]) -> str:
    return did_you_mean(value.strip().lower(), known) if isinstance(value, str) else ""


_NUMBER: Final = re.compile(r"\s*(-?\d{1,9}(?:[.,]\d{1,9})?)\s*(%?)\s*")
_WORDS: Final = dict.fromkeys(("true", "yes", "on", "1"), "true") | dict.fromkeys(("false", "no", "off", "0"), "false")


_SHORT: Final = 60  # characters; a longer value is truncated in messages


def _remedy(place: Place, wanted: str, value: Any) -> str:
    """Return the value as it must be written, if its meaning is clear."""
    if _is_secret(place, value):
        return ""
    if "number" in wanted and isinstance(value, str) and (found := _NUMBER.fullmatch(value)):
        number = float(found[1].replace(",", "."))
        is_whole = "whole" in wanted and number.is_integer()
        return f": write {int(number)}" if is_whole else f": write {number / 100 if found[2] else number:g}"
    if wanted == "true or false" and (word := _WORDS.get(str(value).strip().lower())):
        return f": write {word}"
    if wanted.startswith("a text in quotes") and isinstance(value, bool | int | float):
        return f': write "{format_value(value)}"'
    if wanted == "a list" and isinstance(value, str) and len(value) < _SHORT:
        members = map(format_value, re.split(r"\s*,\s*", value))
        return f": write [{', '.join(members)}]"
    return ""


def _share_remedy(value: Any, limit: Any) -> str:
    """Return the remedy for a percentage in place of a share: 85 is 0.85."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    if value < 0:
        return f": write {-value:g}" if limit == 0 and -value < 1 else ""
    if 1 <= value <= 100 and limit <= 1 and value / 100 < limit:  # noqa: PLR2004 - percent
        return f": write {value / 100:g} for {value:g}%"
    return ""
