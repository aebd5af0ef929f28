"""One home for the messages about pydantic's, tomllib's and json's problems, and none of their own words in it."""

from __future__ import annotations

import ast
import datetime as dt
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from pytest_evalgate.config import Settings, load
from pytest_evalgate.config.advice import about_missing, about_unknown
from pytest_evalgate.config.gates import GATES
from pytest_evalgate.config.suites import Acknowledgement, Suite, Tier
from pytest_evalgate.config.tables import Judge, Model, Price, Report
from pytest_evalgate.config.targets import TARGETS, HttpRequest
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.golden.record import GoldenRow
from pytest_evalgate.judges.rubric import _Head
from pytest_evalgate.records.verdicts import Baseline, Calibration
from pytest_evalgate.runs.codec import CaseRow
from pytest_evalgate.scorers.registry import RULES, SpecError, parameters, read_params
from pytest_evalgate.text.problems import UNQUOTED, Problem, explain, first_problem
from pytest_evalgate.text.syntax import InvalidToml, parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

_SRC = Path(__file__).parents[2] / "src" / "pytest_evalgate"
_PARSERS = {"ValidationError", "TOMLDecodeError", "JSONDecodeError"}
_TRANSLATE = {"explain", "first_problem", "describe_json_error"}
_HOMES = {"text/problems.py", "text/syntax.py"}


def _misused(tree: ast.Module) -> Iterator[int]:
    """Yield the lines that use a caught error of a parser for anything but to have it translated."""
    for handler in (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.type):
        caught = {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(handler.type or ast.Pass())}
        if not caught & _PARSERS or handler.name is None:
            continue
        allowed = {
            id(argument)
            for call in ast.walk(handler)
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in _TRANSLATE
            for argument in call.args
        }
        names = (node for node in ast.walk(handler) if isinstance(node, ast.Name) and node.id == handler.name)
        yield from (node.lineno for node in names if id(node) not in allowed)


def test_no_other_module_words_an_error_of_a_parser() -> None:
    seen = 0
    for path in sorted(_SRC.rglob("*.py")):
        name, text = path.relative_to(_SRC).as_posix(), path.read_text("utf-8")
        if name in _HOMES:
            continue
        seen += any(f"{error} as " in text for error in _PARSERS)
        assert ".errors(" not in text, f"{name}: use text.problems.explain"
        assert [*_misused(ast.parse(text))] == [], f"{name}: use text.problems.explain or text.syntax"
    assert seen >= 8


def test_the_scan_finds_what_it_looks_for() -> None:
    wrong = "try:\n    x()\nexcept (OSError, tomllib.TOMLDecodeError) as error:\n    raise E(str(error))\n"
    right = "try:\n    x()\nexcept ValidationError as error:\n    raise E(explain(error, {})) from None\n"
    assert [*_misused(ast.parse(wrong))] == [4]
    assert [*_misused(ast.parse(right))] == []


_KEY = "sk-proj-AbCdEfGh1234567890"
_WRONG: list[Any] = [
    *(None, True, 0, 3, -1, 85, 10**30, 1.5, -0.5, math.nan, math.inf),
    *("", "x", "85%", "0,5", "yes", "two words", _KEY, "https://user:hunter2@host/x", "\x1b[31m"),
    *([], [1], [""], [[]], [{}], [None], ["a", 2], {}, {"a": 1}, {"": None}, {"a": {}}, {"kind": "x"}, {"kind": 3}),
    *(dt.date(2026, 1, 31), b"x"),
]
_FOREIGN = re.compile(
    r"[Ii]nput should|should (?:be|have|match)|[Ff]ield required|[Ee]xtra inputs|Value error|valid (?:string|integer|"
    r"number|list|tuple|dictionary|boolean)|Unable to|Input tag|pydantic|type=|instances? of|not permitted|Tuple|List "
)
_MODELS: list[type[BaseModel]] = [
    *(Settings, Suite, Tier, Acknowledgement, Judge, Model, Price, Report, HttpRequest, _Head, GoldenRow, CaseRow),
    *GATES.values(),
    *TARGETS.values(),
]


