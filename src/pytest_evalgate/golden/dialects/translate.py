"""What a dialect is: the names by which its rows are known, and what becomes of each of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import LineProblem
from pytest_evalgate.golden.record import FIELDS, ParsedRow, parse_row
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_evalgate.records.results import Place

    Row = Mapping[str, Any]
    Read = Callable[[Any, Row], Mapping[str, Any]]


class TranslationError(ValueError):
    """A value that a dialect cannot be translated from; ``path`` is where in the value, as ``[2].type``."""

    def __init__(self, message: str, path: str = "") -> None:
        """Keep the place beside the message."""
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field of a dialect: the first of ``names`` that a row gives is read into canonical fields.

    ``into`` is the field that it is known by, ``read`` makes canonical fields of (value, row).
    """

    into: str
    names: tuple[str, ...]
    read: Read


@dataclass(frozen=True, slots=True)
class Dialect:
    """The rows of one tool.

    A row is one of them where it has a name of each set of ``needs`` and none of ``without``. Names in ``extras`` are
    kept in the metadata, as are those of a part that come after the one that was read. ``prepare`` rewrites a row
    before its parts are read.
    """

    name: str
    needs: tuple[frozenset[str], ...]
    without: frozenset[str]
    parts: tuple[FieldRule, ...]
    extras: frozenset[str] = frozenset()
    prepare: Callable[[Row], Row] | None = None

    def has_needed(self, names: frozenset[str]) -> bool:
        """Tell whether a row with these names has what this dialect needs."""
        return all(not wanted.isdisjoint(names) for wanted in self.needs)

    def allows(self, names: frozenset[str]) -> bool:
        """Tell whether nothing among these names belongs to another dialect."""
        return self.without.isdisjoint(names)

    def marker(self, names: frozenset[str]) -> str:
        """Return the name, of those that a row has, that tells most of this dialect."""
        return min(self.needs[-1] & names, default="")


def copy_field(into: str, *names: str) -> FieldRule:
    """Make the part whose value is the canonical field ``into`` as it is."""
    return FieldRule(into, names, lambda value, _: {into: value})


def read_field(into: str, *names: str, read: Callable[[Any], Mapping[str, Any]]) -> FieldRule:
    """Make a part whose value says everything, whatever else stands in its row."""
    return FieldRule(into, names, lambda value, _: read(value))


_HEAD: Final = re.compile(r"\w+")
_MERGED: Final = frozenset({"metadata", "vars"})


@dataclass(frozen=True, slots=True)
class TranslatedRow:
    """A row in the canonical record's terms: what became of it, and which name became which field."""

    parsed: ParsedRow
    mapping: tuple[tuple[str, str], ...]


def translate_row(row: Mapping[str, Any], place: Place, dialect: Dialect) -> TranslatedRow:
    """Turn a row of ``dialect`` into a case, or list everything that is wrong with it."""
    draft = _Draft(dict(row if dialect.prepare is None else dialect.prepare(row)))
    for part in dialect.parts:
        draft.read(part)
    draft.keep_rest(dialect)
    if draft.problems:
        problems = tuple(LineProblem(place.file, place.line, *fault) for fault in draft.problems)
        named = draft.fields.get("id") is not None and parse_row({"id": draft.fields["id"], "input": ""}, place).id
        return TranslatedRow(ParsedRow(named or None, None, problems), tuple(draft.mapping))
    parsed = parse_row(draft.fields, place)
    problems = tuple(replace(one, field=draft.original_name(one.field)) for one in parsed.problems)
    return TranslatedRow(replace(parsed, problems=problems), tuple(draft.mapping))


@dataclass(slots=True)
class _Draft:
    """A canonical row in the making; ``rest`` is what was not read yet."""

    rest: dict[str, Any]
    fields: dict[str, Any] = field(default_factory=dict)
    mapping: list[tuple[str, str]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    row: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.row = dict(self.rest)

    def read(self, part: FieldRule) -> None:
        """Read the first name of a part that has a value."""
        present = [name for name in part.names if name in self.rest]
        name = next((one for one in present if self.rest[one] is not None), None)
        for null in present:
            if self.rest[null] is None:
                del self.rest[null]
                self.fields.setdefault(part.into, None)
        if name is None:
            return
        try:
            made = part.read(self.rest.pop(name), self.row)
        except TranslationError as error:
            self.problems.append((f"{name}{error.path}", str(error)))
            return
        for into, value in made.items():
            self._put(into, value, name)

    def keep_rest(self, dialect: Dialect) -> None:
        """Keep what has a canonical name as it is; of the rest the dialect's own names are metadata."""
        theirs = dialect.extras.union(*(part.names for part in dialect.parts)) - FIELDS
        for name, value in sorted(self.rest.items(), key=lambda held: held[0] not in FIELDS):
            if name in theirs:
                self._put("metadata", None if value is None else {name: value}, name)
            elif name in FIELDS:
                self._put(name, value, name)
            else:
                self.fields.setdefault(name, value)

    def _put(self, into: str, value: Any, name: str) -> None:
        held = self.fields.get(into)
        if value is None:
            self.fields.setdefault(into, None)
            return
        if held is None:
            self.fields[into] = value
        elif into in _MERGED and isinstance(held, dict) and isinstance(value, dict) and held.keys().isdisjoint(value):
            self.fields[into] = {**held, **value}
        else:
            self.problems.append((jsonl.escape_text(name), f'says the same as "{self._name_of(into)}": keep one'))
            return
        self.mapping += [(name, into)] if name != into else []

    def original_name(self, place: str) -> str:
        """Name the place of a problem in a canonical field as the row does."""
        head = _HEAD.match(place)
        return place if head is None else self._name_of(head[0]) + place[head.end() :]

    def _name_of(self, into: str) -> str:
        return next((name for name, made in self.mapping if made == into), into)


def mapping_of(rows: Iterable[TranslatedRow]) -> tuple[tuple[str, str], ...]:
    """List which name became which field in any of the rows, each pair once, as (name, field)."""
    return tuple(dict.fromkeys(pair for row in rows for pair in row.mapping))


_ROLES: Final = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}
_PREFERRED: Final = ("answer", "output", "expected")


