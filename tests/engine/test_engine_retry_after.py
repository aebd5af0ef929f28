from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.engine.faults import LONGEST_S, retry_after_s

_NOON = "Sat, 21 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": " 3 "}, 3.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:07 GMT", "date": _NOON}, 7.0),
        ({"retry-after": "Sat, 21 Nov 2026 13:00:07 +0100", "date": _NOON}, 7.0),
    ],
)
def test_each_form_is_understood(headers: dict[str, str], seconds: float) -> None:
    assert retry_after_s(headers) == seconds


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"retry-after": ""},
        {"retry-after": "soon"},
        {"retry-after": "-1"},
        {"retry-after": "inf"},
        {"retry-after": "nan"},
        {"retry-after": "1e9"},
        {"retry-after": "86401"},
        {"retry-after-ms": "-250"},
        {"retry-after": "Sat, 21 Nov 2026 11:59:59 GMT", "date": _NOON},
        {"retry-after": "Sat, 21 Nov 2026 12:00:07 GMT"},
        {"retry-after": "Sat, 21 Nov 2026 12:00:07 GMT", "date": "today"},
        {"retry-after": "Sat, 21 Nov 2026 12:00:07", "date": _NOON},
        {"retry-after": "Sat, 99 Nov 2026 12:00:07 GMT", "date": _NOON},
    ],
)
def test_what_makes_no_sense_is_not_heeded(headers: dict[str, str]) -> None:
    assert retry_after_s(headers) is None


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text()))
def test_no_text_breaks_it(headers: dict[str, str]) -> None:
    seconds = retry_after_s(headers)
    assert seconds is None or 0 <= seconds <= LONGEST_S


@given(st.floats())
def test_every_number_is_heeded_or_left_alone(number: float) -> None:
    assert retry_after_s({"retry-after": repr(number)}) == (number if 0 <= number <= LONGEST_S else None)
