"""Plain messages for what the parsers of TOML and JSON refuse: the line, the common mistake, and what to write."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.text import foreign
from pytest_evalgate.text.redaction import looks_like_key, mask_keys

if TYPE_CHECKING:
    import json
    from collections.abc import Iterator


class InvalidToml(ValueError):  # noqa: N818 - callers turn it into an error of theirs
    """A file that is not TOML: its line, 0 if it is not known, and the message."""

    def __init__(self, line: int, message: str) -> None:
        """Store the line and the message."""
        self.line = line
        super().__init__(message)

    def at(self, name: str) -> str:
        """Return the message with its place: ``evalgate.toml:12: message``."""
        return f"{name}:{self.line}: {self}" if self.line else f"{name}: {self}"


def parse_toml(content: bytes) -> dict[str, Any]:
    """Parse TOML in UTF-8.

    Raises:
        InvalidToml: It is something else.
    """
    try:
        text = content.decode("utf-8-sig")
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = foreign.name_foreign(content) or f"not UTF-8: byte {content[error.start]:02x}; save as UTF-8"
        raise InvalidToml(0 if foreign.name_foreign(content) else line, message) from None
    except tomllib.TOMLDecodeError as error:
        if named := foreign.name_foreign(content):
            raise InvalidToml(0, named) from None
        lines = text.replace("\r\n", "\n").split("\n")
        found = _PLACE.search(str(error))
        number = int(found[1]) if found else _last_filled(lines)
        reason = _PLACE.sub("", str(error))
        raise InvalidToml(number, f"not TOML: {_toml_mistake(lines, number, reason)}") from None
    except RecursionError:
        raise InvalidToml(0, "not TOML: nested too deep") from None


_AT_END: Final = " (at end of document)"
_CUT_OFF: Final = re.compile("Invalid value|Unclosed|Expected|Unterminated|Invalid initial")
_PLACE: Final = re.compile(r" \(at line (\d+), column \d+\)")


def _last_filled(lines: list[str]) -> int:
    return max((number for number, line in enumerate(lines, 1) if line.strip()), default=1)


def _toml_mistake(lines: list[str], number: int, reason: str) -> str:
    """Return the mistake on a line: recognised by the line itself, else by the parser's reason."""
    line = lines[number - 1].split(" #")[0].strip() if number <= len(lines) else ""
    if reason.startswith("Invalid value") and (without := _NO_VALUE.fullmatch(line)):
        return f"{without[1]}: the value is missing"
    if _CUT_OFF.match(reason) and reason.endswith(_AT_END):
        return "the text ends inside of a value: a bracket or a quote is not closed"
    return next(_mistakes_of(line), None) or next(
        (words for pattern, words in _REASONS.items() if re.match(pattern, reason)), "this line cannot be read"
    )


_KEY_AND_VALUE: Final = re.compile(r"(?:^|[{,]\s*)([\w.\"-]+)\s*=\s*([^\s,}\]\"'\[{][^,}\]]*)")
_NO_VALUE: Final = re.compile(r"([\w.-]+)\s*=")
_COLON: Final = re.compile(r"([A-Za-z_][\w.-]*)\s*:\s*(\S.*)?")
_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")
_TOML_VALUE: Final = re.compile(r"true|false|[+-]?(?:inf|nan)|[+-]?\d[\d_.:eExobTZ+-]*")
_LOOSE_NUMBER: Final = re.compile(r"-?(?:\d{0,5}\.\d{1,5}|\d{1,5}\.?)")
"""Numbers of other languages, such as ``.5``, ``1.`` and ``05``; the strict ones are numbers of TOML."""
_STRICT_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")
_OTHER_WORDS: Final = {"True": "true", "False": "false", "None": "", "null": "", "yes": "true", "no": "false"}


def _mistakes_of(line: str) -> Iterator[str]:
    if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        yield foreign.CONFLICT
    if line.startswith("//"):
        yield "comments begin with #, not //"
    if (colon := _COLON.fullmatch(line)) and "=" not in line.partition(":")[0]:
        yield f"write {colon[1]} = ... instead of {colon[1]}: ..."
    for key, value in _KEY_AND_VALUE.findall(line):
        text = value.strip()
        if percent := _PERCENT.fullmatch(text):
            yield f"{key}: write {float(percent[1]) / 100:g} instead of {text}"
        elif text in _OTHER_WORDS:
            word = _OTHER_WORDS[text]
            yield f"{key}: write {word} instead of {text}" if word else f"{key}: TOML has no {text}: remove the key"
        elif _LOOSE_NUMBER.fullmatch(text) and not _STRICT_NUMBER.fullmatch(text):
            yield f"{key}: write {float(text):g} instead of {text}"
        elif text.startswith(("\u201c", "\u201d", "\u201e", "\u2018", "\u2019")):
            yield f'{key}: typographic quotes; use "'
        elif not _TOML_VALUE.fullmatch(text) and re.match(r"[A-Za-z./\\]", text):
            yield f"{key}: put the text in quotes" + ("" if _may_be_key(key, text) else f': {key} = "{text}"')


