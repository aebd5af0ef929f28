from __future__ import annotations

import json

import pytest

from pytest_evalgate.engine.error_body import parse_error


@pytest.mark.parametrize(
    ("body", "codes", "message"),
    [
        (b'{"error": {"code": "c", "type": "t", "message": "m"}}', ("c", "t"), "m"),
        (b'{"error": {"code": 404, "message": "m"}}', (), "m"),
        (b'{"error": "plain"}', (), "plain"),
        (b'{"error": "plain", "error_code": "c"}', ("c",), "plain"),
        (b'{"object": "error", "type": "NotFoundError", "message": "m"}', ("NotFoundError",), "m"),
        (b'{"detail": "not found"}', (), "not found"),
        (b'{"detail": [{"loc": ["body"]}]}', (), '[{"loc": ["body"]}]'),
        (b'{"detail": {"code": "c", "message": "m"}}', ("c",), "m"),
        (
            b'[{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT", "details": [{"reason": "R"}]}}]',
            ("INVALID_ARGUMENT", "R"),
            "m",
        ),
        (b'{"error": {"code": "c", "message": "m", "innererror": {"code": "i"}}}', ("c", "i"), "m"),
        (
            json.dumps({"error": {"message": "p", "metadata": {"raw": '{"code": "c", "message": "m"}'}}}).encode(),
            ("c",),
            "p: m",
        ),
        (b'{"error": {"code": "c", "message": "m", "n": NaN}}', ("c",), "m"),
        (b'{"error": {"code": "c", "message": "m\\ud800\\u0000"}}', ("c",), "m\ufffd\ufffd"),
        (b'\xef\xbb\xbf{"error": {"code": "c", "message": "m"}}', ("c",), "m"),
        (b'{"error": {}}', (), "{}"),
        (b"[1]", (), "[1]"),
        (b"<h1>Bad Gateway</h1>", (), "<h1>Bad Gateway</h1>"),
        (b"\xff", (), "\ufffd"),
        (b"", (), ""),
    ],
)
def test_error_bodies_of_several_servers_are_understood(body: bytes, codes: tuple[str, ...], message: str) -> None:
    found = parse_error(body)
    assert (found.codes, found.message) == (codes, message)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("429", 429),
        ('"429"', 429),
        ("200", None),
        ("true", None),
        ('"x"', None),
        ("4.5", None),
        (f'"{"4" * 5000}"', None),
        ('"\\u0664\\u0660\\u0660"', None),
    ],
)
def test_a_code_that_is_a_status_of_an_error_is_one(code: str, status: int | None) -> None:
    assert parse_error(f'{{"error": {{"code": {code}, "message": "m"}}}}'.encode()).status == status
