"""The dialects that load as they are, the more particular ones first."""

from __future__ import annotations

from typing import Final

from pytest_evalgate.golden.dialects import evaluators, promptfoo, values
from pytest_evalgate.golden.dialects.dialect import Dialect, Part, kept, part

CANONICAL_WISHES: Final = frozenset({"expected", "expected_any", "asserts"})
"""Who writes one of these writes the canonical record."""

_DEEPEVAL: Final = frozenset(
    {"expected_output", "actual_output", "retrieval_context", "additional_metadata", "tools_called"}
)
_OTHER_WISHES: Final = frozenset(
    {"assert", "expectedOutput", "expectations", "expected_output", "evaluators", "ideal", "target"}
)
_OTHER_QUESTIONS: Final = frozenset({"inputs", "item", "user_input", *promptfoo.COLUMNS})


def _needs(*sets: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(names.split()) for names in sets)


def _without(allowed: str = "", also: str = "") -> frozenset[str]:
    """Return the names that belong to other dialects than the one whose own are ``allowed``."""
    others = CANONICAL_WISHES | _OTHER_WISHES | _OTHER_QUESTIONS | frozenset(also.split())
    return others - frozenset(allowed.split())


_QUESTION: Final = part("input", "input", read=values.asked)
_QUESTIONS: Final = part("input", "inputs", read=values.asked)
_NO_INPUT: Final = "input messages vars"

_PROMPTFOO: Final = (
    kept("id", "id", "description"),
    part("vars", "vars", read=promptfoo.variables),
    Part("asserts", ("assert",), promptfoo.asserts),
    kept("output", "providerOutput"),
    part("metadata", "options", read=promptfoo.options),
    *(part("asserts", name, read=promptfoo.refused) for name in ("threshold", "assertScoringFunction")),
)

DIALECTS: Final = (
    Dialect(
        "promptfoo columns",
        (frozenset(promptfoo.COLUMNS),),
        frozenset(),
        _PROMPTFOO,
        prepare=promptfoo.from_columns,
    ),
    Dialect(
        "promptfoo",
        _needs("assert providerOutput"),
        _without("assert", "input messages"),
        _PROMPTFOO,
    ),
    Dialect(
        "mlflow",
        _needs("inputs", "expectations dataset_record_id"),
        _without("inputs expectations", _NO_INPUT),
        (
            kept("id", "id", "dataset_record_id"),
            _QUESTIONS,
            part("expected", "expectations", read=values.expectations),
            kept("output", "outputs"),
            part("tags", "tags", read=values.tags),
        ),
    ),
    Dialect(
        "phoenix",
        _needs("input inputs", "external_id"),
        _without("inputs", "id messages vars"),
        (
            kept("id", "external_id"),
            part("input", "input", "inputs", read=values.asked),
            part("expected", "outputs", read=values.reference),
            part("expected", "output", read=values.either),
            part("split", "split", read=values.split),
        ),
        frozenset({"splits"}),
    ),
    Dialect(
        "pydantic-evals",
        _needs("inputs", "expected_output evaluators"),
        _without("inputs expected_output evaluators", f"{_NO_INPUT} outputs"),
        (
            kept("id", "id", "name"),
            _QUESTIONS,
            kept("expected", "expected_output"),
            part("asserts", "evaluators", read=evaluators.asserts),
        ),
    ),
    Dialect(
        "langsmith",
        _needs("inputs"),
        _without("inputs", f"{_NO_INPUT} output external_id dataset_record_id"),
        (
            kept("id", "id", "name"),
            _QUESTIONS,
            part("expected", "outputs", read=values.reference),
            part("split", "split", read=values.split),
        ),
    ),
    Dialect(
        "ragas",
        _needs("user_input"),
        _without("user_input", _NO_INPUT),
        (
            kept("id", "id"),
            part("input", "user_input", read=values.asked),
            kept("expected", "reference"),
            kept("expected_tools", "reference_tool_calls"),
            kept("output", "response"),
            kept("context", "retrieved_contexts"),
            kept("reference_context", "reference_contexts"),
        ),
        frozenset({"rubrics", "multi_responses", "persona_name", "reference_context_ids", "retrieved_context_ids"}),
    ),
    Dialect(
        "opik",
        _needs("input", "id metadata", "expected_output"),
        _without("expected_output", "actual_output retrieval_context additional_metadata tools_called"),
        (_QUESTION, kept("expected", "expected_output")),
    ),
    Dialect(
        "deepeval",
        (frozenset({"input"}), _DEEPEVAL),
        _without("expected_output"),
        (
            kept("id", "id", "name"),
            _QUESTION,
            kept("expected", "expected_output"),
            kept("output", "actual_output"),
            kept("context", "retrieval_context"),
            kept("reference_context", "context"),
            kept("trajectory", "tools_called"),
            kept("metadata", "additional_metadata"),
        ),
        frozenset({"comments", "source_file", "custom_column_key_values", "expected_outcome"}),
    ),
    Dialect(
        "inspect",
        _needs("input", "target"),
        _without("target"),
        (
            _QUESTION,
            part("expected", "target", read=values.any_of),
            part("vars", "choices", read=lambda value: {"vars": {"choices": value}}),
        ),
        frozenset({"files", "sandbox", "setup"}),
    ),
    Dialect(
        "openai/evals",
        _needs("input", "ideal"),
        _without("ideal"),
        (_QUESTION, part("expected", "ideal", read=values.any_of)),
    ),
    Dialect(
        "openai evals api",
        _needs("item"),
        _without("item", _NO_INPUT),
        (part("vars", "item", read=values.item), part("output", "sample", read=values.sample)),
    ),
    Dialect(
        "langfuse",
        _needs("input", "expectedOutput"),
        _without("expectedOutput"),
        (_QUESTION, kept("expected", "expectedOutput")),
    ),
    Dialect(
        "braintrust", _needs("input", "trial_count"), _without("expected", "trials"), (kept("trials", "trial_count"),)
    ),
    Dialect(
        "azure",
        _needs("prompt query", "expected_response ground_truth response"),
        _without("", f"{_NO_INPUT} output"),
        (
            part("input", "query", "prompt", read=values.asked),
            kept("expected", "expected_response", "ground_truth"),
            kept("output", "response"),
        ),
    ),
    Dialect(
        "question and answer",
        _needs("question query prompt instruction"),
        frozenset({"input", "messages", "vars", "output", "expected_any", "asserts", "assert", *_OTHER_QUESTIONS}),
        (
            kept("id", "id", "case_id", "test_id", "example_id", "name"),
            part("input", "question", "query", "prompt", "instruction", read=values.asked),
            part("expected", *values.WANTED, read=values.any_of),
            kept("context", "retrieval_context", "retrieved_contexts", "contexts", "context", "documents"),
            kept("rubric", "rubric", "criteria"),
        ),
    ),
)
