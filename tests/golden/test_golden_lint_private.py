"""Secrets and personal data: found by their shape, with their checksums, and never repeated."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.golden.lint import personal_in, private_data, secrets_in
from pytest_evalgate.records.results import Case, Place

_TAIL = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
_SECRETS = {
    f"sk-proj-{_TAIL}": "an API key",
    f"AIza{_TAIL[:35]}": "an API key",
    f"hf_{_TAIL}": "an API key",
    "AKIA" + "ABCDEFGHIJ234567": "an AWS access key",
    f"ghp_{_TAIL}": "a token of GitHub or GitLab",
    f"github_pat_{_TAIL}": "a token of GitHub or GitLab",
    f"xoxb-{_TAIL}": "a token of Slack",
    "-----BEGIN " + "RSA PRIVATE KEY-----": "a private key",
    "-----BEGIN " + "PRIVATE KEY-----": "a private key",
    f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{_TAIL}": "a JSON Web Token",
}


@pytest.mark.parametrize(("text", "kind"), _SECRETS.items())
def test_a_secret_by_its_shape(text: str, kind: str) -> None:
    assert list(secrets_in(f'key = "{text}";')) == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "task-automation-is-not-a-key",
        "sk-short",
        "risk-assessment-of-the-whole-company",
        "eyJ.eyJ.x",
        "AKIAtoo",
        "ghp_x",
    ],
)
def test_no_secret(text: str) -> None:
    assert list(secrets_in(text)) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to jane.doe+x@mail.acme-corp.de, please", "an e-mail address"),
        ("call +49 (30) 901820 now", "a phone number"),
        ("call (212) 736-5000", "a phone number"),
        ("call 212.736.5000", "a phone number"),
        ("IBAN DE89 3704 0044 0532 0130 00.", "an IBAN"),
        ("GB82WEST12345698765432", "an IBAN"),
        ("card 4111 1111 1111 1111", "a card number"),
        ("card 5500-0000-0000-0004", "a card number"),
        ("card 378282246310005", "a card number"),
    ],
)
def test_personal_data_by_its_shape(text: str, kind: str) -> None:
    assert list(personal_in(text)) == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "jane@example.com, joe@mail.example.org, x@host.test",
        "a@b, @decorator, 3 @ 4",
        "(212) 555-0142 is nobody's",
        "4711, 2026-09-01, 1.234.567, 10.0.0.1, +5, 3 + 4 = 7",
        "DE88 3704 0044 0532 0130 00",
        "4111 1111 1111 1112",
        "2222222222222222 and 0000 0000 0000 0000",
        "4073418639113603971",
        "c4111111111111111",
    ],
)
def test_no_personal_data(text: str) -> None:
    assert list(personal_in(text)) == []


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"input": {"a": ["x", "SECRET"]}}, "input"),
        ({"messages": ({"role": "user", "content": "SECRET"},)}, "messages"),
        ({"vars": {"a": "SECRET"}}, "vars"),
        ({"expected": "SECRET"}, "expected"),
        ({"context": ("x", "SECRET")}, "context"),
        ({"output": "SECRET"}, "output"),
        ({"metadata": {"a": {"b": "SECRET"}}}, "metadata"),
        ({"asserts": ({"kind": "contains", "value": "SECRET"},)}, "asserts"),
        ({"tags": ("SECRET",)}, "tags"),
        ({"rubric": "SECRET"}, "rubric"),
    ],
)
def test_every_field_is_looked_at_and_nothing_is_repeated(fields: dict[str, Any], where: str) -> None:
    secret = f"sk-{_TAIL}"
    case = Case("c", **_filled(fields, secret), place=Place("g.jsonl", 7))
    [finding] = private_data([case])
    assert (finding.kind, finding.severity, finding.place.line) == ("secret", "error", 7)
    assert finding.message.startswith(f"an API key in {where}: ")
    assert _TAIL not in str(finding)


def _filled(value: Any, secret: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(held, secret) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_filled(held, secret) for held in value)
    return value.replace("SECRET", secret)


def test_a_kind_is_named_once_a_field() -> None:
    case = Case("c", "a@acme.de b@acme.de", expected="c@acme.de", place=Place("g.jsonl", 7))
    assert [finding.message.partition(":")[0] for finding in private_data([case])] == [
        "an e-mail address in input",
        "an e-mail address in expected",
    ]
    assert {finding.severity for finding in private_data([case])} == {"warning"}


@given(digits=st.text("0123456789", min_size=12, max_size=15), wrong=st.integers(1, 9))
def test_of_ten_last_digits_one_makes_a_card(digits: str, wrong: int) -> None:
    numbers = [f"4{digits[1:]}{last}" for last in range(10)]
    cards = [number for number in numbers if "a card number" in personal_in(number)]
    assert len(cards) == 1
    off = str((int(cards[0][-1]) + wrong) % 10)
    assert list(personal_in(cards[0][:-1] + off)) == []


@given(text=st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert len([*secrets_in(text), *personal_in(text)]) <= 10
