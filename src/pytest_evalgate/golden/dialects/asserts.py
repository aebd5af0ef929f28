"""The evaluators of a pydantic-evals case, as scorers of the case where a rule means the same."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.golden.dialects.translate import TranslationError, read_input
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_JUDGE: Final = "a model decides it: name a judge among the scorers of the suite"
_BY_BUDGET: Final = "a whole run is held to it: add a budget gate to the suite"
_ELSEWHERE: Final = {"LLMJudge": _BY_JUDGE, "MaxDuration": _BY_BUDGET}


def evaluator_scorers(value: Any) -> dict[str, Any]:
    """Read evaluators as scorers of the case.

    Raises:
        Misread: one of them has no counterpart.

    """
    if not isinstance(value, list):
        raise TranslationError(f"must be a list, not {jsonl.canonical(value)[:60]}")
    return {"asserts": [_spec(entry, f"[{index}]") for index, entry in enumerate(value)]}


def _spec(entry: Any, path: str) -> dict[str, Any]:
    """Read one: its name, or an object of its name and its argument or arguments."""
    name, given = entry, None
    if isinstance(entry, dict) and len(entry) == 1:
        [(name, given)] = entry.items()
    params = given if isinstance(given, dict) else {} if given is None else {"value": given}
    if name == "EqualsExpected" and not params:
        return {"kind": "exact"}
    if name == "Equals" and params.keys() == {"value"}:
        return {"kind": "exact", **params}
    if name == "Contains" and {"value"} <= params.keys() <= {"value", "case_sensitive"} and _is_text(params["value"]):
        return {"kind": "contains" if params.get("case_sensitive", True) else "icontains", "value": params["value"]}
    why = _ELSEWHERE.get(str(name), "there is no scorer that means this; there are Contains, Equals, EqualsExpected")
    raise TranslationError(f"{jsonl.canonical(entry)[:60]}: {why}", path)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


COLUMNS: Final = ("__expected", "__expected1")
"""One of these makes a row one of promptfoo's tables, whose other columns are variables."""

_TEXT: Final = {"equals": "exact", **{kind: kind for kind in ("contains", "icontains", "starts-with", "bleu")}}
_TEXTS: Final = frozenset(f"{case}contains-{how}" for case in ("", "i") for how in ("any", "all"))
_ALONE: Final = {"is-json": "json-valid"}
_BOUND: Final = frozenset({"regex", "word-count"})
_BY_CODE: Final = 'a golden set names no code: move it to the scorers of the suite, as { python = "pkg.mod:name" }'
_PROMPTFOO_ELSEWHERE: Final = {
    **dict.fromkeys(
        ("llm-rubric", "g-eval", "factuality", "model-graded-closedqa", "model-graded-factuality"), _BY_JUDGE
    ),
    **dict.fromkeys(("answer-relevance", "context-faithfulness", "context-recall", "context-relevance"), _BY_JUDGE),
    **dict.fromkeys(("grade", "is-refusal", "moderation", "select-best", "pi"), _BY_JUDGE),
    **dict.fromkeys(("javascript", "python", "ruby", "webhook", "fn", "eval"), _BY_CODE),
    **dict.fromkeys(("cost", "latency"), _BY_BUDGET),
}
_OTHERS: Final = (
    *("contains-json", "levenshtein", "rouge-n", "similar", "perplexity", "perplexity-score", "tool-call-f1"),
    *("is-sql", "contains-sql", "is-xml", "contains-xml", "is-html", "contains-html", "is-valid-openai-tools-call"),
)
_KNOWN: Final = frozenset({*_TEXT, *_TEXTS, *_ALONE, *_PROMPTFOO_ELSEWHERE, *_OTHERS, *_BOUND})
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