def _may_be_key(key: str, text: str) -> bool:
    return looks_like_key(text) or mask_keys(text) != text or bool(re.search("key|secret|token|password", key))


_REASONS: Final = {
    "Unclosed array": "a list is not closed: add ]",
    "Unclosed inline table": "a table in braces must be closed with } on the line where it begins",
    "Unterminated string|Expected .*quote": "a text is not closed: add the second quote",
    r"Illegal character '\\n'": "a text is not closed: add the second quote on the same line",
    "Illegal character|Found invalid character": "an invisible character that TOML does not allow: remove it",
    'Expected "=" after a key': 'write key = "value"',
    r"Expected '=' after a key": 'write key = "value"',
    "Expected newline or end of document": "there is text after the end of the value: one key a line, text in quotes",
    "Cannot overwrite a value|Duplicate inline table key": "this key is there twice: remove one",
    "Cannot declare": "this table is there twice: put all its keys under one [header]",
    "Cannot mutate immutable namespace|Cannot redefine namespace": (
        "this table was already written in braces { }: add the key there"
    ),
    "Invalid value": "the value is missing or misspelt: write text in quotes, numbers as 0.85, true or false",
    "Invalid statement": 'neither a [table] nor key = "value"',
    "Invalid initial character for a key part": "a key consists of letters, digits, - and _; put others in quotes",
    r"Expected '\]' at the end of a table declaration": "the [table] header is not closed: add ]",
    r"Expected ']]' at the end of an array declaration": "the [[table]] header is not closed: add ]]",
    r"Unescaped '\\'": "a backslash in double quotes begins an escape: use single quotes, such as '\\d+'",
    "Escaped character is not|Invalid hex value": "a wrong \\u escape in double quotes: use single quotes",
    "Invalid date or datetime": "a wrong date: put it in quotes",
}
"""Mistakes by the message of ``tomllib``, as a pattern: the messages differ a little between Python versions."""


def describe_json_error(error: json.JSONDecodeError) -> str:
    """Return what is wrong with a JSON text and where. The parser's messages differ between Python versions."""
    place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}, column {error.colno}"
    text, here = error.doc, error.doc[error.pos : error.pos + 1]
    after_comma = here in ("}", "]") and text[: error.pos].rstrip().endswith(",")
    if re.match(r",\s*[}\]]", text[error.pos :]) or after_comma:
        return f"not JSON at {place}: trailing comma; remove it"
    rest = text[error.pos :]
    words = next((words for pattern, words in _JSON_MISTAKES.items() if re.match(pattern, rest)), None)
    return f"not JSON at {place}: {words or _JSON_REASONS.get(error.msg, error.msg)}"


_JSON_MISTAKES: Final = {
    "'": "single quotes; use double quotes",
    "\ufeff": "byte order mark inside the file; remove it",
    r"\Z": "the text ends too early",
    "True|False": "write true or false, in lower case",
    "None|undefined": "write null",
    "//|/\\*|#": "JSON has no comments; remove it",
    "[\u201c\u201d]": 'typographic quotes; use "',
}
_JSON_REASONS: Final = {
    "Expecting ',' delimiter": "a comma or a closing bracket is missing here",
    "Expecting ':' delimiter": "a colon after the name is missing here",
    "Expecting property name enclosed in double quotes": "write the name in double quotes",
    "Illegal trailing comma before end of object": "trailing comma; remove it",
    "Illegal trailing comma before end of array": "trailing comma; remove it",
    "Expecting value": "a value is missing or not in quotes here",
    "Extra data": "there is text after the end of the value: one value a line",
    "Invalid control character at": "a control character inside of a string: write a line end as \\n and a tab as \\t",
    "Unterminated string starting at": "a string is not closed: add the second quote",
    "Invalid \\escape": "a backslash that begins no escape: write two",
    "Invalid \\uXXXX escape": "a wrong \\u escape",
}
