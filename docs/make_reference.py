"""Writes docs/reference/ from the code: python docs/make_reference.py. A test says whether it is current."""  # noqa: INP001 - a script

from __future__ import annotations

import argparse
import dataclasses
import inspect
import itertools
import re
import textwrap
import tomllib
import typing
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import config, hookspec
from pytest_evalgate.cli.main import VERBS, build_parser
from pytest_evalgate.curation import coverage_map, label_exports, log_files
from pytest_evalgate.gates.decide import EXIT_CODES, NO_CASE_RAN
from pytest_evalgate.golden.dialects.columns import COLUMN_NAMES
from pytest_evalgate.golden.dialects.equivalents import TOOLS
from pytest_evalgate.golden.dialects.known import DIALECTS
from pytest_evalgate.golden.lint import KINDS
from pytest_evalgate.judges.rubric import builtin_rubrics, load_rubric
from pytest_evalgate.plugin import options
from pytest_evalgate.records import verdicts
from pytest_evalgate.runs.schedulers import COUNT_VARIABLE, SCHEDULERS, SLURM_SOURCE, UNNUMBERED
from pytest_evalgate.scorers import RULES, compare, number_reader, part, trajectory
from pytest_evalgate.scorers.moderation import ModerationOptions
from pytest_evalgate.scorers.registry import ScorerOptions
from pytest_evalgate.scorers.same_as import SameAsOptions
from pytest_evalgate.scorers.scorer_set import SetOptions
from pytest_evalgate.scorers.similar import SimilarOptions
from pytest_evalgate.server import openapi
from pytest_evalgate.server.operations import OPERATIONS
from pytest_evalgate.server.parameters import FILTERS, MOST_ROWS, Parameter
from pytest_evalgate.store.tables import OF_RUN, PROMOTIONS, RUNS, tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic import BaseModel

_FOLDER: Final = Path(__file__).parent / "reference"
_MADE: Final = "Made from the code by `docs/make_reference.py`."
_SETTINGS: Final = ("Settings", "Suite", "Model", "Judge", "Report", "Telemetry", "Acknowledgement", "Price")
_ASKING: Final[Mapping[str, type[BaseModel]]] = {
    "similar": SimilarOptions,
    "moderation": ModerationOptions,
    "same-as": SameAsOptions,
    "set": SetOptions,
}
_SUITE_CODES: Final[Mapping[str, str]] = {
    "pass": 'every gate passed; also `inconclusive` under `on_inconclusive = "warn"`',
    "fail": "a gate failed, the gate was weakened, or an ordinary test failed",
    "inconclusive": 'too few cases to say, and `on_inconclusive = "fail"`',
    "incomplete": "answers are missing: retry the job, not the prompt; or fix the reasons first, as it advises",
    "not_evaluated": "only a part of a suite ran, its judges only report, or calls were not allowed",
    "invalid": "the configuration, a golden set or what a gate rests on has to be mended first",
}  # fmt: skip
_PYTESTS: Final[Mapping[int, str]] = {
    2: "pytest was interrupted",
    3: "an internal error",
    NO_CASE_RAN: "no case was selected",
}


def pages() -> dict[str, str]:
    """Return the text of each page, by its file name."""
    made = {
        "options.md": _options(),
        "commands.md": _commands(),
        "configuration.md": _configuration(),
        "hooks.md": _hooks(),
        "scorers.md": _scorers(),
        "dialects.md": _dialects(),
        "logs.md": _logs(),
        "lint.md": _lint(),
        "exit-codes.md": _exit_codes(),
        "schedulers.md": _schedulers(),
        "verdict-json.md": _verdict(),
        "http-api.md": _http_api(),
        "warehouse.md": _warehouse(),
    }
    return {name: "\n".join(lines).rstrip() + "\n" for name, lines in made.items()}


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (heads, ["---"] * len(heads), *rows):
        cells = " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in row)
        yield f"| {cells} |"


def _code(text: object) -> str:
    return f"`{text}`"


def _options() -> Iterator[str]:
    yield from ("# Options of pytest", "", f"{_MADE} What they do together: [configuration](../configuration.md).", "")
    flags = ([_code(name), "", text] for name, text in options.FLAGS.items())
    values = (
        [_code(f"{name} {metavar}"), _code(options.environment_variable(name)), text]
        for name, (metavar, text) in options.VALUES.items()
    )
    yield from _table(("option", "environment", "does"), (*flags, *values))


