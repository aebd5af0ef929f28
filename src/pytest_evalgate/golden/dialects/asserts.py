"""Translation of the tests of promptfoo: variables, options, tables, and the asserts of a case.

An assert without an equivalent rule is an error: a case must not pass because a check was dropped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.golden.dialects import javascript
from pytest_evalgate.golden.dialects.assert_types import GRADED, KNOWN, WITH_VALUE, AssertEntry, read_type
from pytest_evalgate.golden.dialects.transforms import read_transforms
from pytest_evalgate.golden.dialects.translate import TranslationError, read_input
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Mapping

    Spec = dict[str, Any]

COLUMNS: Final = ("__expected", "__expected1")
"""Columns that identify a row of a promptfoo table. Its other columns are variables."""

_BY_CODE: Final = 'is code, which a golden set cannot run: move it to the suite, as { python = "pkg.mod:name" }'
_NAMES_FILE: Final = "refers to a file: copy its content into the row"
_SET: Final = "assert-set"
_ENTRY: Final = frozenset({"type", "value", "threshold", "weight", "metric", "transform"})
_SET_ENTRY: Final = frozenset({"type", "assert", "threshold", "weight", "metric"})
_CHANGES: Final = ("transform", "postprocess", "prefix", "suffix")
_CELL: Final = re.compile(
    r"(?P<type>(?:not-)?(?:similar:(?:cosine|dot|euclidean)(?=[(:]|\Z)|[a-z][a-z0-9-]*))"
    r"(?:\((?P<threshold>[0-9]{1,9}(?:\.[0-9]{1,9})?)\))?(?::\s*(?P<value>.*))?",
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
    found = [read_assert(entry, known, f"[{index}]") for index, entry in enumerate(value)]
    wanted = [
        _substitute(entry["value"], known, f"[{index}].value")
        for index, entry in enumerate(value)
        if found[index][0]["kind"] == "exact" and "field" not in found[index][0]
    ]
    specs = [spec for specs in found for spec in specs]
    return {"asserts": specs, **({"expected": wanted[0]} if len(wanted) == 1 else {})}


_PLAIN: Final = frozenset(
    {"equals", "contains", "icontains", "starts-with", "regex", "bleu", "javascript", "python", "ruby", "webhook"}
    | {f"{case}contains-{how}" for case in ("", "i") for how in ("any", "all")}
)
"""Types that `scorers.build` reads in a canonical row, where they may have options of ours as well."""


def translate_types(entries: list[Any], row: Mapping[str, Any]) -> list[Any]:
    """Return the asserts of a canonical row, with those of promptfoo's types as scorers.

    Raises:
        TranslationError: One has no equivalent.
    """
    variables = row.get("vars")
    known = variables if isinstance(variables, dict) else {}
    made: list[Any] = []
    for index, entry in enumerate(entries):
        kind = entry.get("type") if isinstance(entry, dict) and "kind" not in entry else None
        plain = kind.removeprefix("not-") if isinstance(kind, str) else ""
        if plain in _PLAIN or plain not in KNOWN or (plain == "is-json" and "value" not in entry):
            made.append(entry)
        else:
            made += read_assert(entry, known, f"[{index}]")
    return made


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
    if found is None or kind not in KNOWN or (found["value"] is None and kind in WITH_VALUE):
        entry: dict[str, Any] = {"type": "equals", "value": text}
    else:
        entry = {"type": found["type"], "value": found["value"]}
        entry |= {"threshold": float(found["threshold"])} if found["threshold"] else {}
    return entry | ({"metric": metric} if metric else {})


def read_assert(entry: Any, known: Mapping[str, Any], path: str) -> list[Spec]:
    """Return the scorers of one assert or set, with its variables replaced by those in ``known``.

    Raises:
        TranslationError: It has no equivalent; the path of the error begins with ``path``.
    """
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise TranslationError('needs a "type" that is a string, such as "contains"', path)
    _check_keys(entry, _SET_ENTRY if entry["type"] == _SET else _ENTRY, path)
    if entry["type"] == _SET:
        return [_read_set(entry, known, path)]
    kind = entry["type"]
    value = _substitute(entry.get("value"), known, f"{path}.value")
    negated = kind.startswith("not-")
    plain = AssertEntry(kind.removeprefix("not-"), value, entry.get("threshold"), negated, path)
    specs = read_type(plain)
    try:
        specs = [read_transforms([entry.get("transform")]).apply(spec) for spec in specs]
    except TranslationError as error:
        raise TranslationError(str(error), f"{path}.transform") from None
    common = _common(entry, path, graded=plain.kind in GRADED)
    if "weight" in common:
        common["weight"] /= len(specs)
    return [{**spec, **common} for spec in specs]


def _read_set(entry: Mapping[str, Any], known: Mapping[str, Any], path: str) -> Spec:
    """Read a set: all of its asserts, or a share of them by weight, have to pass."""
    inner = entry.get("assert")
    if not isinstance(inner, list) or not inner:
        raise TranslationError("must be a list of asserts", f"{path}.assert")
    specs = [spec for at, one in enumerate(inner) for spec in read_assert(one, known, f"{path}.assert[{at}]")]
    if any(spec["kind"] == "rubric" for spec in specs):
        raise TranslationError(
            "has a member that a judge grades, which is no member of a set here: move it out", f"{path}.assert"
        )
    common = _common(entry, path, graded=True)
    if common.get("threshold") == 0:  # promptfoo passes it for any scores of its members
        common = {name: value for name, value in common.items() if name not in ("threshold", "weight")}
        common["severity"] = "warn"
    return {"kind": "set", "asserts": specs, **common}


def _check_keys(entry: Mapping[str, Any], known: frozenset[str], path: str) -> None:
    for name, value in entry.items():
        if name not in known and value not in (None, {}, []):
            raise TranslationError(
                "is not supported here: remove it, or move the assert to the suite",
                f"{path}.{jsonl.escape_text(name)}",
            )


def _common(entry: Mapping[str, Any], path: str, *, graded: bool) -> dict[str, Any]:
    """Read the options that every assert has; only a graded assert has a threshold. The weight 0 decides nothing."""
    names = {"threshold": "threshold", "weight": "weight", "metric": "name"}
    given = {names[name]: entry[name] for name in names if entry.get(name) is not None}
    if not graded:
        given.pop("threshold", None)
    weight = given.get("weight", 1)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
        raise TranslationError("must be a number from 0", f"{path}.weight")
    if weight in (0, 1):
        given.pop("weight", None)
    return {**given, **({"severity": "warn"} if weight == 0 else {})}


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


def _written(value: Any, path: str) -> str:
    try:
        return javascript.write(value)
    except TranslationError as error:
        raise TranslationError(str(error), path) from None
