"""DetectedSpan of several kinds of values in one text, and what is shown of them."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.text.detectors import DetectedSpan, Detector, detect, kinds_in, mask, masked_excerpt


def _matches(phrase: str, pattern: str) -> Detector:
    return Detector(phrase, lambda text: (found.span() for found in re.finditer(pattern, text)))


_DETECTORS = {"long": _matches("a long number", r"\d{4,}"), "number": _matches("a number", r"\d+")}


def test_of_values_that_overlap_the_one_of_the_earlier_detector_counts() -> None:
    assert detect("7, 12345 and 89", _DETECTORS) == [
        DetectedSpan("number", 0, 1),
        DetectedSpan("long", 3, 8),
        DetectedSpan("number", 13, 15),
    ]
    assert list(kinds_in("1234", _DETECTORS)) == ["a long number"]


def test_a_found_value_is_replaced_by_its_kind() -> None:
    text = "call 7 or 12345 now"
    assert mask(text, detect(text, _DETECTORS), _DETECTORS) == "call [number] or [long number] now"


def test_values_that_overlap_are_replaced_together() -> None:
    found = [DetectedSpan("long", 2, 6), DetectedSpan("number", 2, 4), DetectedSpan("number", 5, 8)]
    assert mask("a 123456 b", found, _DETECTORS) == "a [long number] b"


def test_an_excerpt_shows_the_text_around_the_first_value() -> None:
    text = f"{'a' * 50} 12345 {'b' * 20}67890{'c' * 50}"
    found = detect(text, _DETECTORS)
    excerpt = masked_excerpt(text, found[0], found, _DETECTORS)
    assert excerpt == f"…{'a' * 23} [long number] {'b' * 20}[long number]…"


@given(text=st.text("ab 0123456789", min_size=1, max_size=120))
def test_no_value_is_ever_shown(text: str) -> None:
    if found := detect(text, _DETECTORS):
        assert not re.search(r"\d", mask(text, found, _DETECTORS))
        assert not re.search(r"\d", masked_excerpt(text, found[-1], found, _DETECTORS))