def _check(messages: list[str]) -> None:
    assert messages
    for message in messages:
        assert not _FOREIGN.search(message), message
        assert _KEY not in message
        assert "hunter2" not in message
        assert message.isprintable(), message
        assert len(message) < 420, message


@pytest.mark.parametrize("model", _MODELS, ids=lambda model: model.__name__)
def test_every_field_with_every_wrong_value_has_a_message_of_ours(model: type[BaseModel]) -> None:
    refused = 0
    for field in model.model_fields:
        for value in _WRONG:
            data = {field: value}
            try:
                model.model_validate(data)
            except ValidationError as error:
                refused += 1
                problems = explain(error, data, language="json", missing=about_missing)
                _check([*map(str, problems)])
                assert len({problem.place for problem in problems}) == len(problems)
    assert refused > len(_WRONG) / 2
    for value in _WRONG:
        with pytest.raises(ValidationError) as caught:
            model.model_validate({"no_such_key": value})
        _check([*map(str, explain(caught.value, {"no_such_key": value}))])


def _valid_suite() -> dict[str, Any]:
    return {
        "golden": "g.jsonl",
        "scorers": ["exact", {"kind": "contains", "value": "x"}],
        "slices": ["lang"],
        "target": {"http": {"url": "http://localhost/", "headers": {"a": "b"}, "headers_env": {"c": "D"}}},
        "gates": [{"kind": "pass-rate", "min": 0.8}, {"kind": "slice", "by": "lang"}],
        "tiers": {"quick": {"sample": 3, "gates": [{"kind": "must-pass", "tags": ["a"]}]}},
    }


def _valid() -> dict[str, Any]:
    return {
        "models": {"m": {"model": "x", "price": {"input_per_mtok": 1.0, "output_per_mtok": 1.0}}},
        "judges": {"j": {"model": "m", "rubric": "correctness"}},
        "acknowledged": [{"change": "a", "reason": "b", "owner": "c"}],
        "report": {"formats": ["html"], "redact": ["input.a"]},
        "suites": {"faq": _valid_suite()},
    }


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in members:
        yield (*path, step)
        yield from _places(inner, (*path, step))


