"""Translation of the rows of a dialect to canonical rows, field by field."""

from __future__ import annotations

import re
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import LineProblem
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.record import FIELDS, ParsedRow, parse_row
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_evalgate.records.cases import Place

    Row = Mapping[str, Any]
    Read = Callable[[Any, Row], Mapping[str, Any]]


class TranslationError(ValueError):
    """A value without a canonical equivalent; ``path`` is its place in the field, such as ``[2].type``."""

    def __init__(self, message: str, path: str = "") -> None:
        """Store the path with the message."""
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, slots=True)
class FieldRule:
    """The translation of one field: ``read`` turns (value, row) into canonical fields.

    The value is that of the first of ``names`` that is in the row. ``into`` is the main canonical field.
    """

    into: str
    names: tuple[str, ...]
    read: Read


@dataclass(frozen=True, slots=True)
class Dialect:
    """The row format of one tool.

    A row of the dialect has a name of each set in ``needs`` and none of ``without``. Fields in ``extras`` go into the
    metadata, as do the other names of a rule whose value was already read. ``prepare`` rewrites a row before the rules
    apply.
    """

    name: str
    needs: tuple[frozenset[str], ...]
    without: frozenset[str]
    rules: tuple[FieldRule, ...]
    extras: frozenset[str] = frozenset()
    prepare: Callable[[Row], Row] | None = None

    def has_needed(self, names: frozenset[str]) -> bool:
        """Return whether ``names`` contains a name of each set in ``needs``."""
        return all(not wanted.isdisjoint(names) for wanted in self.needs)

    def allows(self, names: frozenset[str]) -> bool:
        """Return whether ``names`` contains no name of ``without``."""
        return self.without.isdisjoint(names)

    def marker(self, names: frozenset[str]) -> str:
        """Return the name that is most typical of this dialect, among those of a row."""
        return min(self.needs[-1] & names, default="")


def copy_field(into: str, *names: str) -> FieldRule:
    """Return the rule that copies a value to the canonical field ``into``."""
    return FieldRule(into, names, lambda value, _: {into: value})


def read_field(into: str, *names: str, read: Callable[[Any], Mapping[str, Any]]) -> FieldRule:
    """Return a rule that needs the value alone, not the rest of the row."""
    return FieldRule(into, names, lambda value, _: read(value))


@dataclass(frozen=True, slots=True)
class TranslatedRow:
    """A translated and parsed row, with (name, field) for each renamed field."""

    parsed: ParsedRow
    mapping: tuple[tuple[str, str], ...]


def translate_row(row: Mapping[str, Any], place: Place, dialect: Dialect) -> TranslatedRow:
    """Turn a row of ``dialect`` into a case, or list all of its problems."""
    draft = _Draft(dict(row if dialect.prepare is None else dialect.prepare(row)))
    for rule in dialect.rules:
        draft.apply(rule)
    draft.copy_rest(dialect)
    if draft.problems:
        problems = tuple(LineProblem(place.file, place.line, *problem) for problem in draft.problems)
        case_id = None
        if draft.fields.get("id") is not None:  # a valid id is needed to find duplicates
            case_id = parse_row({"id": draft.fields["id"], "input": ""}, place).id
        return TranslatedRow(ParsedRow(case_id, None, problems), tuple(draft.mapping))
    parsed = parse_row(draft.fields, place)
    problems = tuple(replace(problem, field=draft.original_name(problem.field)) for problem in parsed.problems)
    return TranslatedRow(replace(parsed, problems=problems), tuple(draft.mapping))


def mapping_of(rows: Iterable[TranslatedRow]) -> tuple[tuple[str, str], ...]:
    """Return the distinct (name, field) pairs of all rows."""
    return tuple(dict.fromkeys(pair for row in rows for pair in row.mapping))


_HEAD: Final = re.compile(r"\w+")
_MERGED: Final = frozenset({"metadata", "vars"})


