"""Personal data by its shape: e-mail addresses, telephones, IBANs and card numbers."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.text import personal
from pytest_evalgate.text.personal import personal_in, phone_note

_CARDS = [
    *[("4", length) for length in (13, 16, 18, 19)],
    *[
        (prefix, 16)
        for prefix in ("51", "52", "53", "54", "55", "2221", "2720", "2500", "8600", "9860", "9792", "2205")
    ],
    *[(prefix, 15) for prefix in ("34", "37", "1800", "2131")],
    *[(prefix, length) for prefix in ("6011", "644", "649", "65", "622126", "62") for length in (16, 17, 18, 19)],
    *[(prefix, length) for prefix in ("300", "305", "36", "38", "3095") for length in (14, 16, 19)],
    *[(prefix, length) for prefix in ("3528", "3589") for length in (16, 19)],
    *[
        (prefix, length)
        for prefix in ("5018", "5020", "5038", "5893", "6304", "6759", "6761")
        for length in range(12, 20)
    ],
    *[
        (prefix, 16)
        for prefix in ("5019", "508", "5610", "606282", "636", "637", "81", "2200", "2204", "506099", "9704")
    ],
]


def _number(prefix: str, length: int) -> str:
    """Return a number with a check digit, by the definition of Luhn's algorithm."""
    body = (prefix + "70193584620573961")[: length - 1]
    total = 0
    for place, digit in enumerate(map(int, reversed(body))):
        doubled = digit * 2 if place % 2 == 0 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return f"{body}{-total % 10}"


@pytest.mark.parametrize(("prefix", "length"), _CARDS)
def test_a_card_of_every_issuer_and_length_is_found(prefix: str, length: int) -> None:
    number = _number(prefix, length)
    grouped = " ".join(number[at : at + 4] for at in range(0, length, 4))
    for text in (number, grouped, grouped.replace(" ", "-"), grouped.replace(" ", "\u00a0"), f"paid with {number}."):
        assert "a card number" in personal_in(text), text


@pytest.mark.parametrize(
    ("prefix", "length"),
    [
        ("1", 16),
        ("34", 16),
        ("37", 14),
        ("4", 12),
        ("4", 14),
        ("51", 15),
        ("1800", 16),
        ("7", 16),
        ("9", 16),
        ("60", 12),
    ],
)
def test_a_number_of_no_issuer_is_no_card(prefix: str, length: int) -> None:
    assert "a card number" not in personal_in(_number(prefix, length))


@given(digits=st.text("0123456789", min_size=15, max_size=15), wrong=st.integers(1, 9))
def test_of_ten_last_digits_one_makes_a_card(digits: str, wrong: int) -> None:
    numbers = [f"4{digits[1:]}{last}" for last in range(10)]
    cards = [number for number in numbers if "a card number" in personal_in(number)]
    assert len(cards) == 1
    off = str((int(cards[0][-1]) + wrong) % 10)
    assert "a card number" not in personal_in(cards[0][:-1] + off)


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
        ("SSN 536-22-8726", "a US social security number"),
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
        "000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567, 123-45-0000, 1123-45-6789, 123-45-67890",
        "078-05-1120",
    ],
)
def test_no_personal_data(text: str) -> None:
    assert list(personal_in(text)) == []


_NATIONAL = [
    "0151 23456789",
    "020 7946 0958",
    "01 42 68 53 00",
    "03-5321-1111",
    "(02) 9374 4000",
    "8 (495) 739-70-00",
    "098765 43210",
    "(11) 91234-5678",
    "138 0013 8000",
    "091 123 45 67",
    "0049 30 901820",
    "1-800-356-9377",
]


@pytest.mark.skipif(importlib.util.find_spec("phonenumbers") is None, reason="needs the extra phone")
@pytest.mark.parametrize("number", _NATIONAL)
def test_national_numbers_are_found_with_the_extra(number: str) -> None:
    assert "a phone number" in personal_in(f"call {number} today")
    assert phone_note() is None


@pytest.mark.parametrize(
    "text",
    [
        "order 2125554321",
        "2024-10-05 12:30, 10.12.2024",
        "1 000 000 000 and 12.345.678,90",
        "192.168.100.200",
        "ISBN 978-3-16-148410-0",
        "id 12345-67890, build 20241005123",
        "(212) 555-0142",
    ],
)
def test_other_numbers_are_no_telephones(text: str) -> None:
    assert "a phone number" not in personal_in(text)


def test_without_the_extra_the_lint_works_and_says_what_it_does_not_look_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personal, "_library", lambda: None)
    assert "a phone number" in personal_in("+49 30 901820")
    assert "a phone number" not in personal_in("020 7946 0958")
    note = phone_note()
    assert note is not None
    assert "pip install 'pytest-evalgate[phone]'" in note


@pytest.mark.parametrize("address", ["8.8.8.8", "86.121.97.248", "2a00:1450:4001:82a::200e", "2606:4700::6810:84e5"])
def test_an_address_of_the_internet_is_found(address: str) -> None:
    text = f"from {address}, today"
    assert [text[start:end] for start, end in personal.IP_ADDRESS.find(text)] == [address]


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "192.168.0.1", "10.0.0.7", "203.0.113.9", "300.1.1.1", "1.2.3.4.5", "::1", "2001:db8::1", "a::b"],
)
def test_a_private_or_reserved_address_is_no_finding(text: str) -> None:
    assert list(personal.IP_ADDRESS.find(text)) == []
