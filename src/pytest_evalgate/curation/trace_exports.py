"""Exports of Langfuse and Phoenix as rows: one for each trace, observation or span with a question.

Sources: https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields and the public API of
Langfuse; `get_spans_dataframe` and the REST API of Phoenix, with the attributes of OpenInference
(https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.curation.chat_values import answer_value, parsed, question_fields, without_empty

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.records.cases import Json

LANGFUSE_COLUMNS: Final = (
    ("id", "id"),
    ("input", "input, messages or vars"),
    ("output", "output"),
    ("trace_id or traceId", "metadata.trace_id"),
    ("start_time, startTime or timestamp", "metadata.time"),
    ("provided_model_name, providedModelName or model", "metadata.model"),
    ("user_id or userId, session_id or sessionId", "metadata.user, metadata.session"),
    ("metadata, tags, type, name, environment, level, scores and others", "metadata"),
)
"""Column map of Langfuse: name in the export, canonical field."""

PHOENIX_COLUMNS: Final = (
    ("context.span_id", "id"),
    ("attributes.llm.input_messages or attributes.input.value", "input, messages or vars"),
    ("attributes.llm.output_messages or attributes.output.value", "output"),
    ("attributes.retrieval.documents", "context"),
    ("attributes.llm.model_name", "metadata.model"),
    ("attributes.session.id, attributes.user.id", "metadata.session, metadata.user"),
    ("attributes.metadata", "metadata"),
    ("context.trace_id, name, span_kind, start_time, status_code", "metadata"),
)
"""Column map of Phoenix: name in the export, canonical field."""

_RENAMED: Final = {
    "trace_id": "trace_id",
    "traceId": "trace_id",
    "start_time": "time",
    "startTime": "time",
    "timestamp": "time",
    "provided_model_name": "model",
    "providedModelName": "model",
    "model": "model",
    "user_id": "user",
    "userId": "user",
    "session_id": "session",
    "sessionId": "session",
}
_LEFT_OUT: Final = frozenset(
    {"id", "input", "output", "metadata", "observations", "project_id", "projectId", "htmlPath"}
)
_OF_LANGFUSE: Final = (
    frozenset({"input", "output", "trace_id", "type", "start_time"}),
    frozenset({"input", "output", "traceId", "type", "startTime"}),
    frozenset({"input", "output", "timestamp", "user_id", "session_id"}),
    frozenset({"input", "output", "timestamp", "userId", "sessionId"}),
)


def is_langfuse(value: Mapping[str, Json]) -> bool:
    """Return whether an object is a trace or an observation of Langfuse."""
    return any(names <= value.keys() for names in _OF_LANGFUSE)


def langfuse_rows(value: Mapping[str, Json]) -> Iterator[dict[str, Any]]:
    """Yield the row of a trace or an observation, if it has a question."""
    question, output = question_fields(value.get("input")), answer_value(value.get("output"))
    if not question:
        return
    own = parsed(value.get("metadata"))
    others = [(_RENAMED.get(name, name), parsed(one)) for name, one in value.items() if name not in _LEFT_OUT]
    metadata = {**(own if isinstance(own, dict) else {}), **without_empty(others)}
    yield _row(value.get("id"), question, output, metadata)


def is_phoenix(value: Mapping[str, Json]) -> bool:
    """Return whether an object is a span of Phoenix, with nested or with dotted names."""
    context = value.get("context")
    nested = isinstance(context, dict) and "span_id" in context and isinstance(value.get("attributes"), dict)
    return nested or ("context.span_id" in value and any(name.startswith("attributes.") for name in value))


def phoenix_rows(value: Mapping[str, Json]) -> Iterator[dict[str, Any]]:
    """Yield the row of a span, if it has a question."""
    flat = dict(_flat(value))
    attributes = {
        name.removeprefix("attributes."): one for name, one in flat.items() if name.startswith("attributes.")
    }
    asked = attributes.get("llm.input_messages") or attributes.get("input.value")
    answered = attributes.get("llm.output_messages") or attributes.get("output.value")
    question, output = question_fields(asked), answer_value(answered)
    if not question:
        return
    own = parsed(attributes.get("metadata"))
    metadata = {
        **(own if isinstance(own, dict) else {}),
        **without_empty(
            [
                ("trace_id", flat.get("context.trace_id")),
                ("name", flat.get("name")),
                ("span_kind", flat.get("span_kind", attributes.get("openinference.span.kind"))),
                ("time", flat.get("start_time")),
                ("status", flat.get("status_code")),
                ("model", attributes.get("llm.model_name")),
                ("session", attributes.get("session.id")),
                ("user", attributes.get("user.id")),
            ]
        ),
    }
    row = _row(flat.get("context.span_id"), question, output, metadata)
    texts = [text for one in parsed(attributes.get("retrieval.documents")) or () if (text := _document(one))]
    yield row | ({"context": texts} if texts else {})


_NESTED: Final = frozenset({"context", "attributes", "input", "output", "llm", "session", "user", "retrieval"})


def _flat(value: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, Json]]:
    """Yield dotted names; lists, and objects that are values of their own such as ``metadata``, stay whole."""
    for name, member in value.items():
        if isinstance(member, dict) and name in _NESTED:
            yield from _flat(member, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", member


def _document(one: Json) -> str | None:
    if not isinstance(one, dict):
        return None
    inner = one.get("document")
    text = one.get("document.content", inner.get("content") if isinstance(inner, dict) else None)
    return text if isinstance(text, str) else None


def _row(name: Json, question: dict[str, Any], output: Json, metadata: dict[str, Json]) -> dict[str, Any]:
    row: dict[str, Any] = {"id": name or None, **question}
    if output not in (None, "", [], {}):
        row["output"] = output
    return {key: one for key, one in row.items() if one is not None} | {"metadata": metadata}