@dataclass(slots=True)
class _Draft:
    """A canonical row under construction; ``rest`` contains the fields that no rule has read yet."""

    rest: dict[str, Any]
    fields: dict[str, Any] = field(default_factory=dict)
    mapping: list[tuple[str, str]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    row: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.row = dict(self.rest)

    def apply(self, rule: FieldRule) -> None:
        """Read the first name of a rule that has a value."""
        present = [name for name in rule.names if name in self.rest]
        for null in [name for name in present if self.rest[name] is None]:
            del self.rest[null]
            self.fields.setdefault(rule.into, None)
        name = next((name for name in present if name in self.rest), None)
        if name is None:
            return
        try:
            made = rule.read(self.rest.pop(name), self.row)
        except TranslationError as error:
            self.problems.append((f"{name}{error.path}", str(error)))
            return
        for into, value in made.items():
            self._put(into, value, name)

    def copy_rest(self, dialect: Dialect) -> None:
        """Copy the canonical fields that are left; other names of the dialect go into the metadata."""
        foreign = dialect.extras.union(*(rule.names for rule in dialect.rules)) - FIELDS
        for name, value in sorted(self.rest.items(), key=lambda item: item[0] not in FIELDS):
            if name in foreign:
                self._put("metadata", None if value is None else {name: value}, name)
            elif name in FIELDS:
                self._put(name, value, name)
            else:
                self.fields.setdefault(name, value)

    def _put(self, into: str, value: Any, name: str) -> None:
        present = self.fields.get(into)
        if value is None:
            self.fields.setdefault(into, None)
            return
        if present is None:
            self.fields[into] = value
        elif (
            into in _MERGED
            and isinstance(present, dict)
            and isinstance(value, dict)
            and present.keys().isdisjoint(value)
        ):
            self.fields[into] = {**present, **value}
        else:
            self.problems.append((jsonl.escape_text(name), f'means the same as "{self._name_of(into)}": keep one'))
            return
        self.mapping += [(name, into)] if name != into else []

    def original_name(self, place: str) -> str:
        """Replace the canonical field at the start of ``place`` by the name that it has in the row."""
        head = _HEAD.match(place)
        return place if head is None else self._name_of(head[0]) + place[head.end() :]

    def _name_of(self, into: str) -> str:
        return next((name for name, made in self.mapping if made == into), into)


EXPECTED_NAMES: Final = (
    *("expected", "expected_output", "expectedOutput", "target", "ideal", "reference", "reference_answer"),
    *("ground_truth", "answer", "expected_response"),
)
"""Names of the expected value in other tools, in order of precedence."""

_ROLES: Final = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}
_PREFERRED: Final = ("answer", "output", "expected")


def read_input(value: Any) -> dict[str, Any]:
    """Read a question: a list of messages becomes messages, an object variables, anything else the input.

    The value of an object with one key is the input as well, and ``messages`` in an object become messages.
    """
    if not isinstance(value, dict):
        return {"messages": _messages(value)} if _is_conversation(value) else {"input": value}
    if _is_conversation(value.get("messages")):
        others = {key: member for key, member in value.items() if key != "messages"}
        return {"vars": others, "messages": _messages(value["messages"])}
    inner = read_input(next(iter(value.values()))) if len(value) == 1 else {}
    return {"vars": value} | inner | {"vars": value}  # "vars" first: the order of the mapping that lint prints


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


_IN_MESSAGES: Final = ("role", "content", "name")


def read_turns(value: Any, _: Row) -> dict[str, Any]:
    """Read the turns of a conversation: the messages up to the last one of the user, and the reply as the output.

    Raises:
        TranslationError: A turn has no role or content, or no turn is one of the user.
    """
    if not value:
        return {}
    if not _is_conversation(value):
        raise TranslationError('must be a list of turns, such as {"role": "user", "content": "..."}')
    last = max((index for index, turn in enumerate(value) if turn.get("role") == "user"), default=-1)
    if last < 0:
        raise TranslationError("has no turn of the user, to which the application could reply")
    messages = [{name: turn[name] for name in _IN_MESSAGES if turn.get(name)} for turn in value]
    replies = [turn["content"] for turn in messages[last + 1 :]]
    details = any(member for turn in value for name, member in turn.items() if name not in _IN_MESSAGES)
    kept = {"metadata": {"turns": value}} if details else {}
    return {"messages": messages[: last + 1]} | ({"output": replies[-1]} if replies else {}) | kept


