"""Masking of rows: no secret and no personal data are left, each is named with its field, the rest is unchanged."""

from __future__ import annotations

import pytest

from pytest_evalgate.golden.lint import strings
from pytest_evalgate.golden.masking import mask_row
from pytest_evalgate.text.personal import mask_personal, personal_in
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.secret_kinds import secrets_in

_REDACTOR = Redactor.of(["THE_KEY"], {"THE_KEY": "zz-our-own-key-1"})


@pytest.mark.parametrize(
    ("text", "masked", "kinds"),
    [
        (
            "write to jo@corp.com, not to jo@example.org",
            "write to [e-mail address], not to jo@example.org",
            "e-mail address",
        ),
        ("+49 30 90182012 or (212) 555-4321", "[phone number] or [phone number]", "phone number, phone number"),
        ("pay DE89 3704 0044 0532 0130 00 now", "pay [IBAN] now", "IBAN"),
        ("card 4111 1111 1111 1111.", "card [card number].", "card number"),
        ("call 020 7946 0018 today", "call [phone number] today", "phone number"),
        ("order 1234567890 of 2026-12-01", "order 1234567890 of 2026-12-01", ""),
    ],
)
def test_personal_data_become_their_kind(text: str, masked: str, kinds: str) -> None:
    assert mask_personal(text) == (masked, tuple(filter(None, kinds.split(", "))))
    assert list(personal_in(masked)) == []


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnopqrstuvwxyz123456",
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_" + "a" * 36,
        "zz-our-own-key-1",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIabc",
    ],
)
def test_secrets_become_stars(secret: str) -> None:
    row, found = mask_row({"input": f"use {secret}"}, _REDACTOR)
    assert (row, [one.field for one in found]) == ({"input": "use ***"}, ["input"])
    assert list(secrets_in(row["input"])) == []


def test_every_text_of_a_row_is_masked_and_nothing_else_changes() -> None:
    row = {
        "id": "a",
        "input": {"q": ["mail jo@corp.com", 7, None, True]},
        "metadata": {"user": {"mail": "jo@corp.com"}, "n": 1.5},
    }
    masked, found = mask_row(row, Redactor())
    assert masked == {
        "id": "a",
        "input": {"q": ["mail [e-mail address]", 7, None, True]},
        "metadata": {"user": {"mail": "[e-mail address]"}, "n": 1.5},
    }
    assert list(map(str, found)) == ["e-mail address in input.q[0]", "e-mail address in metadata.user.mail"]
    assert not any(list(personal_in(text)) for text in strings(masked))