def read_input(value: Any) -> dict[str, Any]:
    """Read what is asked: messages where it is a list of them, variables where it is an object, else the input.

    An object with one key is the input, too; one with ``messages`` asks by them.
    """
    if isinstance(value, dict):
        return {"vars": value, **_from_variables(value)}
    return {"messages": _messages(value)} if _is_conversation(value) else {"input": value}


def read_alternatives(value: Any) -> dict[str, Any]:
    """Read what is wanted, where a list means that one of them will do."""
    return {"expected_any": value} if isinstance(value, list) else {"expected": value}


def reference(value: Any) -> dict[str, Any]:
    """Read the reference outputs: the only value, or the one that is named as the answer, else the whole object.

    Raises:
        Misread: they are no object, as recorded outputs may be, and reference outputs never are.

    """
    if not isinstance(value, dict):
        raise TranslationError(
            "may be what is wanted (langsmith, phoenix), which is an object there, or what was recorded (mlflow): "
            'name it "expected" or "output", and "inputs" "input"'
        )
    if len(value) == 1:
        return read_alternatives(next(iter(value.values())))
    return {"expected": next((value[name] for name in _PREFERRED if name in value), value)}


def refuse_ambiguous(_: Any) -> dict[str, Any]:
    """Refuse an output that two readings are true of.

    Raises:
        Misread: always.

    """
    raise TranslationError(
        'may be what is wanted (phoenix), or what was recorded (an "output" everywhere else): name it "expected", or '
        'name "external_id" "id"'
    )


def split(value: Any) -> dict[str, Any]:
    """Read the split; a list of one is that one."""
    return {"split": value[0] if isinstance(value, list) and len(value) == 1 else value}


def tags(value: Any) -> dict[str, Any]:
    """Read tags, where an object means ``key:value``.

    Raises:
        Misread: a value of it is no text.

    """
    if not isinstance(value, dict):
        return {"tags": value}
    for key, held in value.items():
        if not isinstance(held, str):
            raise TranslationError(f"must be a string, not {jsonl.canonical(held)[:60]}", f".{jsonl.escape_text(key)}")
    return {"tags": [f"{key}:{held}" for key, held in value.items()]}


def expectations(value: Any) -> dict[str, Any]:
    """Read mlflow's expectations; those that have no field here are kept in the metadata.

    Raises:
        Misread: they are no object.

    """
    if not isinstance(value, dict):
        raise TranslationError(f"must be an object, not {jsonl.canonical(value)[:60]}")
    rest = dict(value)
    found: dict[str, Any] = {"expected": rest.pop("expected_response", None)}
    if (guidelines := rest.pop("guidelines", None)) is not None:
        found["rubric"] = "\n".join(guidelines) if _are_texts(guidelines) else guidelines
    if (documents := rest.pop("expected_retrieved_context", None)) is not None:
        found["reference_context"] = [_document(one) for one in documents] if _is_list(documents) else documents
    return found | ({"metadata": rest} if rest else {})


def item(value: Any) -> dict[str, Any]:
    """Read the item of an OpenAI eval: its variables, but for the one that says what is wanted.

    Raises:
        Misread: it is no object.

    """
    if not isinstance(value, dict):
        raise TranslationError(f"must be an object, not {jsonl.canonical(value)[:60]}")
    wanted = next((name for name in EXPECTED_NAMES if value.get(name) is not None), None)
    if wanted is None:
        return read_input(value)
    return read_input({name: held for name, held in value.items() if name != wanted}) | read_alternatives(
        value[wanted]
    )


def sample(value: Any) -> dict[str, Any]:
    """Read the sample of an OpenAI eval: its text is the recorded output."""
    return {"output": value.get("output_text")} if isinstance(value, dict) else {"output": value}


EXPECTED_NAMES: Final = (
    *("expected", "expected_output", "expectedOutput", "target", "ideal", "reference", "reference_answer"),
    *("ground_truth", "answer", "expected_response"),
)
"""What other tools call the expected value; the first one that a row gives is meant."""


def _from_variables(value: dict[str, Any]) -> dict[str, Any]:
    if _is_conversation(value.get("messages")):
        return {
            "messages": _messages(value["messages"]),
            "vars": {key: held for key, held in value.items() if key != "messages"},
        }
    return read_input(next(iter(value.values()))) | {"vars": value} if len(value) == 1 else {}


def _is_conversation(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_role(message) is not None for message in value)


def _role(message: Any) -> str | None:
    if not isinstance(message, dict) or "content" not in message:
        return None
    role = message.get("role", _ROLES.get(str(message.get("type"))))
    return role if isinstance(role, str) else None


def _messages(value: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        message if "role" in message else {"role": _role(message), **{k: v for k, v in message.items() if k != "type"}}
        for message in value
    ]


def _document(value: Any) -> Any:
    return value.get("content") or value.get("doc_uri") if isinstance(value, dict) else value


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