def _commands() -> Iterator[str]:
    yield from ("# Commands", "", f"{_MADE} `pytest-evalgate VERB --help` says the same.")
    yield from (
        "",
        "Every command exits with 4 if you have to change something, and with 11 if the calls to a model failed.",
    )
    for parser in _verbs(build_parser(VERBS)):
        yield from ("", f"## {parser.prog}", "", _plain(parser.description), "")
        own = [_argument(action) for action in _actions(parser) if _is_shown(action)]
        if own:
            yield from (*_table(("argument", "means"), own), "")
        if parser.epilog:
            command = parser.epilog.removeprefix("example: ")
            yield from (
                ("```console", f"$ {command}", "```") if command != parser.epilog else (_plain(parser.epilog),)
            )


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001 - argparse has no other way to list them


def _verbs(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    nested = [action for action in _actions(parser) if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001 - the same
    for action in nested:
        for verb in dict.fromkeys(action.choices.values()):
            yield from _verbs(verb)
    if not nested:
        yield parser


def _is_shown(action: argparse.Action) -> bool:
    return action.help != argparse.SUPPRESS and "--help" not in action.option_strings


def _argument(action: argparse.Action) -> list[str]:
    metavar = action.metavar if isinstance(action.metavar, str) else None
    value = "" if action.nargs == 0 else (metavar or ", ".join(map(str, action.choices or ())) or action.dest.upper())
    name = ", ".join(action.option_strings)
    help_text = (action.help or "").replace("%%", "%") % vars(action) if "%(" in (action.help or "") else action.help
    return [_code(f"{name} {value}".strip()), _plain((help_text or "").replace("%%", "%"))]


def _configuration() -> Iterator[str]:
    schema = config.json_schema()
    tables = {"Settings": schema, **schema["$defs"]}
    yield from ("# Configuration, key by key", "")
    yield f"{_MADE} As an example to read: [configuration](../configuration.md)."
    for name in (*_SETTINGS, *sorted(tables.keys() - set(_SETTINGS))):
        if "properties" in tables.get(name, {}):
            yield from _keys(name, tables[name])


def _keys(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"## {name}", "", _plain(table.get("description")), "")
    required = table.get("required", ())
    yield from _table(
        ("key", "content", "type", "default"),
        (
            [_code(key), value.get("description", ""), _kind(value), _default(key, value, required)]
            for key, value in table["properties"].items()
        ),
    )


def _default(key: str, value: Mapping[str, Any], required: Sequence[str]) -> str:
    if key in required:
        return "needed"
    return "" if value.get("default") in (None, {}, []) else _code(_toml(value["default"]))


def _toml(value: object) -> str:
    """Write a value as TOML does."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(held)}" for key, held in value.items() if held) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _kind(value: Mapping[str, Any]) -> str:
    """Say in words what a key may hold."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in value or "const" in value:
        return ", ".join(_code(_toml(one)) for one in value.get("enum", [value.get("const")]))
    several = value.get("anyOf") or value.get("oneOf")
    if several:
        return " or ".join(dict.fromkeys(_kind(one) for one in several if one.get("type") != "null"))
    if value.get("type") == "array":
        return f"list of {_kind(value.get('items', {}))}"
    if value.get("type") == "object" and isinstance(value.get("additionalProperties"), dict):
        return f"table of {_kind(value['additionalProperties'])}"
    return f"{value.get('type', 'any value')}{_limits(value)}"


def _limits(value: Mapping[str, Any]) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    said = [f"{word} {value[key]:g}" for key, word in words.items() if key in value]
    return f", {' '.join(said)}" if said else ""


def _hooks() -> Iterator[str]:
    yield from ("# Hooks", "", f"{_MADE} Each can be pasted into a `conftest.py`.", "")
    for name, hook in vars(hookspec).items():
        if name.startswith("pytest_evalgate_"):
            yield from (f"## {name}", "", *_fenced(inspect.getdoc(hook) or ""))


def _fenced(text: str) -> Iterator[str]:
    """Turn indented blocks after ``::`` into fences."""
    for is_code, paragraphs in itertools.groupby(text.split("\n\n"), lambda one: one.startswith("    ")):
        block = "\n\n".join(paragraphs)
        if is_code:
            code = textwrap.dedent(block).rstrip()
            yield from (f"```{'python' if 'def ' in code else ''}", code, "```", "")
        else:
            yield from (_plain(re.sub("::$", ":", block)), "")


def _exit_codes() -> Iterator[str]:
    yield from (
        "# Exit codes",
        "",
        f"{_MADE} What to do about each: [reading a verdict](../reading-a-verdict.md).",
        "",
    )
    ours = {(code, _code(word), _SUITE_CODES[word]) for word, code in EXIT_CODES.items()}
    pytests = {(code, "", text) for code, text in _PYTESTS.items()}
    yield from _table(("exit", "verdict", "means"), ([str(code), *rest] for code, *rest in sorted(ours | pytests)))
    yield ""
    yield "Code 4 without a verdict: the results could not be stored, and the last line has the reason."
    yield ""
    yield "Where pytest itself ends with another code, that one stands: a failed test beside a passing gate is 1."


def _schedulers() -> Iterator[str]:
    yield from (
        "# Schedulers",
        "",
        f"{_MADE} The variables that `--eval-shard auto` reads; what shards are: [shards](../shards.md).",
        "",
    )
    rows = [[one.name, _code(one.index), str(one.first), _code(one.count), one.source] for one in SCHEDULERS]
    slurm = "`SLURM_ARRAY_TASK_COUNT`, with `_MIN`, `_MAX` and `_STEP`"
    rows.append(["Slurm array", "`SLURM_ARRAY_TASK_ID`", "`_MIN`", slurm, SLURM_SOURCE])
    yield from _table(("scheduler", "index", "first", "count", "source"), rows)
    yield from (
        "",
        "If two of them disagree, or a number is missing or out of range, the session ends with exit code 4.",
        f"The message names the variable. {_code(COUNT_VARIABLE)} beside a count of the scheduler must equal it.",
        "",
        "## Without a number",
        "",
        "These set no variable with the number of a task, so the workflow has to pass it on.",
        "",
    )
    yield from _table(("scheduler", "what to do", "source"), ([one.name, one.step, one.source] for one in UNNUMBERED))


def _scorers() -> Iterator[str]:
    yield from ("# Scorers, rule by rule", "", f"{_MADE} An overview: [scorers](../scorers.md).", "")
    yield from ("## Texts and values", "", _plain(inspect.getdoc(compare)), "")
    yield from ("## Numbers", "", _plain(inspect.getdoc(number_reader)), "")
    yield from ("## Parts of an output", "", _plain(inspect.getdoc(part)), "")
    yield from ("## Trajectories", "", _plain(inspect.getdoc(trajectory)))
    for name, rule in RULES.items():
        if not name.startswith("not-") and f"i{name}" != name:
            yield from _rule(name, rule)
    for name in sorted(_ASKING):
        yield from _asking(name, _ASKING[name])
    yield from ("", "## Ready rubrics", "", "Files for a judge: [judges](../judges.md#ready-rubrics).", "")
    yield from _table(("rubric", "passes if, or measures", "needs", "score"), map(_ready_rubric, builtin_rubrics()))


def _ready_rubric(name: str) -> list[str]:
    rubric = load_rubric(config.Judge(model="any", rubric=name), root=Path())
    title = rubric.text.partition("\n")[0].removeprefix("# ")
    graded = f"share: {_code(rubric.share)}" if rubric.share else "pairs" if rubric.pairs else "verdict"
    return [_code(name), title, ", ".join(rubric.needs), graded]


def _asking(name: str, given: type[BaseModel]) -> Iterator[str]:
    """Describe a scorer that is more than a rule; its options have the description."""
    also = "" if name == "set" else f"Also {_code(f'not-{name}')}."
    own = {key: field for key, field in given.model_fields.items() if key not in ScorerOptions.model_fields}
    keys = [
        _code(key)
        + (f" ({'needed' if field.is_required() else _code(_toml(field.default))})" * (field.default is not None))
        for key, field in own.items()
    ]
    yield from ("", f"## {name}", "", *([also, ""] if also else []), _plain(inspect.getdoc(given)), "")
    yield f"Keys: {', '.join(keys)}."


def _rule(name: str, rule: Any) -> Iterator[str]:
    """Describe a rule; the form that ignores case has the description of the other one."""
    if name.removeprefix("i") in RULES and name.startswith("i"):
        return
    also = [_code(other) for other in (f"i{name}", f"not-{name}") if other in RULES]
    keys = [
        parameter
        for parameter in inspect.signature(rule).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    yield from ("", f"## {name}", "", *([f"Also {' and '.join(also)}.", ""] if also else []))
    text = re.sub(r"\n\nRaises:.*", "", inspect.getdoc(rule) or "", flags=re.DOTALL)
    yield from (_RULE_NAME.sub(lambda found: found[0].replace("_", "-"), _plain(text)), "")
    yield f"Keys: {', '.join(map(_key, keys)) or 'none'}."


def _key(parameter: inspect.Parameter) -> str:
    if parameter.default in (None, ()):
        return _code(parameter.name)
    default = "needed" if parameter.default is parameter.empty else _code(_toml(parameter.default))
    return f"{_code(parameter.name)} ({default})"


def _dialects() -> Iterator[str]:
    yield from ("# Dialects of golden sets", "")
    yield f"{_MADE} How they are recognised: [rows of other tools](../golden-sets.md#rows-of-other-tools)."
    yield "Fields of a golden set keep their names. Other fields are stored in `metadata`."
    for dialect in DIALECTS:
        needs = " and ".join(" or ".join(_code(name) for name in sorted(names)) for names in dialect.needs)
        yield from ("", f"## {dialect.name}", "", f"A row has {needs}.", "")
        yield from _table(("field", "read from"), _read_from(dialect))

    yield from ("", "## Columns of tables", "")
    yield "The first name that a table has is read. `name` and `description` are ids if every row has a different one."
    yield ""
    yield from _table(("field", "names"), ([_code(into), ", ".join(names)] for into, names in COLUMN_NAMES.items()))

    yield from ("", "## Words of other tools", "")
    words = tomllib.loads((Path(__file__).parent / "tool_words.toml").read_text("utf-8"))["concept"]
    yield from _table(
        ("concept", "deepeval", "promptfoo", "LangSmith", "plain pytest", "here"),
        (list(one.values()) for one in words),
    )

    yield from ("", "## Checks of other tools", "")
    yield "A row with a type of promptfoo or an evaluator of pydantic-evals that has no equivalent is refused, with"
    yield "its line and these words. The metrics of the other tools occur in code: write what is named here instead."
    for tool, rows in TOOLS.items():
        served = sum(bool(row.ours) for row in rows)
        yield from ("", f"### Checks of {tool}", "", f"{served} of {len(rows)} have an equivalent.", "")
        cells = ([_code(row.theirs), row.ours, row.note[:1].upper() + row.note[1:]] for row in rows)
        yield from _table(("there", "here", "differences; or what to do"), cells)


def _read_from(dialect: Any) -> Iterator[list[str]]:
    found: dict[str, list[str]] = {}
    for rule in dialect.rules:
        found.setdefault(rule.into, []).extend(_code(name) for name in rule.names)
    return ([_code(into), ", ".join(dict.fromkeys(names))] for into, names in found.items())


def _logs() -> Iterator[str]:
    yield from ("# Logs and exports", "", _MADE, "", _LOGS, "")
    for form in log_files.FORMATS:
        if form.columns:
            yield from (f"## {form.name}", "", *_table(("in the export", "in a case"), form.columns), "")
    yield from ("## Shift", "", _SHIFT.format(most=f"{coverage_map.MOST_VALUES:,}"), "", "## Labels", "", _LABELS, "")
    for tool, columns in (
        ("Label Studio", label_exports.LABEL_STUDIO_COLUMNS),
        ("Argilla", label_exports.ARGILLA_COLUMNS),
    ):
        yield from (f"### {tool}", "", *_table(("in the export", "in a label file"), columns), "")


_LOGS: Final = (
    "`sample` and `coverage` read JSON Lines, JSON lists, CSV, TSV and Parquet (extra `warehouse`). A record in one "
    "of the formats below is recognised by its content. In other records, the names of a golden set and of "
    "[tables](dialects.md) are read, `--map` names others, and the rest becomes metadata; `answer`, `reply` and "
    "`outputs` are the output. A field of `--by` is a name or a dotted path of a record, or of its metadata."
)
_SHIFT: Final = (
    "The distance of two distributions over the values of a field is the Jensen-Shannon distance to base 2 "
    "(`scipy.spatial.distance.jensenshannon`): 0 for the same shares, 1 if nothing is in common. Cases count by their "
    "weight. A field has at most {most} values. Lengths are compared by the two-sample Kolmogorov-Smirnov test "
    "(`scipy.stats.ks_2samp`)."
)
_LABELS: Final = (
    "`label import` reads exports of Label Studio (JSON, JSON-MIN) and of Argilla (records as a list, nested or "
    "flattened). Each answer of a person is a row with `rater`; drafts and cancelled answers are left out."
)


def _lint() -> Iterator[str]:
    yield from ("# Findings of lint", "", f"{_MADE} The command: [lint](commands.md#pytest-evalgate-lint).", "")
    yield from _table(("kind", "severity", "finds"), ([_code(kind), *rest] for kind, rest in KINDS.items()))


def _verdict() -> Iterator[str]:
    described = tomllib.loads((Path(__file__).parent / "verdict_fields.toml").read_text("utf-8"))
    yield from ("# verdict.json, field by field", "")
    yield f"{_MADE} When it is written: [reading a verdict](../reading-a-verdict.md#verdictjson)."
    for record in _records(verdicts.Verdict):
        yield from ("", f"## {record.__name__}", "", _plain(inspect.getdoc(record)), "")
        hints, texts = typing.get_type_hints(record), described.get(record.__name__, {})
        rows = (
            [_code(field.name), _hint(hints[field.name]), texts.get(field.name, "")]
            for field in dataclasses.fields(record)
        )
        yield from _table(("field", "type", "content"), rows)


def _http_api() -> Iterator[str]:
    document = openapi.document()
    yield from ("# HTTP API", "", f"{_MADE} `pytest-evalgate view` serves it beside the pages, read-only.")
    yield f"The OpenAPI document is `{openapi.OPENAPI_PATH}`, and `schema/openapi.json` in the repository."
    yield "The answers are the records that `query`, `runs list` and `runs show` print with `--json`."
    yield from ("", "## Questions", "")
    yield from _table(
        ("question", "path", "answer", "parameters"),
        ([_code(one.name), _code(one.path), one.about, _own_parameters(one.parameters)] for one in OPERATIONS),
    )
    yield from ("", "## Filters", "")
    yield from _table(("parameter", "means"), ([_code(one.name), one.about] for one in FILTERS))
    yield ""
    yield f"`limit` is the number of rows of a page, at most {MOST_ROWS:,}. `after` of an answer is the parameter"
    yield "`after` of the next page, and null on the last one. Names in a path are percent-encoded, `/` as `%2F`."
    yield from ("", "## Several questions at once", "")
    yield f"`POST {openapi.BATCH_PATH}` takes a list of 1 to {openapi.MOST_QUESTIONS} questions by their names, and"
    yield "answers them in their order, each with the status that it has alone."
    yield from ("", "```json", _BATCH_EXAMPLE, "```", "", "## Statuses", "")
    statuses = document["components"]["responses"].items()
    yield from _table(("status", "means"), sorted([status, answer["description"]] for status, answer in statuses))
    yield ""
    yield 'An error is `{"error": {"status": 400, "reason": "...", "parameter": "since"}}`.'
    yield "Each answer has an `ETag`; a request with it in `If-None-Match` is answered with 304 if nothing changed."
    yield "With `--token`, send `Authorization: Bearer TOKEN`. Requests of other sites and to other hosts are refused."


_BATCH_EXAMPLE: Final = """[
  {"question": "point", "parameters": {"suite": "support", "metric": "pass_rate"}},
  {"question": "runs", "parameters": {"limit": 5, "label": ["team=search"]}}
]"""


def _own_parameters(parameters: Sequence[Parameter]) -> str:
    """Name the parameters of a question; the filters are described once."""
    filters = {parameter.name for parameter in FILTERS}
    own = [parameter for parameter in parameters if parameter.place == "query" and parameter.name not in filters]
    named = [_code(one.name) + (f": {_choices(one)}" if one.name not in ("limit", "after") else "") for one in own]
    rest = ["filters"] if any(parameter.name == "tier" for parameter in parameters) else []
    return "; ".join([*named, *rest])


def _choices(parameter: Parameter) -> str:
    return ", ".join(map(_code, parameter.choices)) or parameter.about


_ABOUT_FILES: Final = """
(extra `warehouse`, which is DuckDB; `csv` and `jsonl` need no extra):

```text
warehouse/runs/day=2026-11-30/20261130T021500Z-4c15.parquet
warehouse/results/day=2026-11-30/20261130T021500Z-4c15.parquet
```

The day is that of the run's start in UTC. A file has the runs of one day that an export found new; no file is changed later,
and a second export writes nothing. `runs` is written last, so a run that is in it is in all other tables. A table without
rows has no files. Cells of CSV files that a spreadsheet would compute begin with an apostrophe. Inputs, outputs and reasons
are empty without `store_texts = true`.

## Load

| tool | reads |
| --- | --- |
| DuckDB | `FROM 'warehouse/runs/*/*.parquet'` |
| pyarrow | `pyarrow.dataset.dataset("warehouse/runs", partitioning="hive")` |
| Spark | `spark.read.parquet("warehouse/runs")` |
| BigQuery | `bq load` with `--source_format=PARQUET --hive_partitioning_mode=AUTO` |
| Snowflake | `COPY INTO` with `FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE` |

The tests read the files with DuckDB and pyarrow.

## Ten queries

For DuckDB, in the folder that contains `warehouse`.
"""  # noqa: E501 - lines of a page


def _warehouse() -> Iterator[str]:
    command = "pytest-evalgate export --format parquet --out warehouse"
    yield from ("# Warehouse", "", f"{_MADE} `{command}` writes the files", *_ABOUT_FILES.strip().splitlines())
    for query in (Path(__file__).parent / "warehouse_queries.sql").read_text("utf-8").split("-- ")[1:]:
        title, _, sql = query.partition("\n")
        yield from ("", f"### {title}", "", "```sql", sql.strip(), "```")
    yield from ("", "## Tables", "")
    kinds = {"TEXT": "text", "INTEGER": "whole number", "BIGINT": "whole number", "DOUBLE PRECISION": "number"}
    for name in (RUNS, *(name for name in OF_RUN if name != RUNS), PROMOTIONS):
        table = tables()[name]
        yield from (f"### {name}", "", f"Key: {', '.join(map(_code, table.key))}.", "")
        yield from _table(("column", "type"), ([_code(column), kinds[kind]] for column, kind in table.columns.items()))
        yield ""


def _records(top: Any) -> list[Any]:
    """Return a record and those in its fields, each once."""
    found = [top]
    for record in found:
        inside = [_leaves(hint) for hint in typing.get_type_hints(record).values()]
        found += [one for leaves in inside for one in leaves if dataclasses.is_dataclass(one) and one not in found]
    return found


def _leaves(hint: Any) -> tuple[Any, ...]:
    inner = typing.get_args(hint)
    return (hint,) if not inner else tuple(dict.fromkeys(leaf for one in inner for leaf in _leaves(one)))


def _hint(hint: Any) -> str:
    """Say in words what JSON holds for a type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return ", ".join(_code(f'"{word}"') for word in inner)
    if origin in (UnionType, typing.Union):
        return " or ".join(_hint(one) for one in inner)
    if origin is tuple:
        return f"list of {_hint(inner[0])}" if inner[-1] is Ellipsis else f"list of {len(inner)}: {_hint(inner[0])}"
    if inner:
        return f"object of {_hint(inner[-1])}"
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    return {NoneType: "null", str: "text", bool: "true or false", int: "whole number", float: "number"}[hint]


_RULE_NAME: Final = re.compile(
    "|".join(f"`{re.escape(name.replace('-', '_'))}`" for name in RULES if "-" in name and name != "tool-calls")
)
"""Names of rules as they are in Python; the configuration has a hyphen in place of the underscore.

``tool_calls`` is a field of an output as well.
"""


def _plain(text: str | None) -> str:
    return (text or "").replace("``", "`")


if __name__ == "__main__":
    _FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (_FOLDER / name).write_text(text, "utf-8")
