"""Known dialects, and the recognition of the dialect of a file.

Rows are recognised by the names of their fields alone; values are not examined.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import LineProblem
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.dialects import agent_runs, asserts, evaluators, translate
from pytest_evalgate.golden.dialects.translate import Dialect, FieldRule, copy_field, read_field
from pytest_evalgate.golden.record import FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.text.jsonl import JsonLine

CANONICAL_EXPECTED: Final = frozenset({"expected", "expected_any", "asserts"})
"""A row with one of these is canonical."""

_DEEPEVAL: Final = frozenset(
    {"expected_output", "actual_output", "retrieval_context", "additional_metadata", "tools_called"}
)
_OTHER_EXPECTED: Final = frozenset(
    {"assert", "expectedOutput", "expectations", "expected_output", "evaluators", "ideal", "target"}
)
_OTHER_INPUTS: Final = frozenset({"inputs", "item", "user_input", *asserts.COLUMNS})


def _needs(*sets: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(names.split()) for names in sets)


def _without(allowed: str = "", also: str = "") -> frozenset[str]:
    """Return the names of other dialects: all markers apart from those that are ``allowed``, and ``also``."""
    others = CANONICAL_EXPECTED | _OTHER_EXPECTED | _OTHER_INPUTS | frozenset(also.split())
    return others - frozenset(allowed.split())


_INPUT: Final = read_field("input", "input", read=translate.read_input)
_INPUTS: Final = read_field("input", "inputs", read=translate.read_input)
_NO_INPUT: Final = "input messages vars"

_PROMPTFOO: Final = (
    copy_field("id", "id", "description"),
    read_field("vars", "vars", read=asserts.read_variables),
    FieldRule("asserts", ("assert",), asserts.promptfoo_scorers),
    copy_field("output", "providerOutput"),
    read_field("metadata", "options", read=asserts.read_options),
    read_field("threshold", "threshold", read=asserts.read_threshold),
    read_field("asserts", "assertScoringFunction", read=asserts.refuse_function),
)

# the most specific dialects first: if several fit all rows of a file, the first of them is used
DIALECTS: Final = (
    Dialect("promptfoo columns", (frozenset(asserts.COLUMNS),), frozenset(), _PROMPTFOO, prepare=asserts.read_columns),
    Dialect("promptfoo", _needs("assert providerOutput"), _without("assert", "input messages"), _PROMPTFOO),
    Dialect(
        "mlflow",
        _needs("inputs", "expectations dataset_record_id"),
        _without("inputs expectations", _NO_INPUT),
        (
            copy_field("id", "id", "dataset_record_id"),
            _INPUTS,
            read_field("expected", "expectations", read=translate.read_expectations),
            copy_field("output", "outputs"),
            read_field("tags", "tags", read=translate.read_tags),
        ),
    ),
    Dialect(
        "phoenix",
        _needs("input inputs", "external_id"),
        _without("inputs", "id messages vars"),
        (
            copy_field("id", "external_id"),
            read_field("input", "input", "inputs", read=translate.read_input),
            read_field("expected", "outputs", read=translate.read_reference),
            read_field("expected", "output", read=translate.refuse_ambiguous),
            read_field("split", "split", read=translate.read_split),
        ),
        frozenset({"splits"}),
    ),
    Dialect(
        "pydantic-evals",
        _needs("inputs", "expected_output evaluators"),
        _without("inputs expected_output evaluators", f"{_NO_INPUT} outputs"),
        (
            copy_field("id", "id", "name"),
            _INPUTS,
            copy_field("expected", "expected_output"),
            FieldRule("asserts", ("evaluators",), evaluators.evaluator_scorers),
        ),
    ),
    Dialect(
        "langsmith",
        _needs("inputs"),
        _without("inputs", f"{_NO_INPUT} output external_id dataset_record_id"),
        (
            copy_field("id", "id", "name"),
            _INPUTS,
            read_field("expected", "outputs", read=translate.read_reference),
            read_field("split", "split", read=translate.read_split),
        ),
    ),
    Dialect(
        "ragas",
        _needs("user_input"),
        _without("user_input", _NO_INPUT),
        (
            copy_field("id", "id"),
            FieldRule("input", ("user_input",), agent_runs.read_dialogue),
            copy_field("expected", "reference"),
            copy_field("expected_tools", "reference_tool_calls"),
            copy_field("output", "response"),
            copy_field("context", "retrieved_contexts"),
            copy_field("reference_context", "reference_contexts"),
        ),
        frozenset({"rubrics", "multi_responses", "persona_name", "reference_context_ids", "retrieved_context_ids"}),
    ),
    Dialect(
        "opik",
        _needs("input", "id metadata", "expected_output"),
        _without("expected_output", "actual_output retrieval_context additional_metadata tools_called"),
        (_INPUT, copy_field("expected", "expected_output")),
    ),
    Dialect(
        "deepeval",
        (frozenset({"input"}), _DEEPEVAL),
        _without("expected_output"),
        (
            copy_field("id", "id", "name"),
            _INPUT,
            copy_field("expected", "expected_output"),
            copy_field("output", "actual_output"),
            read_field("context", "retrieval_context", read=translate.read_retrieved),
            copy_field("reference_context", "context"),
            copy_field("trajectory", "tools_called"),
            copy_field("metadata", "additional_metadata"),
        ),
        frozenset({"comments", "source_file", "custom_column_key_values", "expected_outcome"}),
    ),
    Dialect(
        "deepeval conversation",
        _needs("scenario turns", "expected_outcome persona scenario user_description"),
        _without("", _NO_INPUT),
        (
            copy_field("id", "id", "name"),
            FieldRule("messages", ("turns",), agent_runs.read_turns),
            FieldRule("input", ("scenario",), translate.read_scenario),
            copy_field("rubric", "expected_outcome"),
            copy_field("reference_context", "context"),
            copy_field("metadata", "additional_metadata"),
        ),
        frozenset({"comments", "custom_column_key_values", "user_description", "persona"}),
    ),
    Dialect(
        "inspect",
        _needs("input", "target"),
        _without("target"),
        (
            _INPUT,
            read_field("expected", "target", read=translate.read_alternatives),
            read_field("vars", "choices", read=lambda value: {"vars": {"choices": value}}),
        ),
        frozenset({"files", "sandbox", "setup"}),
    ),
    Dialect(
        "openai/evals",
        _needs("input", "ideal"),
        _without("ideal"),
        (_INPUT, read_field("expected", "ideal", read=translate.read_alternatives)),
    ),
    Dialect(
        "openai evals api",
        _needs("item"),
        _without("item", _NO_INPUT),
        (
            read_field("vars", "item", read=translate.read_item),
            read_field("output", "sample", read=translate.read_sample),
        ),
    ),
    Dialect(
        "langfuse",
        _needs("input", "expectedOutput"),
        _without("expectedOutput"),
        (_INPUT, copy_field("expected", "expectedOutput")),
    ),
    Dialect(
        "braintrust",
        _needs("input", "trial_count"),
        _without("expected", "trials"),
        (copy_field("trials", "trial_count"),),
    ),
    Dialect(
        "azure",
        _needs("prompt query", "expected_response ground_truth response"),
        _without("", f"{_NO_INPUT} output"),
        (
            read_field("input", "query", "prompt", read=translate.read_input),
            copy_field("expected", "expected_response", "ground_truth"),
            copy_field("output", "response"),
        ),
    ),
    Dialect(
        "ragas 0.1",
        _needs("question", "answer", "ground_truth ground_truths", "contexts"),
        _without("", f"{_NO_INPUT} output"),
        (
            read_field("input", "question", read=translate.read_input),
            read_field("expected", "ground_truth", "ground_truths", read=translate.read_alternatives),
            copy_field("output", "answer"),
            copy_field("context", "contexts"),
        ),
        frozenset({"evolution_type", "episode_done"}),
    ),
    Dialect(
        "question and answer",
        _needs("question query prompt instruction"),
        frozenset({"input", "messages", "vars", "output", "expected_any", "asserts", "assert", *_OTHER_INPUTS}),
        (
            copy_field("id", "id", "case_id", "test_id", "example_id", "name"),
            read_field("input", "question", "query", "prompt", "instruction", read=translate.read_input),
            read_field("expected", *translate.EXPECTED_NAMES, read=translate.read_alternatives),
            copy_field("context", "retrieval_context", "retrieved_contexts", "contexts", "context", "documents"),
            copy_field("rubric", "rubric", "criteria"),
        ),
    ),
)

CANONICAL: Final = "canonical"
_FOREIGN_NAMES: Final = frozenset().union(*(names for dialect in DIALECTS for names in dialect.needs)) - FIELDS
_BY_NAME: Final = {dialect.name: dialect for dialect in DIALECTS}


def recognise(lines: Sequence[JsonLine], file: str) -> tuple[Dialect | None, list[LineProblem]]:
    """Return the dialect of the rows of a file (None for canonical rows), and the first problem.

    Problems are a row that fits two dialects, and two rows that fit no common dialect: the file cannot be loaded.
    """
    if all(_FOREIGN_NAMES.isdisjoint(line.value) for line in lines):  # takes 0.2 µs for each canonical row
        return None, []
    possible = frozenset({CANONICAL, *_BY_NAME})
    for line in lines:
        matches = _matches(frozenset(line.value))
        if matches.ambiguous:
            markers = [f'{one.name} ("{one.marker(frozenset(line.value))}")' for one in matches.ambiguous]
            message = f"can be read as {' or '.join(markers)}, with different expected values: keep one of the fields"
            return None, [LineProblem(file, line.number, "", message)]
        if possible.isdisjoint(matches.names):
            return None, [LineProblem(file, line.number, "", _mixture_message(lines, line))]
        possible &= matches.names
    return (None if CANONICAL in possible else next(one for one in DIALECTS if one.name in possible)), []


@dataclass(frozen=True, slots=True)
class _Matches:
    """The dialects that fit a row. ``ambiguous`` contains two that both fit but exclude each other."""

    names: frozenset[str]
    ambiguous: tuple[Dialect, ...] = ()


@lru_cache(maxsize=1024)
def _matches(names: frozenset[str]) -> _Matches:
    candidates = [dialect for dialect in DIALECTS if dialect.has_needed(names)]
    if fitting := frozenset(dialect.name for dialect in candidates if dialect.allows(names)):
        return _Matches(fitting)
    rivals = [dialect for dialect in candidates if (dialect.without & names).isdisjoint(FIELDS)]
    if len(rivals) > 1:
        return _Matches(frozenset(), (rivals[0], rivals[1]))
    return _Matches(frozenset({CANONICAL, *(dialect.name for dialect in DIALECTS if dialect.allows(names))}))


def _mixture_message(lines: Sequence[JsonLine], line: JsonLine) -> str:
    """Return the message about a line that fits none of the dialects of the lines before it; names one of these.

    The named line is the first one that shares no dialect with ``line``, or line 1 if only all of them together
    exclude every dialect.
    """
    here = _matches(frozenset(line.value)).names
    before = [other for other in lines if other.number < line.number]
    first = next((one for one in before if here.isdisjoint(_matches(frozenset(one.value)).names)), before[0])
    return (
        f"the dialect is {_describe(line.value)}, but that of line {first.number} is {_describe(first.value)}: "
        "split the file, or use the canonical names"
    )


def _describe(row: Mapping[str, Any]) -> str:
    """Return the dialect of a row with the field that identifies it, for a message."""
    names = frozenset(row)
    fitting = _matches(names).names
    if CANONICAL in fitting:
        marker = next((name for name in ("expected", "expected_any", "asserts", *row) if name in names & FIELDS), "")
        return f'{CANONICAL} ("{marker}")'
    dialect = next(one for one in DIALECTS if one.name in fitting)
    return f'{dialect.name} ("{dialect.marker(names)}")'