def _with(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    data: Any = _valid()
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return data  # type: ignore[no-any-return]


def test_a_wrong_value_anywhere_in_the_settings_is_named_by_its_place() -> None:
    Settings.model_validate(_valid())
    for path in _places(_valid()):
        for value in _WRONG:
            data = _with(path, value)
            try:
                Settings.model_validate(data)
            except ValidationError as error:
                found = explain(error, data, unknown=lambda place: about_unknown(place, data), missing=about_missing)  # noqa: B023 - called at once
                _check([*map(str, found)])
                for (
                    problem
                ) in found:  # at the value, in it, or about a table around it; or about a name that it defined
                    common = min(len(problem.place), len(path))
                    is_name = " is named " in problem.message or problem.message.startswith("a slice gate is by")
                    assert is_name or problem.place[:common] == path[:common]


@pytest.mark.parametrize("kind", sorted(RULES))
def test_every_parameter_of_a_rule_with_every_wrong_value_has_a_message_of_ours(kind: str) -> None:
    for name in (*parameters(RULES[kind]), "threshold", "weight", "name", "no_such_key"):
        for value in _WRONG:
            try:
                read_params(kind, RULES[kind], {name: value})
            except SpecError as error:
                _check([str(error)])


@pytest.mark.parametrize("record", [Baseline, Calibration])
def test_stored_files_have_messages_of_ours(record: Any) -> None:
    adapter = TypeAdapter(record)
    for field in record.__dataclass_fields__:
        for value in _WRONG:
            with pytest.raises(ValidationError) as caught:
                adapter.validate_python({field: value})
            _check([first_problem(caught.value, {field: value})])


def test_pydantic_knows_no_type_of_error_that_is_ours() -> None:
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({"model": "a", "api_key_env": _KEY})
    assert caught.value.errors()[0]["type"] == UNQUOTED


_TOML = [
    ("mode = blocking", 1, 'mode: put the text in quotes: mode = "blocking"'),
    ("x = 1\nmin = 85%", 2, "min: write 0.85 instead of 85%"),
    ("x = True", 1, "x: write true instead of True"),
    ("x = None", 1, "x: TOML has no None: remove the key"),
    ("mode: advisory", 1, "write mode = ... instead of mode: ..."),
    ("[suites.faq]\ngolden: x.jsonl", 2, "write golden = ... instead of golden: ..."),
    ("// note", 1, "comments begin with #, not //"),
    ('x = "a\n', 1, "a text is not closed: add the second quote on the same line"),
    ("x = [1,\n2", 2, "the text ends inside of a value: a bracket or a quote is not closed"),
    ("x = {a = 1\n", 1, "a table in braces must be closed with } on the line where it begins"),
    ("x = 1\nx = 2", 2, "this key is there twice: remove one"),
    ("[a]\nb = 1\n[a]", 3, "this table is there twice: put all its keys under one [header]"),
    ("x = 1 y = 2", 1, "there is text after the end of the value: one key a line, text in quotes"),
    ('pattern = "\\d+"', 1, "a backslash in double quotes begins an escape: use single quotes, such as '\\d+'"),
    ("[suites.faq\n", 1, "the [table] header is not closed: add ]"),
    ("x =", 1, "x: the value is missing"),
    ("x = # later\ny = 1", 1, "x: the value is missing"),
    ("x = .5", 1, "x: write 0.5 instead of .5"),
    ("y = 0.5\nx = { a = 1. }", 2, "a: write 1 instead of 1."),
    ("x = 05", 1, "x: write 5 instead of 05"),
    ("x = \u201ca\u201d", 1, 'x: typographic quotes; use "'),
    ("x = \ny = 1", 1, "x: the value is missing"),
    ("x = ?", 1, "the value is missing or misspelt: write text in quotes, numbers as 0.85, true or false"),
    ("a.b = 1\n[a]\nb = 2", 2, "this table is there twice: put all its keys under one [header]"),
    (f"api_key = {_KEY}", 1, "api_key: put the text in quotes"),
]


@pytest.mark.parametrize(("text", "line", "message"), _TOML)
def test_a_mistake_in_toml_is_named_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(InvalidToml) as caught:
        parse_toml(text.encode())
    assert (caught.value.line, str(caught.value)) == (line, f"not TOML: {message}")


_LINES = """
[suites.faq]
golden = "g.jsonl"
gates = [
  { kind = "pass-rate", min = 85 },
  { kind = "slice", by = "lang", min_n = 0 },
  { kind = "budget" },
]

[[acknowledged]]
change = "a"
reason = "b"
owner = "c"

[[acknowledged]]
change = ""
reason = "b"
owner = "c"

[suites.faq.target]
python = "app"
"""


def test_problems_have_the_lines_of_their_keys(tmp_path: Path) -> None:
    for name, head, more in (("evalgate.toml", "", 0), ("pyproject.toml", "[project]\nname = 'x'\n", 2)):
        text = _LINES if not head else head + re.sub(r"^(\[+)", r"\1tool.evalgate.", _LINES, flags=re.MULTILINE)
        (tmp_path / name).write_text(text)
        with pytest.raises(SettingsError) as caught:
            load(tmp_path)
        (tmp_path / name).unlink()
        found = [line.split(": ")[:2] for line in str(caught.value).splitlines()]
        assert found == [
            [f"{name}:{line + more}", key]
            for line, key in (
                (5, "suites.faq.gates[0].min"),
                (6, "suites.faq.gates[1].min_n"),
                (7, "suites.faq.gates[2]"),
                (16, "acknowledged[1].change"),
                (21, "suites.faq.target.python"),
            )
        ]


def test_a_problem_of_the_whole_has_no_key() -> None:
    assert str(Problem((), "must be a table")) == "must be a table"
    assert str(Problem(("a", 0, "b"), "x")) == "a[0].b: x"
