"""Translation of the asserts of promptfoo and the evaluators of pydantic-evals to scorers of the case.

An assert without an equivalent rule is an error: a case must not pass because a check was dropped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.golden.dialects import javascript
from pytest_evalgate.golden.dialects.translate import TranslationError, read_input
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS: Final = ("__expected", "__expected1")
"""Columns that identify a row of a promptfoo table. Its other columns are variables."""

_BY_JUDGE: Final = "needs a model: add a judge to the scorers of the suite"
_BY_BUDGET: Final = "applies to the whole run: add a budget gate to the suite"
_BY_CODE: Final = 'is code, which a golden set cannot run: move it to the suite, as { python = "pkg.mod:name" }'
_NAMES_FILE: Final = "refers to a file: copy its content into the row"
_NO_RULE: Final = "has no equivalent scorer; there are"
# The types of asserts: https://www.promptfoo.dev/docs/configuration/expected-outputs/
_TEXT: Final = {"equals": "exact", **{kind: kind for kind in ("contains", "icontains", "starts-with", "bleu")}}
_BLEU: Final = {"tokenize": "none", "ignore_case": True, "strict": True}
_TEXTS: Final = frozenset(f"{case}contains-{how}" for case in ("", "i") for how in ("any", "all"))
_ALONE: Final = {"is-json": "json-valid"}
_BOUND: Final = frozenset({"regex", "word-count"})
_LIMITS: Final = {"latency": 1000.0, "cost": 1.0}
"""Types whose threshold is the largest figure, with its units in ours: milliseconds in a second."""
_PROMPTFOO_ELSEWHERE: Final = {
    **dict.fromkeys(
        ("llm-rubric", "g-eval", "factuality", "model-graded-closedqa", "model-graded-factuality"), _BY_JUDGE
    ),
    **dict.fromkeys(("answer-relevance", "context-faithfulness", "context-recall", "context-relevance"), _BY_JUDGE),
    **dict.fromkeys(("grade", "is-refusal", "moderation", "select-best", "pi"), _BY_JUDGE),
    **dict.fromkeys(("javascript", "python", "ruby", "webhook", "fn", "eval"), _BY_CODE),
}
_OTHERS: Final = (  # without an equivalent scorer, but a cell with one of them is not an expected text
    *("contains-json", "levenshtein", "rouge-n", "similar", "perplexity", "perplexity-score", "tool-call-f1"),
    *("is-sql", "contains-sql", "is-xml", "contains-xml", "is-html", "contains-html", "is-valid-openai-tools-call"),
)
_KNOWN: Final = frozenset({*_TEXT, *_TEXTS, *_ALONE, *_PROMPTFOO_ELSEWHERE, *_OTHERS, *_BOUND, *_LIMITS})
_WITH_VALUE: Final = frozenset({*_TEXT, *_TEXTS, "regex", "grade", "eval", "fn"})
_ENTRY: Final = frozenset({"type", "value", "threshold", "weight", "metric"})
_GRADED: Final = frozenset({"bleu"})
_CHANGES: Final = ("transform", "postprocess", "prefix", "suffix")
_CELL: Final = re.compile(
    r"(?P<type>(?:not-)?[a-z][a-z0-9-]*)(?:\((?P<threshold>[0-9]{1,9}(?:\.[0-9]{1,9})?)\))?(?::\s*(?P<value>.*))?",
    re.DOTALL,
)
_NAME: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_METADATA: Final = "__metadata:"
_SPECIAL_COLUMNS: Final = frozenset(
    {"__description", "__metric", "__prefix", "__providerOutput", "__suffix", "__threshold"}
)


def read_variables(value: Any) -> dict[str, Any]:
    """Read the variables. A ``context`` among them is the context of the case as well.

    Raises:
        TranslationError: A variable is a list, which promptfoo expands to several tests, or refers to a file.
    """
    if not isinstance(value, dict):
        return {"vars": value}
    for name, member in value.items():
        path = f".{jsonl.escape_text(name)}"
        if isinstance(member, list):
            raise TranslationError(
                "is a list, which promptfoo expands to one case for each member: write one row for each", path
            )
        if isinstance(member, str) and member.startswith("file://"):
            raise TranslationError(_NAMES_FILE, path)
    context = value.get("context")
    return {**read_input(value), **({"context": [context]} if isinstance(context, str) else {})}


def read_options(value: Any) -> dict[str, Any]:
    """Read the options into the metadata; refuse options that change the prompt or the graded text."""
    changing = next((name for name in _CHANGES if isinstance(value, dict) and value.get(name)), None)
    if changing is not None:
        raise TranslationError(
            "changes the prompt or the graded text, which a golden set cannot do: move it to the target",
            f".{changing}",
        )
    return {"metadata": {"options": value}} if value else {}


def read_threshold(value: Any) -> dict[str, Any]:
    """Read the least mean of the asserts, which a cell of a table has as a text."""
    try:
        return {"threshold": float(value)}
    except (TypeError, ValueError):
        raise TranslationError(f"must be a number from 0 to 1, not {jsonl.canonical(value)[:60]}") from None


def refuse_function(value: Any) -> dict[str, Any]:
    """Raise TranslationError: code combines the asserts of a case to one score."""
    raise TranslationError(f"{jsonl.canonical(value)[:60]} {_BY_CODE}")


def promptfoo_scorers(value: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """Read the asserts as scorers of the case. If exactly one is "equals", its value is the expected one.

    Raises:
        TranslationError: An assert has no equivalent.
    """
    if not isinstance(value, list):
        raise TranslationError(f"must be a list, not {jsonl.canonical(value)[:60]}")
    variables = row.get("vars")
    known = variables if isinstance(variables, dict) else {}
    specs = [_assert_spec(entry, known, f"[{index}]") for index, entry in enumerate(value)]
    wanted = [
        _substitute(entry["value"], known, f"[{index}].value")
        for index, entry in enumerate(value)
        if specs[index]["kind"] == "exact"
    ]
    return {"asserts": specs, **({"expected": wanted[0]} if len(wanted) == 1 else {})}


def read_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """Rewrite a row of a table as a test; ``__metadata:`` columns and unknown special columns become metadata."""
    cells = {name: value for name, value in row.items() if value not in (None, "")}
    special = {name: value for name, value in cells.items() if name.startswith("__")}
    wanted = [value for name, value in special.items() if re.fullmatch(r"__expected\d*", name)]
    metadata = {
        name.removeprefix(_METADATA): value
        for name, value in special.items()
        if name not in _SPECIAL_COLUMNS and not name.startswith(("__config:", "__expected"))
    }
    prompt = {name: special[f"__{name}"] for name in ("prefix", "suffix") if f"__{name}" in special}
    configured = {name: value for name, value in special.items() if name.startswith("__config:")}
    test = {
        "description": special.get("__description"),
        "vars": {name: value for name, value in cells.items() if not name.startswith("__")},
        "assert": [_cell(value, special.get("__metric")) for value in wanted],
        "threshold": special.get("__threshold") or configured or None,
        "providerOutput": special.get("__providerOutput"),
        "options": prompt,
        "metadata": metadata,
    }
    return {name: value for name, value in test.items() if value not in (None, {})}


def _cell(text: Any, metric: Any) -> dict[str, Any]:
    """Read a cell: ``contains-any: a, b`` or ``is-json`` is an assert, any other text is the expected one."""
    found = _CELL.fullmatch(text.strip()) if isinstance(text, str) else None
    kind = "" if found is None else found["type"].removeprefix("not-")
    if found is None or kind not in _KNOWN or (found["value"] is None and kind in _WITH_VALUE):
        entry: dict[str, Any] = {"type": "equals", "value": text}
    else:
        entry = {"type": found["type"], "value": found["value"]}
        entry |= {"threshold": float(found["threshold"])} if found["threshold"] else {}
    return entry | ({"metric": metric} if metric else {})


def _assert_spec(entry: Any, known: Mapping[str, Any], path: str) -> dict[str, Any]:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise TranslationError('needs a "type" that is a string, such as "contains"', path)
    kind = entry["type"]
    negation, plain = ("not-", kind.removeprefix("not-")) if kind.startswith("not-") else ("", kind)
    if negation and plain in _GRADED:
        raise TranslationError(f"{jsonl.quote_text(kind)} has no equivalent scorer", f"{path}.type")
    for name, value in entry.items():
        if name not in _ENTRY and value not in (None, {}, []):
            raise TranslationError(
                "is not supported here: remove it, or move the assert to the suite",
                f"{path}.{jsonl.escape_text(name)}",
            )
    if plain in _LIMITS:
        entry = {name: value for name, value in entry.items() if name != "threshold"} | {
            "value": entry.get("threshold")
        }
    params = _params(plain, _substitute(entry.get("value"), known, f"{path}.value"), path)
    return {"kind": f"{negation}{params.pop('kind')}", **params, **_common(entry, plain, path)}


def _params(kind: str, value: Any, path: str) -> dict[str, Any]:
    """Return the rule that is equivalent to ``kind``, and its parameters."""
    if kind in _TEXT:
        return {"kind": _TEXT[kind], **_compared(kind, value, path)}
    if kind in _TEXTS:
        return {"kind": kind, "values": [_text(one, path, booleans=True) for one in _several(value, path)]}
    if kind == "regex":
        return {"kind": kind, "pattern": _pattern(value, path)}
    if kind == "word-count":
        return {"kind": kind, **_bounds(value, path)}
    if kind in _LIMITS:
        return {"kind": kind, "max": _limit(value, path) / _LIMITS[kind]}
    if kind in _ALONE and value is None:
        return {"kind": _ALONE[kind]}
    if kind in _ALONE:
        raise TranslationError("no scorer checks a schema: list the expected values with json-fields", f"{path}.value")
    rules = ", ".join(sorted({*_TEXT, *_TEXTS, *_ALONE, *_BOUND, *_LIMITS}))
    reason = _PROMPTFOO_ELSEWHERE.get(kind) or f"{_NO_RULE} {rules}"
    raise TranslationError(f"{jsonl.quote_text(kind)} {reason}", f"{path}.type")


def _compared(kind: str, value: Any, path: str) -> dict[str, Any]:
    """Return the parameters with the text to compare with, or with the JSON value that outputs are parsed to match."""
    if kind == "equals" and isinstance(value, dict | list):
        return {"value": value}
    if kind == "equals" and value is not None:
        return {"value": _written(value, path), "strip": False}
    return {"value": _text(value, path), **(_BLEU if kind == "bleu" else {})}


def _common(entry: Mapping[str, Any], kind: str, path: str) -> dict[str, Any]:
    """Read the options that every assert has; only a graded assert has a threshold."""
    if entry.get("threshold") is not None and kind not in _GRADED:
        raise TranslationError(f"{jsonl.quote_text(kind)} is not graded: remove the threshold", f"{path}.threshold")
    names = {"threshold": "threshold", "weight": "weight", "metric": "name"}
    given = {names[name]: entry[name] for name in names if entry.get(name) is not None}
    return {name: value for name, value in given.items() if (name, value) != ("weight", 1)}


def _substitute(value: Any, known: Mapping[str, Any], path: str) -> Any:
    """Replace variables in a value, as promptfoo does before it compares."""
    if isinstance(value, list):
        return [_substitute(one, known, path) for one in value]
    if isinstance(value, dict):
        return {name: _substitute(one, known, path) for name, one in value.items()}
    if not isinstance(value, str):
        return value
    if value.startswith("file://"):
        raise TranslationError(_NAMES_FILE, path)
    plain = {name: _written(one, path) for name, one in known.items() if isinstance(one, str | int | float)}
    text = _NAME.sub(lambda found: plain.get(found[1], found[0]), value)
    if _NAME.search(text) or "{{" in text or "{%" in text:
        raise TranslationError(f"{jsonl.quote_text(value)} is a template: write the value instead", path)
    return text


def _text(value: Any, path: str, *, booleans: bool = False) -> str:
    if (isinstance(value, bool) and not booleans) or not isinstance(value, str | int | float) or value == "":
        raise TranslationError(
            f"must be a non-empty string or a number, not {jsonl.canonical(value)[:60]}", f"{path}.value"
        )
    return _written(value, path)


def _written(value: Any, path: str) -> str:
    try:
        return javascript.write(value)
    except TranslationError as error:
        raise TranslationError(str(error), f"{path}.value") from None


def _pattern(value: Any, path: str) -> str:
    try:
        return javascript.translate_pattern(_text(value, path))
    except TranslationError as error:
        raise TranslationError(str(error), error.path or f"{path}.value") from None


_SEPARATORS: Final = re.compile(r"[\s,]*")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.|"")*)"\s*(?:,|\Z)', re.DOTALL)
_ESCAPED: Final = re.compile(r'\\(["\\])|"(")')
_UNQUOTED: Final = re.compile(r"[^,]*")


def _several(value: Any, path: str) -> list[Any]:
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


def _limit(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TranslationError("needs a number", f"{path}.threshold")
    return float(value)


def _bounds(value: Any, path: str) -> dict[str, int]:
    if isinstance(value, dict) and value and value.keys() <= {"min", "max"}:
        return dict(value)
    if isinstance(value, bool) or not re.fullmatch("[0-9]{1,9}", str(value)):
        raise TranslationError(
            f'must be a whole number, or {{"min": 1, "max": 9}}, not {jsonl.canonical(value)[:60]}', f"{path}.value"
        )
    return {"min": int(value), "max": int(value)}


# The evaluators: https://ai.pydantic.dev/evals/evaluators/built-in/
_PYDANTIC_ELSEWHERE: Final = {"LLMJudge": _BY_JUDGE, "MaxDuration": _BY_BUDGET}


def evaluator_scorers(value: Any) -> dict[str, Any]:
    """Read the evaluators of pydantic-evals as scorers of the case; refuse those without an equivalent."""
    if not isinstance(value, list):
        raise TranslationError(f"must be a list, not {jsonl.canonical(value)[:60]}")
    return {"asserts": [_evaluator_spec(entry, f"[{index}]") for index, entry in enumerate(value)]}


def _evaluator_spec(entry: Any, path: str) -> dict[str, Any]:
    """Read one evaluator: its name, or an object with its name and its argument or arguments."""
    name, given = entry, None
    if isinstance(entry, dict) and len(entry) == 1:
        [(name, given)] = entry.items()
    params = given if isinstance(given, dict) else {} if given is None else {"value": given}
    if name == "EqualsExpected" and not params:
        return {"kind": "exact"}
    if name == "Equals" and params.keys() == {"value"}:
        return {"kind": "exact", **params}
    if name == "Contains" and {"value"} <= params.keys() <= {"value", "case_sensitive"}:
        text = params["value"]
        if isinstance(text, str) and text:
            return {"kind": "contains" if params.get("case_sensitive", True) else "icontains", "value": text}
    reason = _PYDANTIC_ELSEWHERE.get(str(name), f"{_NO_RULE} Contains, Equals, EqualsExpected")
    raise TranslationError(f"{jsonl.canonical(entry)[:60]} {reason}", path)
