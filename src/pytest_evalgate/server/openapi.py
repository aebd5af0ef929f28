"""OpenAPI 3.1 document of the HTTP API, from the table of its questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.server import answer_schemas as schemas
from pytest_evalgate.server.operations import OPERATIONS, VERSION
from pytest_evalgate.server.parameters import SCHEMAS

if TYPE_CHECKING:
    from pytest_evalgate.server.operations import Operation
    from pytest_evalgate.server.parameters import Parameter

OPENAPI_PATH: Final = f"/{VERSION}/openapi.json"
BATCH_PATH: Final = f"/{VERSION}/query"
MOST_QUESTIONS: Final = 20
"""Questions in one batch."""

_ERRORS: Final = {
    "400": "A parameter cannot be used.",
    "401": "The token is missing or wrong.",
    "403": "Another site made the request.",
    "404": "A name is not stored; the reason has the names near it.",
    "409": "The runs or the configuration cannot be used for this question.",
    "421": "The server does not serve this host.",
    "431": "The headers are too large.",
    "503": "The store cannot be used.",
}
_BODY_ERRORS: Final = {
    "408": "The body is too slow.",
    "413": "The body is too large.",
    "415": "The body is no JSON.",
}
_ETAG: Final = {"ETag": {"schema": {"type": "string"}, "description": "digest of the answer"}}


def document() -> dict[str, Any]:
    """Return the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "pytest-evalgate view",
            "version": VERSION.removeprefix("v"),
            "description": "Read-only questions to the store of results. The answers are the records that "
            "pytest-evalgate query, runs list and runs show print with --json.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}],
        "paths": {
            **{operation.path: {"get": _operation(operation)} for operation in OPERATIONS},
            BATCH_PATH: {"post": _batch()},
            OPENAPI_PATH: {"get": _own()},
        },
        "components": {
            "schemas": {**SCHEMAS, "Error": schemas.ERROR, **schemas.records()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "responses": {
                status: {
                    "description": text,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for status, text in {**_ERRORS, **_BODY_ERRORS}.items()
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    return {
        "operationId": operation.name,
        "summary": operation.about,
        "parameters": [
            *map(_parameter, operation.parameters),
            {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}, "description": "an ETag"},
        ],
        "responses": {
            "200": _answer(operation.schema),
            "304": {"description": "The answer is still the one with this ETag."},
            **_references(*_ERRORS),
        },
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.about,
        "required": parameter.required,
        "schema": parameter.schema(),
    }


def _answer(schema: schemas.Schema) -> dict[str, Any]:
    return {"description": "The answer.", "headers": _ETAG, "content": {"application/json": {"schema": schema}}}


def _references(*statuses: str) -> dict[str, Any]:
    return {status: {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _batch() -> dict[str, Any]:
    """Return the operation of a batch: a list of questions, answered in their order."""
    result = schemas.record(
        "The answer to one question, as the question alone has it.",
        status={"type": "integer"},
        body={"type": "object"},
    )
    return {
        "operationId": "query",
        "summary": "Up to 20 questions at once, answered in their order, each with the status that it has alone.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": batch_schema()}},
        },
        "responses": {
            "200": _answer(schemas.listed(result)),
            **_references("400", "401", "403", "408", "413", "415", "421", "431", "503"),
        },
    }


def batch_schema() -> schemas.Schema:
    """Return the JSON Schema of a list of questions."""
    return {
        "type": "array",
        "minItems": 1,
        "maxItems": MOST_QUESTIONS,
        "items": {
            "type": "object",
            "description": "The operationId of a question, with the parameters of its path and query string.",
            "properties": {
                "question": {"type": "string", "enum": [operation.name for operation in OPERATIONS]},
                "parameters": {
                    "type": "object",
                    "additionalProperties": {
                        "oneOf": [schemas.TEXT, {"type": "integer"}, schemas.listed(schemas.TEXT)]
                    },
                },
            },
            "required": ["question"],
            "additionalProperties": False,
        },
    }


def _own() -> dict[str, Any]:
    return {
        "operationId": "openapi",
        "summary": "This document.",
        "responses": {
            "200": _answer({"type": "object"}),
            "304": {"description": "The document is still the one with this ETag."},
            **_references("401", "403", "421", "431"),
        },
    }
