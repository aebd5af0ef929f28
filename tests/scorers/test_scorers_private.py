"""Personal data and secrets in outputs: what is found, its spans on the score, and reasons that repeat no value."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.scorers.conftest import rows_of

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import Context, build, private
from pytest_evalgate.scorers.private import no_personal_data, no_secret
from pytest_evalgate.text.detectors import DetectedSpan

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf

_KEY = "sk-proj-" + "a1B2c3D4e5F6g7H8i9J0"


@pytest.mark.parametrize(
    ("output", "spec", "kinds", "reason"),
    [
        ("Write to us.", {}, [], "none detected"),
        ("Write to jo@corp.com today.", {}, ["email"], 'has an e-mail address: "Write to [e-mail address] today."'),
        (
            "Ada: ada@corp.com or +49 30 90182012",
            {},
            ["email", "phone"],
            'has an e-mail address, a phone number: "Ada: [e-mail address] or [phone number]"',
        ),
        ("jane@example.com, 555-0142", {}, [], "none detected"),
        ("jo@corp.com", {"allow": ["Jo@Corp.com"]}, [], "none detected"),
        ("jo@corp.com, al@corp.com", {"allow": ["jo@corp.com"]}, ["email"], "has an e-mail address: "),
        ("jo@corp.com, card 4111 1111 1111 1111", {"kinds": ["card"]}, ["card"], "has a card number: "),
        ("card 4111 1111 1111 1112", {}, [], "none detected"),
        ("DE89 3704 0044 0532 0130 00", {}, ["iban"], "has an IBAN: "),
        ("SSN 536-22-8726", {}, ["ssn"], "has a US social security number: "),
        ("from 8.8.8.8", {}, [], "none detected"),
        ("from 8.8.8.8", {"kinds": ["ip"]}, ["ip"], "has an IP address: "),
        ({"to": "jo@corp.com"}, {}, ["email"], 'has an e-mail address: "{\\"to'),
    ],
)
def test_personal_data(output: Any, spec: dict[str, Any], kinds: list[str], reason: str, score_of: ScoreOf) -> None:
    score = score_of({"kind": "no-personal-data", **spec}, output)
    assert (score.value, [one.kind for one in score.spans]) == (float(not kinds), kinds)
    assert score.reason.startswith(reason) or reason.endswith('{\\"to')
    opposite = score_of({"kind": "not-no-personal-data", **spec}, output)
    assert (opposite.value, opposite.spans) == (float(bool(kinds)), score.spans)


def test_the_spans_are_on_the_score_and_the_values_nowhere(score_of: ScoreOf) -> None:
    text = f"The key of {'x' * 60} jo@corp.com is {_KEY}, and that of {'y' * 60} is {_KEY[::-1]}."
    personal, secret = score_of("no-personal-data", text), score_of("no-secret", text)
    assert personal.name == "no-personal-data"
    assert personal.passed is False
    assert [text[one.start : one.end] for one in personal.spans] == ["jo@corp.com"]
    assert secret.spans == (DetectedSpan("api-key", text.index(_KEY), text.index(_KEY) + len(_KEY)),)
    assert "corp" not in personal.reason
    assert "[API key]" in no_personal_data(Case("q"), Output(f"jo@corp.com {_KEY}")).reason
    assert "a1B2" not in secret.reason
    assert secret.reason.startswith('has an API key: "…')
    assert "[API key]" in secret.reason


@pytest.mark.parametrize(
    ("output", "spec", "kinds"),
    [
        (f"use {_KEY}", {}, ["api-key"]),
        (f"use {_KEY}", {"kinds": ["aws", "jwt"]}, []),
        (f"use {_KEY}", {"allow": [_KEY]}, []),
        ("AKIA" + "ABCDEFGHIJ234567", {}, ["aws"]),
        ("-----BEGIN " + "PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----", {}, ["private-key"]),
        ("the password is hunter2", {}, []),
    ],
)
def test_secrets(output: str, spec: dict[str, Any], kinds: list[str]) -> None:
    score = no_secret(Case("q"), Output(output), **spec)
    assert [one.kind for one in score.spans] == kinds
    assert score.value == float(not kinds)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kinds": []}, "kinds: must not be empty"),
        ({"kinds": ["mail"]}, r"kinds\[0\]: "),
        ({"kinds": "email"}, "kinds: "),
        ({"allow": [""]}, r"allow\[0\]: must not be empty"),
    ],
)
def test_keys_that_cannot_be_used_are_refused(spec: dict[str, Any], message: str, context: Context) -> None:
    with pytest.raises(SettingsError, match=f"no-personal-data: {message}"):
        build({"kind": "no-personal-data", **spec}, context=context)


def test_national_numbers_need_the_extra_which_is_checked_before_the_run(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private, "phone_library", lambda: False)
    message = r"kinds: phonenumbers is not installed: pip install 'pytest-evalgate\[phone\]'$"
    with pytest.raises(SettingsError, match=message):
        build({"kind": "no-personal-data", "kinds": ["national-phone"]}, context=context)
    build("no-personal-data", context=context)


SPANS = {
    "EMAIL_ADDRESS": "email",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "US_SSN": "ssn",
    "PHONE_NUMBER": "phone",
}
FOUND = {
    "email": (27, 27, 27),
    "card": (66, 61, 61),
    "iban": (12, 11, 11),
    "ssn": (6, 6, 6),
    "phone": (64, 18, 16),
}
"""Labelled, detected and exactly detected values in the 750 sentences of Presidio: the figures of docs/scorers.md."""


def test_the_figures_of_the_page_on_scorers() -> None:
    path = Path(__file__).parents[1] / "data" / "presidio_pii.jsonl.gz"
    labelled, detected, exact = (dict.fromkeys(FOUND, 0) for _ in range(3))
    for row in rows_of(path):
        truth = {(SPANS[kind], start, end) for kind, start, end in row["spans"] if kind in SPANS}
        found = {(one.kind, one.start, one.end) for one in no_personal_data(Case("q"), Output(row["input"])).spans}
        for counts, spans in ((labelled, truth), (detected, found), (exact, truth & found)):
            for kind, *_ in spans:
                counts[kind] += 1
    assert {kind: (labelled[kind], detected[kind], exact[kind]) for kind in FOUND} == FOUND