def read_scenario(value: Any, row: Row) -> dict[str, Any]:
    """Read the scenario of a conversation: the input if there are no turns yet, else metadata."""
    return {"metadata": {"scenario": value}} if row.get("turns") else {"input": value}


_RETRIEVED: Final = re.compile(r"deepeval_source=(?P<source>.*?),deepeval_context=(?P<text>.*)", re.DOTALL)


def read_retrieved(value: Any) -> dict[str, Any]:
    """Read retrieved texts. deepeval writes the source of a text in front of it: the sources become metadata."""
    if not isinstance(value, list):
        return {"context": value}
    found = [_RETRIEVED.fullmatch(one) if isinstance(one, str) else None for one in value]
    texts = [one if match is None else match["text"] for one, match in zip(value, found, strict=True)]
    sources = [match["source"] for match in found if match is not None]
    return {"context": texts} | ({"metadata": {"retrieval_sources": sources}} if sources else {})


def read_alternatives(value: Any) -> dict[str, Any]:
    """Read an expected value; a list contains alternatives."""
    return {"expected_any": value} if isinstance(value, list) else {"expected": value}


def read_reference(value: Any) -> dict[str, Any]:
    """Read reference outputs: the only value, or the one that is named as the answer, else the whole object.

    Raises:
        TranslationError: The value is not an object, so it may be a recorded output of mlflow.
    """
    if not isinstance(value, dict):
        raise TranslationError(
            "may be the expected value (langsmith, phoenix; an object there) or a recorded output (mlflow): "
            'rename it to "expected" or "output", and "inputs" to "input"'
        )
    if len(value) == 1:
        return read_alternatives(next(iter(value.values())))
    return {"expected": next((value[name] for name in _PREFERRED if name in value), value)}


def refuse_ambiguous(_: Any) -> dict[str, Any]:
    """Raise TranslationError: this output has a different meaning in another tool."""
    raise TranslationError(
        'may be the expected value (phoenix) or a recorded output (all other tools): rename it to "expected", or '
        '"external_id" to "id"'
    )


def read_split(value: Any) -> dict[str, Any]:
    """Read the split, which may be a list of one."""
    return {"split": value[0] if isinstance(value, list) and len(value) == 1 else value}


def read_tags(value: Any) -> dict[str, Any]:
    """Read tags; the members of an object become ``key:value``. Raise TranslationError if one is not a string."""
    if not isinstance(value, dict):
        return {"tags": value}
    for key, member in value.items():
        if not isinstance(member, str):
            raise TranslationError(
                f"must be a string, not {jsonl.canonical(member)[:60]}", f".{jsonl.escape_text(key)}"
            )
    return {"tags": [f"{key}:{member}" for key, member in value.items()]}


def read_expectations(value: Any) -> dict[str, Any]:
    """Read mlflow's expectations, an object; those without a canonical field go into the metadata."""
    rest = dict(_object(value))
    found: dict[str, Any] = {"expected": rest.pop("expected_response", None)}
    if (guidelines := rest.pop("guidelines", None)) is not None:
        are_texts = isinstance(guidelines, list) and all(isinstance(one, str) for one in guidelines)
        found["rubric"] = "\n".join(guidelines) if are_texts else guidelines
    if (documents := rest.pop("expected_retrieved_context", None)) is not None:
        if isinstance(documents, list):
            documents = [
                one.get("content") or one.get("doc_uri") if isinstance(one, dict) else one for one in documents
            ]
        found["reference_context"] = documents
    return found | ({"metadata": rest} if rest else {})


def read_item(value: Any) -> dict[str, Any]:
    """Read the item of an OpenAI eval, an object: one variable is the expected value, the others are the question."""
    item = _object(value)
    wanted = next((name for name in EXPECTED_NAMES if item.get(name) is not None), None)
    if wanted is None:
        return read_input(item)
    others = {name: member for name, member in item.items() if name != wanted}
    return read_input(others) | read_alternatives(item[wanted])


def read_sample(value: Any) -> dict[str, Any]:
    """Read the sample of an OpenAI eval: its text is the recorded output."""
    return {"output": value.get("output_text")} if isinstance(value, dict) else {"output": value}


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TranslationError(f"must be an object, not {jsonl.canonical(value)[:60]}")
    return value