def variables(value: Any) -> dict[str, Any]:
    """Read the variables; a ``context`` among them is the context of the case, too.

    Raises:
        Misread: one is a list, which makes several tests there, or names a file.

    """
    if not isinstance(value, dict):
        return {"vars": value}
    for name, held in value.items():
        if isinstance(held, list):
            raise TranslationError(
                "is a list, which makes one case of each member: write a row for each", f".{jsonl.escape_text(name)}"
            )
        if isinstance(held, str) and held.startswith("file://"):
            raise TranslationError("names a file: write its content into the row", f".{jsonl.escape_text(name)}")
    context = value.get("context")
    return {**read_input(value), **({"context": [context]} if isinstance(context, str) else {})}


def options(value: Any) -> dict[str, Any]:
    """Keep the options in the metadata.

    Raises:
        Misread: one of them changes what is asked or what is graded.

    """
    changing = next((name for name in _CHANGES if isinstance(value, dict) and value.get(name)), None)
    if changing is not None:
        raise TranslationError(
            "changes what is asked or graded, which a golden set cannot: do it in the target", f".{changing}"
        )
    return {"metadata": {"options": value}} if value else {}


def refuse_threshold(value: Any) -> dict[str, Any]:
    """Refuse a rule by which the asserts of a case make one score.

    Raises:
        Misread: always.

    """
    raise TranslationError(f"{jsonl.canonical(value)[:60]}: here every assert has to pass; leave it out")


