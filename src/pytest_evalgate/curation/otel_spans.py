"""Spans of OpenTelemetry in OTLP JSON, one export request a line, as rows: one for each span with a question.

Sources: the file exporter (https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/) and the conventions for
generative AI (https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/). Read, in this order: the attributes
``gen_ai.input.messages`` and ``gen_ai.output.messages`` of the span or of its event
``gen_ai.client.inference.operation.details``; the events of version 1.36 and before (``gen_ai.user.message``,
``gen_ai.choice``, ``gen_ai.content.prompt``); the numbered attributes of OpenLLMetry (``gen_ai.prompt.0.content``);
and those of OpenInference (``input.value``).
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.curation.chat_values import answer_value, parsed, question_fields, without_empty

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.records.cases import Json

COLUMNS: Final = (
    ("spanId", "id"),
    ("gen_ai.input.messages", "input or messages"),
    ("gen_ai.output.messages", "output"),
    ("gen_ai.system_instructions", "first message"),
    ("gen_ai.response.model or gen_ai.request.model", "metadata.model"),
    ("gen_ai.operation.name", "metadata.operation"),
    ("gen_ai.provider.name or gen_ai.system", "metadata.provider"),
    ("gen_ai.conversation.id", "metadata.conversation"),
    ("service.name of the resource", "metadata.service"),
    ("traceId, startTimeUnixNano, status, other attributes", "metadata"),
)
"""Column map: name in the export, canonical field."""

_CONTENT: Final = re.compile(
    r"gen_ai\.(?:input\.messages|output\.messages|system_instructions|prompt|completion|tool\.definitions)(?:\.|$)"
    r"|llm\.(?:input|output)_messages\.|(?:input|output)\.(?:value|mime_type)$"
)
_RENAMED: Final = {
    "gen_ai.operation.name": "operation",
    "gen_ai.conversation.id": "conversation",
}
_FIRST_OF: Final = {
    "model": ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name"),
    "provider": ("gen_ai.provider.name", "gen_ai.system", "llm.provider"),
}


def is_export(value: Mapping[str, Json]) -> bool:
    """Return whether an object is an export request of spans."""
    return isinstance(value.get("resourceSpans"), list)


def rows_of(request: Mapping[str, Json]) -> Iterator[dict[str, Any]]:
    """Yield a row for each span of an export request that has a question."""
    for resource in request.get("resourceSpans") or ():
        shared = _attributes(resource.get("resource") or {})
        for scope in resource.get("scopeSpans") or resource.get("instrumentationLibrarySpans") or ():
            for span in scope.get("spans") or ():
                if (row := _row(span, shared)) is not None:
                    yield row


def _attributes(holder: Mapping[str, Any]) -> dict[str, Json]:
    return {one["key"]: _value(one.get("value") or {}) for one in holder.get("attributes") or () if "key" in one}


def _value(value: Mapping[str, Any]) -> Json:
    """Return the value of an attribute; 64-bit integers are texts in OTLP JSON."""
    for kind, member in value.items():
        match kind:
            case "intValue":
                return int(member)
            case "arrayValue":
                return [_value(one) for one in member.get("values") or ()]
            case "kvlistValue":
                return {one["key"]: _value(one.get("value") or {}) for one in member.get("values") or ()}
            case _:
                return member
    return None


def _row(span: Mapping[str, Any], shared: Mapping[str, Json]) -> dict[str, Any] | None:
    attributes = _attributes(span)
    events = [(event.get("name", ""), _attributes(event)) for event in span.get("events") or ()]
    asked, answered = _content(attributes, events)
    question = question_fields(asked)
    if not question:
        return None
    row: dict[str, Any] = {"id": span.get("spanId") or None, **question}
    if (output := answer_value(answered)) not in (None, "", []):
        row["output"] = output
    return row | {"metadata": _metadata(span, attributes, shared)}


def _content(attributes: Mapping[str, Json], events: list[tuple[str, dict[str, Json]]]) -> tuple[Json, Json]:
    """Return what was asked and what was answered."""
    for holder in (attributes, *(one for name, one in events if name == "gen_ai.client.inference.operation.details")):
        if "gen_ai.input.messages" in holder or "gen_ai.output.messages" in holder:
            asked = parsed(holder.get("gen_ai.input.messages"))
            system = parsed(holder.get("gen_ai.system_instructions"))
            if system and isinstance(asked, list):
                asked = [{"role": "system", "content": system}, *asked]
            return asked, holder.get("gen_ai.output.messages")
    messages = [
        {"role": name.split(".")[1], **one} for name, one in events if re.fullmatch(r"gen_ai\.\w+\.message", name)
    ]
    choices = [one.get("message", one) for name, one in events if name == "gen_ai.choice"]
    for name, one in events:
        if name == "gen_ai.content.prompt":
            messages = _as_list(parsed(one.get("gen_ai.prompt")))
        if name == "gen_ai.content.completion":
            choices = _as_list(parsed(one.get("gen_ai.completion")))
    if messages or choices:
        return messages, [parsed(one) for one in choices]
    for asked, answered in (("gen_ai.prompt", "gen_ai.completion"), ("llm.input_messages", "llm.output_messages")):
        if found := _numbered(attributes, asked):
            return found, _numbered(attributes, answered)
    return (
        attributes.get("input.value", attributes.get("gen_ai.prompt")),
        attributes.get("output.value", attributes.get("gen_ai.completion")),
    )


def _as_list(value: Json) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _numbered(attributes: Mapping[str, Json], prefix: str) -> list[dict[str, Json]]:
    """Return the messages of attributes such as ``gen_ai.prompt.0.content``."""
    found: dict[int, dict[str, Json]] = {}
    for name, value in attributes.items():
        if name.startswith(f"{prefix}."):
            index, _, member = name[len(prefix) + 1 :].partition(".")
            if index.isdecimal() and member.removeprefix("message.") in {"role", "content"}:
                found.setdefault(int(index), {})[member.removeprefix("message.")] = value
    return [found[index] for index in sorted(found)]


def _metadata(span: Mapping[str, Any], attributes: Mapping[str, Json], shared: Mapping[str, Json]) -> dict[str, Json]:
    chosen = {
        name: next((attributes[one] for one in names if one in attributes), None) for name, names in _FIRST_OF.items()
    }
    read = {one for names in _FIRST_OF.values() for one in names}
    others = {
        _RENAMED.get(name, name): value
        for name, value in attributes.items()
        if not _CONTENT.match(name) and name not in read
    }
    status = (span.get("status") or {}).get("code")
    return without_empty(
        [
            ("trace_id", span.get("traceId")),
            ("name", span.get("name")),
            ("time", _time(span.get("startTimeUnixNano"))),
            ("service", shared.get("service.name")),
            ("status", "error" if status in (2, "STATUS_CODE_ERROR") else None),
            *chosen.items(),
            *others.items(),
        ]
    )


def _time(nanoseconds: Json) -> str | None:
    """Return UTC, ISO 8601, in milliseconds."""
    try:
        moment = dt.datetime.fromtimestamp(int(nanoseconds) / 1e9, dt.UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
