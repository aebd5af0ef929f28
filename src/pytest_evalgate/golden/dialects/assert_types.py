"""Types of asserts of promptfoo, each read as a scorer of the case.

A type without an equivalent scorer is an error: a case must not pass because a check was dropped. `equivalents` lists
all types, with the differences in meaning.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.dialects import javascript
from pytest_evalgate.golden.dialects.equivalents import PROMPTFOO, refusals
from pytest_evalgate.golden.dialects.translate import TranslationError
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable

    Spec = dict[str, Any]
    Read = Callable[["AssertEntry"], Spec]

_ALIASES: Final = {"grade": "llm-rubric", "eval": "javascript", "fn": "javascript"}
"""Names of types in cells of tables."""

GRADED: Final = frozenset({"bleu", "gleu", "similar", "similar:cosine", "tool-call-f1"})
"""Types whose threshold is the least value."""

LIMITS: Final = frozenset({"latency", "cost", "levenshtein"})
"""Types whose threshold is the largest figure."""

BY_NOTE: Final = {
    **dict.fromkeys(("llm-rubric", "g-eval", "model-graded-closedqa", "pi"), "The output meets this: {}"),
    **dict.fromkeys(("factuality", "model-graded-factuality"), "The output does not contradict this reference: {}"),
    "trajectory:goal-success": "The run achieved this goal: {}",
    "answer-relevance": "The output answers the question, and nothing beside it.",
    "context-faithfulness": "Every statement of the output is supported by the context of the case.",
}
"""The note that a judge is asked for, for each type that a model grades."""

_DRAFT: Final = "http://json-schema.org/draft-07/schema#"  # that of promptfoo's validator, if the schema names none
_SQL_DIALECTS: Final = {
    **{name: name for name in ("athena", "bigquery", "hive", "mysql", "redshift", "snowflake", "sqlite")},
    "mariadb": "mysql",
    "postgresql": "postgres",
    "transactsql": "tsql",
}
_GLOB: Final = re.compile(r"[*?]")
_SIMILAR: Final = 0.75
_DISTANCE: Final = 5


@dataclass(frozen=True, slots=True)
class AssertEntry:
    """An assert, with the variables in its value replaced; ``path`` is its place, such as ``[2]``."""

    kind: str
    value: Any
    threshold: Any
    negated: bool
    path: str

    @property
    def name(self) -> str:
        """The type as it was written."""
        return f"not-{self.kind}" if self.negated else self.kind

    def rule(self, kind: str) -> str:
        """Return the kind of our scorer, negated if the assert is."""
        return f"not-{kind}" if self.negated else kind

    def problem(self, message: str, key: str = "value") -> TranslationError:
        """Return the error about one key of the assert."""
        return TranslationError(message, f"{self.path}.{key}")

    def without_negation(self) -> AssertEntry:
        """Return the entry; raise TranslationError if it is negated."""
        if self.negated:
            raise self.problem(f"{jsonl.quote_text(self.name)} has no equivalent scorer: remove not-", "type")
        return self

    def text(self, *, booleans: bool = False) -> str:
        """Return the value as text; raise TranslationError if it is none."""
        return self.as_text(self.value, booleans=booleans)

    def as_text(self, value: Any, *, booleans: bool = False) -> str:
        """Return a value as JavaScript writes it; raise TranslationError if it is no text and no number."""
        if (isinstance(value, bool) and not booleans) or not isinstance(value, str | int | float) or value == "":
            raise self.problem(f"must be a non-empty string or a number, not {jsonl.canonical(value)[:60]}")
        return self.written(value)

    def written(self, value: Any) -> str:
        """Return ``String(value)`` of JavaScript."""
        try:
            return javascript.write(value)
        except TranslationError as error:
            raise self.problem(str(error)) from None

    def one_text(self) -> str:
        """Return the only text of a value that may be a list."""
        value = self.value[0] if isinstance(self.value, list) and len(self.value) == 1 else self.value
        if isinstance(value, list):
            raise self.problem("has several references: write one assert with the best of them")
        return self.as_text(value)

    def names(self) -> list[str]:
        """Return the names in a list, or in comma-separated text."""
        return [self.plain_name(one) for one in several(self.value, self.path)]

    def plain_name(self, name: Any) -> str:
        """Return the name of a tool; raise TranslationError if it is a pattern."""
        if not isinstance(name, str) or not name.strip():
            raise self.problem(f"must be the name of a tool, not {jsonl.canonical(name)[:60]}")
        if _GLOB.search(name):
            raise self.problem(f"{jsonl.quote_text(name)} is a pattern, which no scorer has: write the names")
        return name.strip()

    def object(self, *known: str) -> dict[str, Any]:
        """Return the value, an object with no other keys than ``known``."""
        if not isinstance(self.value, dict):
            raise self.problem(f"must be an object, not {jsonl.canonical(self.value)[:60]}")
        for key, value in self.value.items():
            if key not in known and value not in (None, [], {}):
                raise self.problem("has no equivalent here: remove it", f"value.{jsonl.escape_text(key)}")
        return self.value


def read_type(entry: AssertEntry) -> list[Spec]:
    """Return the scorers that are equivalent to an assert, which are several only for several criteria.

    Raises:
        TranslationError: There is none; the message contains the way forward.
    """
    kind = _ALIASES.get(entry.kind, entry.kind)
    if kind in READERS or kind in BY_NOTE:
        _check_threshold(entry, kind)
        return _notes(entry, kind) if kind in BY_NOTE else [READERS[kind](entry)]
    reason = _REFUSED.get(kind)
    if reason is None:
        served = ", ".join(sorted({*READERS, *BY_NOTE, "assert-set"}))
        reason = f"has no equivalent scorer; there are {served}"
    raise entry.problem(f"{jsonl.quote_text(entry.name)} {reason}", "type")


def _check_threshold(entry: AssertEntry, kind: str) -> None:
    if entry.threshold is None or kind in GRADED or kind in LIMITS:
        return
    if kind in BY_NOTE:
        raise entry.problem(
            f"{jsonl.quote_text(entry.name)} is graded by the judge of the suite, which has a threshold of its own: "
            "remove the threshold",
            "threshold",
        )
    raise entry.problem(f"{jsonl.quote_text(entry.name)} is not graded: remove the threshold", "threshold")


def note_of(kind: str, value: Any) -> list[str]:
    """Return what a judge is asked for in place of a type that a model grades."""
    template = BY_NOTE[kind]
    texts = value if isinstance(value, list) else [value]
    written = [text if isinstance(text, str) else jsonl.canonical(text) for text in texts]
    return [template.format(text.strip()) if "{}" in template else template for text in written]


def negated_note(note: str) -> str:
    """Return the note that the opposite is the case."""
    return f"This must NOT be the case: {note}"


# --- readers --------------------------------------------------------------------------------------------------------


def _equals(entry: AssertEntry) -> Spec:
    """Return the rule with the text to compare with, or with the JSON value that outputs are parsed to match."""
    if isinstance(entry.value, dict | list):
        return {"kind": entry.rule("exact"), "value": entry.value}
    value = entry.text() if entry.value is None else entry.written(entry.value)
    return {"kind": entry.rule("exact"), "value": value, "strip": False}


def _one_text(entry: AssertEntry) -> Spec:
    return {"kind": entry.rule(entry.kind), "value": entry.text()}


def _texts(entry: AssertEntry) -> Spec:
    texts = [entry.as_text(one, booleans=True) for one in several(entry.value, entry.path)]
    return {"kind": entry.rule(entry.kind), "values": texts}


def _regex(entry: AssertEntry) -> Spec:
    try:
        return {"kind": entry.rule("regex"), "pattern": javascript.translate_pattern(entry.text())}
    except TranslationError as error:
        raise TranslationError(str(error), error.path or f"{entry.path}.value") from None


def _word_count(entry: AssertEntry) -> Spec:
    value = entry.value
    if isinstance(value, dict) and value and value.keys() <= {"min", "max"}:
        return {"kind": entry.rule("word-count"), **value}
    if isinstance(value, bool) or not re.fullmatch("[0-9]{1,9}", str(value)):
        raise entry.problem(f'must be a whole number, or {{"min": 1, "max": 9}}, not {jsonl.canonical(value)[:60]}')
    return {"kind": entry.rule("word-count"), "min": int(value), "max": int(value)}


def _bleu(entry: AssertEntry) -> Spec:
    meaning = {"tokenize": "none", "ignore_case": True, "strict": True}
    return {"kind": "bleu", "value": entry.without_negation().one_text(), **meaning}


def _gleu(entry: AssertEntry) -> Spec:
    return {"kind": "gleu", "value": entry.without_negation().one_text(), "ignore_case": True}


def _is_json(entry: AssertEntry) -> Spec:
    if entry.value in (None, ""):
        return {"kind": entry.rule("json-valid")}
    return {"kind": entry.rule("json-schema"), **_schema(entry)}


def _contains_json(entry: AssertEntry) -> Spec:
    return {"kind": entry.rule("contains-json"), **({} if entry.value in (None, "") else _schema(entry))}


def _schema(entry: AssertEntry) -> Spec:
    """Return the schema, an object, or the text of one. The validator of promptfoo knows draft 7, and formats."""
    value = entry.value
    if isinstance(value, str):
        try:
            value = jsonl.loads(value)
        except ValueError as error:
            raise entry.problem(f"is not a JSON Schema: {error}") from None
    if not isinstance(value, dict | bool):
        raise entry.problem(f"must be a JSON Schema, not {jsonl.canonical(value)[:60]}")
    schema = {"$schema": _DRAFT, **value} if isinstance(value, dict) else value
    return {"schema": schema, "formats": True}


def _is_sql(entry: AssertEntry) -> Spec:
    given = {} if entry.value in (None, "") else entry.object("databaseType")
    database = given.get("databaseType", "MySQL")
    dialect = _SQL_DIALECTS.get(str(database).lower().partition("(")[0])
    if dialect is None:
        raise entry.problem(
            f"{jsonl.quote_text(str(database))} is not one of {', '.join(sorted(_SQL_DIALECTS))}", "value.databaseType"
        )
    return {"kind": entry.rule("sql-valid"), "dialect": dialect}


def _is_xml(entry: AssertEntry) -> Spec:
    given = {} if entry.value in (None, "") else entry.object("requiredElements")
    elements = given.get("requiredElements")
    return {"kind": entry.rule("xml-valid"), **({"elements": elements} if elements else {})}


def _alone(kind: str) -> Read:
    return lambda entry: {"kind": entry.rule(kind)}


def _levenshtein(entry: AssertEntry) -> Spec:
    most = _DISTANCE if entry.threshold is None else _limit(entry)
    if most != int(most) or most < 0:
        raise entry.problem("must be a whole number from 0", "threshold")
    return {"kind": entry.rule("levenshtein"), "value": entry.text(), "max": int(most)}


def _latency(entry: AssertEntry) -> Spec:
    return {"kind": entry.rule("latency"), "max": _limit(entry) / 1000}


def _cost(entry: AssertEntry) -> Spec:
    return {"kind": entry.rule("cost"), "max": _limit(entry)}


def _limit(entry: AssertEntry) -> float:
    value = entry.threshold
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise entry.problem("needs a number", "threshold")
    return float(value)


def _similar(entry: AssertEntry) -> Spec:
    values = entry.value if isinstance(entry.value, list) and entry.value else [entry.value]
    texts = [entry.as_text(one) for one in values]
    return {
        "kind": entry.rule("similar"),
        "value": texts[0] if len(texts) == 1 else texts,
        "threshold": _SIMILAR if entry.threshold is None else entry.threshold,
    }


def _moderation(entry: AssertEntry) -> Spec:
    categories = (
        None if entry.value in (None, "") else [entry.as_text(one) for one in several(entry.value, entry.path)]
    )
    return {"kind": entry.rule("moderation"), **({} if categories is None else {"categories": categories})}


def _notes(entry: AssertEntry, kind: str) -> list[Spec]:
    if "{}" in BY_NOTE[kind] and (not entry.value or not isinstance(entry.value, str | list)):
        raise entry.problem("must be a non-empty string, which the judge is asked for")
    notes = [negated_note(note) if entry.negated else note for note in note_of(kind, entry.value)]
    return [{"kind": "rubric", "value": note} for note in notes]


def _calls_f1(entry: AssertEntry) -> Spec:
    names = entry.without_negation().names()
    made: Spec = {"kind": "tool-calls", "calls": list(dict.fromkeys(names)), "mode": "unordered"}
    return {**made, "args": "ignore", "graded": True}


def _valid_calls(entry: AssertEntry) -> Spec:
    if entry.without_negation().value not in (None, "", []):
        raise entry.problem("has no meaning here: remove it")
    called = {"kind": "json-valid", "field": "trajectory.0", "name": "called"}
    return {"kind": "set", "asserts": [called, {"kind": "steps", "schema": True}]}


def _tool_used(entry: AssertEntry) -> Spec:
    value, banned = entry.value, entry.negated
    if isinstance(value, dict):
        given = entry.object("name", "pattern", "min", "max")
        names = [entry.plain_name(given.get("pattern", given.get("name")))]
        bounds = (given.get("min"), given.get("max"))
        if bounds in ((None, 0), (0, 0)) and not entry.negated:
            banned = True
        elif bounds not in ((None, None), (1, None)):
            raise entry.problem("counts the calls of one tool, which no scorer does: remove min and max")
    else:
        names = entry.names()
    if entry.negated and len(names) > 1:
        raise entry.problem("has several tools: write one assert for each")
    return {"kind": "steps", "must_not" if banned else "must": names}


def _arguments_match(entry: AssertEntry) -> Spec:
    given = entry.object("name", "pattern", "args", "arguments", "mode", "ignore")
    call = {
        "name": entry.plain_name(given.get("name", given.get("pattern"))),
        "arguments": given.get("args", given.get("arguments", {})),
    }
    ignored = given.get("ignore") or []
    ignored = [entry.plain_name(name) for name in ([ignored] if isinstance(ignored, str) else ignored)]
    if given.get("mode", "partial") == "partial" and not ignored:
        return {"kind": "steps", "must_not" if entry.negated else "must": [call]}
    made: Spec = {"kind": "tool-calls", "calls": [call], "mode": "superset"}
    made["args"] = "equal" if entry.without_negation().value.get("mode") == "exact" else "subset"
    return {**made, **({"ignore_args": ignored} if ignored else {})}


def _tool_sequence(entry: AssertEntry) -> Spec:
    value = entry.without_negation().value
    given = entry.object("steps", "mode") if isinstance(value, dict) else {"steps": value}
    modes = {"in_order": "ordered", "exact": "exact"}
    mode = modes.get(given.get("mode", "in_order"))
    if mode is None:
        raise entry.problem(f"must be one of {', '.join(modes)}", "value.mode")
    names = [entry.plain_name(name) for name in several(given.get("steps"), entry.path)]
    return {"kind": "tool-calls", "calls": names, "mode": mode, "args": "ignore"}


def _step_count(entry: AssertEntry) -> Spec:
    given = entry.without_negation().object("type", "max")
    most = given.get("max")
    if given.get("type") != "tool" or isinstance(most, bool) or not isinstance(most, int):
        raise entry.problem('counts steps that no scorer tells apart: write {"type": "tool", "max": 5}')
    return {"kind": "steps", "max_calls": most}


READERS: Final[dict[str, Read]] = {
    "equals": _equals,
    **dict.fromkeys(("contains", "icontains", "starts-with"), _one_text),
    **{f"{case}contains-{how}": _texts for case in ("", "i") for how in ("any", "all")},
    "regex": _regex,
    "word-count": _word_count,
    "bleu": _bleu,
    "gleu": _gleu,
    "is-json": _is_json,
    "contains-json": _contains_json,
    "is-sql": _is_sql,
    "is-xml": _is_xml,
    "is-refusal": _alone("refusal"),
    "levenshtein": _levenshtein,
    "latency": _latency,
    "cost": _cost,
    "similar": _similar,
    "similar:cosine": _similar,
    "moderation": _moderation,
    "tool-call-f1": _calls_f1,
    **{f"is-valid-{kind}": _valid_calls for kind in ("function-call", "openai-function-call", "openai-tools-call")},
    "trajectory:tool-used": _tool_used,
    "trajectory:tool-args-match": _arguments_match,
    "trajectory:tool-sequence": _tool_sequence,
    "trajectory:step-count": _step_count,
}
"""The reader of each type that has a rule. A judge is asked for those `BY_NOTE`; `asserts` reads ``assert-set``."""

_REFUSED: Final = refusals("promptfoo")

KNOWN: Final = frozenset({one.theirs for one in PROMPTFOO}) | _ALIASES.keys()
"""All types: a cell of a table with one of them is an assert."""

WITH_VALUE: Final = frozenset(
    {
        "equals",
        "contains",
        "icontains",
        "starts-with",
        "regex",
        "bleu",
        "gleu",
        "levenshtein",
        "similar",
        "grade",
        "eval",
    }
    | {"fn", "tool-call-f1", "similar:cosine", *(kind for kind in READERS if kind.endswith(("-any", "-all")))}
    | {kind for kind, template in BY_NOTE.items() if "{}" in template}
)
"""Types that need a value: without one, a cell is the expected text."""


# --- lists in texts -------------------------------------------------------------------------------------------------

_SEPARATORS: Final = re.compile(r"[\s,]*")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.|"")*)"\s*(?:,|\Z)', re.DOTALL)
_ESCAPED: Final = re.compile(r'\\(["\\])|"(")')
_UNQUOTED: Final = re.compile(r"[^,]*")


def several(value: Any, path: str) -> list[Any]:
    """Return the members of a list or of comma-separated text; a line end is not a separator.

    Raises:
        TranslationError: A quoted member does not end, or has text after it.
    """
    if not isinstance(value, str):
        return value if isinstance(value, list) and value else [value]
    members: list[str] = []
    place = _end(_SEPARATORS, value, 0)
    while place < len(value):
        if value[place] != '"':
            end = _end(_UNQUOTED, value, place)
            members.append(value[place:end].strip())
        elif quoted := _QUOTED.match(value, place):
            end = quoted.end()
            members.append(_ESCAPED.sub(lambda found: found[1] or found[2], quoted[1]))
        else:
            raise TranslationError("has a quoted member without an end, or with text after it", f"{path}.value")
        place = _end(_SEPARATORS, value, end)
    return members or [value]


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    found = pattern.match(text, place)
    return place if found is None else found.end()