def promptfoo_scorers(value: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """Read the asserts as scorers of the case; the only value that it has to equal is the expected one, too.

    Raises:
        Misread: one of them has no counterpart; nothing passes for want of a scorer.

    """
    if not isinstance(value, list):
        raise TranslationError(f"must be a list, not {jsonl.canonical(value)[:60]}")
    held = row.get("vars")
    known = held if isinstance(held, dict) else {}
    specs = [_promptfoo_spec(entry, known, f"[{index}]") for index, entry in enumerate(value)]
    wanted = [spec["value"] for spec in specs if spec["kind"] == "exact"]
    return {"asserts": specs, **({"expected": wanted[0]} if len(wanted) == 1 else {})}


def from_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """Rewrite a row of a table as the test that it stands for."""
    cells = {name: value for name, value in row.items() if value not in (None, "")}
    special = {name: value for name, value in cells.items() if name.startswith("__")}
    wanted = [value for name, value in special.items() if re.fullmatch(r"__expected\d*", name)]
    metadata = {name.removeprefix(_METADATA): value for name, value in special.items() if _is_kept(name)}
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


def _is_kept(name: str) -> bool:
    """Tell whether a special column is metadata: those that are called so, and those that nobody knows."""
    known = ("__description", "__metric", "__prefix", "__providerOutput", "__suffix", "__threshold")
    return name not in known and not name.startswith(("__config:", "__expected"))


def _cell(text: Any, metric: Any) -> dict[str, Any]:
    """Read the text of a cell: ``contains-any: a, b``, ``is-json``; all else is the text that is wanted."""
    found = _CELL.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None or found["type"].removeprefix("not-") not in _KNOWN or _needs_value(found):
        entry: dict[str, Any] = {"type": "equals", "value": text}
    else:
        entry = {"type": found["type"], "value": found["value"]}
        entry |= {"threshold": float(found["threshold"])} if found["threshold"] else {}
    return entry | ({"metric": metric} if metric else {})


def _needs_value(found: re.Match[str]) -> bool:
    return found["value"] is None and found["type"].removeprefix("not-") in _WITH_VALUE


def _promptfoo_spec(entry: Any, known: Mapping[str, Any], path: str) -> dict[str, Any]:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise TranslationError('needs a "type" that is a string, such as "contains"', path)
    kind = entry["type"]
    negation, plain = ("not-", kind.removeprefix("not-")) if kind.startswith("not-") else ("", kind)
    if negation and plain in _GRADED:
        raise TranslationError(f"{jsonl.quote_text(kind)}: there is no scorer that means this", f"{path}.type")
    for name, value in entry.items():
        if name not in _ENTRY and value not in (None, {}, []):
            raise TranslationError(
                "has no counterpart here: leave it out, or move the assert to the suite",
                f"{path}.{jsonl.escape_text(name)}",
            )
    params = _params(plain, _substitute(entry.get("value"), known, f"{path}.value"), f"{path}")
    return {"kind": f"{negation}{params.pop('kind')}", **params, **_common(entry, plain, path)}


def _params(kind: str, value: Any, path: str) -> dict[str, Any]:
    """Return the rule that means what ``kind`` means, and its parameters."""
    if kind == "equals" and value is not None:
        return {"kind": _TEXT[kind], "value": value}
    if kind in _TEXT:
        return {"kind": _TEXT[kind], "value": _text(value, path)}
    if kind in _TEXTS:
        return {"kind": kind, "values": [_text(one, path) for one in _several(value)]}
    if kind == "regex":
        return {"kind": kind, "pattern": _text(value, path)}
    if kind == "word-count":
        return {"kind": kind, **_bounds(value, path)}
    if kind in _ALONE and value is None:
        return {"kind": _ALONE[kind]}
    if kind in _ALONE:
        raise TranslationError("no scorer checks a schema: list the wanted values with json-fields", f"{path}.value")
    raise TranslationError(
        f"{jsonl.quote_text(kind)}: {_PROMPTFOO_ELSEWHERE.get(kind) or _no_scorer()}", f"{path}.type"
    )


def _no_scorer() -> str:
    return f"there is no scorer that means this; there are {', '.join(sorted({*_TEXT, *_TEXTS, *_ALONE, *_BOUND}))}"


def _common(entry: Mapping[str, Any], kind: str, path: str) -> dict[str, Any]:
    """Read what every assert may have; a threshold where there is a grade to hold against it."""
    if entry.get("threshold") is not None and kind not in _GRADED:
        raise TranslationError(
            f"{jsonl.quote_text(kind)} passes or misses: leave the threshold out", f"{path}.threshold"
        )
    words = {"threshold": "threshold", "weight": "weight", "metric": "name"}
    given = {words[name]: entry[name] for name in words if entry.get(name) is not None}
    return {name: value for name, value in given.items() if (name, value) != ("weight", 1)}


def _substitute(value: Any, known: Mapping[str, Any], path: str) -> Any:
    """Put the variables into a value that names them, as promptfoo does before it compares."""
    if isinstance(value, list):
        return [_substitute(one, known, path) for one in value]
    if isinstance(value, dict):
        return {name: _substitute(one, known, path) for name, one in value.items()}
    if not isinstance(value, str):
        return value
    if value.startswith("file://"):
        raise TranslationError("names a file: write its content into the row", path)
    plain = {name: str(one) for name, one in known.items() if isinstance(one, str | int | float)}
    text = _NAME.sub(lambda found: plain.get(found[1], found[0]), value)
    if _NAME.search(text) or "{{" in text or "{%" in text:
        raise TranslationError(f"{jsonl.quote_text(value)} is a template: write what it stands for", path)
    return text


def _text(value: Any, path: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        raise TranslationError(f"must be a text, not {jsonl.canonical(value)[:60]}", f"{path}.value")
    return str(value)


def _several(value: Any) -> list[Any]:
    """Return the members of a list, or of a text with commas between them."""
    if isinstance(value, str) and len(value) <= csv.field_size_limit():
        rows = csv.reader(value.splitlines(), skipinitialspace=True)
        return [one.strip() for row in rows for one in row] or [value]
    return value if isinstance(value, list) and value else [value]


def _bounds(value: Any, path: str) -> dict[str, int]:
    if isinstance(value, dict) and value and value.keys() <= {"min", "max"}:
        return dict(value)
    if isinstance(value, bool) or not re.fullmatch("[0-9]{1,9}", str(value)):
        raise TranslationError(
            f'must be a whole number, or {{"min": 1, "max": 9}}, not {jsonl.canonical(value)[:60]}', f"{path}.value"
        )
    return {"min": int(value), "max": int(value)}
