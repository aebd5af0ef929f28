from __future__ import annotations

from typing import Any

import pytest
from tests.support.replies import Request, parse_body


@pytest.mark.parametrize(
    ("raw", "body"),
    [(b"", None), (b'{"a": [1]}', {"a": [1]}), (b"a=1", "a=1"), (b"\xff", "\ufffd"), (b"[" * 100_000, "[" * 100_000)],
    ids=["nothing", "JSON", "text", "no UTF-8", "deep"],
)
def test_a_body_is_parsed_where_it_is_json(raw: bytes, body: Any) -> None:
    assert parse_body(raw) == body


@pytest.mark.parametrize(("body", "model"), [({"model": "m"}, "m"), ({}, ""), ([1], ""), (None, "")])
def test_the_model_that_is_asked(body: Any, model: str) -> None:
    assert Request(1, "POST", "/v1/x", {}, body, 0.0).model == model


def test_the_route_is_the_path_without_its_query() -> None:
    assert Request(1, "POST", "/v1/x?api-version=1", {}, None, 0.0).route == "/v1/x"


def test_a_request_does_not_show_its_key() -> None:
    assert "sk-1" not in repr(Request(1, "POST", "/", {"authorization": "Bearer sk-1"}, None, 0.0))
