from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.text.layout import align_or_stack, join_parts, screen_width, width_of, wrap, wrap_lines

_TEXT = st.text(st.sampled_from("ab:  日\u0301"), max_size=80)


@given(text=_TEXT, width=st.integers(8, 40), indent=st.sampled_from(["", "  ", "     "]))
def test_wrapping_loses_no_word_and_no_line_is_too_wide(text: str, width: int, indent: str) -> None:
    lines = wrap(text, width, indent)
    assert all(width_of(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(line.startswith(indent) for line in lines[1:])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("  two words", ["  two", "  words"]),
        ("one two three", ["one two", "  three"]),
        ("abcdefghijkl", ["abcdef", "  ghijkl"]),
        ("日本語 日本語", ["日本語", "  日本語"]),
        ("a      b", ["a      b"]),
        ("abcdefgh i", ["abcdefgh", "  i"]),
    ],
)
def test_wrapping(text: str, lines: list[str]) -> None:
    assert wrap(text, 8, "  ") == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "no baseline yet: pytest-evalgate baseline promote",
            ["no baseline yet:", "  pytest-evalgate baseline promote"],
        ),
        (
            "number of cases: (pytest-evalgate power faq), or",
            ["number of cases:", "  (pytest-evalgate power faq), or"],
        ),
        ('only the case: pytest --eval-gate -k "a b"', ["only the case:", '  pytest --eval-gate -k "a b"']),
        ("all with: pytest --eval-gate", ["all with: pytest --eval-gate"]),
        (f"run: pytest-evalgate lint {'a' * 20}", ["run: pytest-evalgate lint", f"  {'a' * 20}"]),
    ],
)
def test_a_command_stays_in_one_line_if_a_line_can_hold_it(text: str, lines: list[str]) -> None:
    assert wrap(text, 38, "  ") == lines


def test_a_further_line_that_looks_like_a_command_has_a_gutter() -> None:
    assert [line.text for line in wrap_lines("fine words ::error::x", 18)] == ["fine words", "     | ::error::x"]


def test_rows_that_are_too_wide_take_two_lines() -> None:
    rows = [("a", "bb", "ccc"), ("aaa", "b", "c")]
    assert align_or_stack(rows, 20, 1) == ["a    bb  ccc", "aaa  b   c"]
    assert align_or_stack(rows, 11, 1) == ["a", "    bb  ccc", "aaa", "    b   c"]


def test_parts_are_packed_whole() -> None:
    assert list(join_parts(["one", "two three", "four"], 16)) == ["one | two three", "four"]
    assert list(join_parts(["one two three four"], 10)) == ["one two", "  three", "  four"]
    assert list(join_parts([], 10)) == []


def test_a_log_is_wider_than_the_usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_a_terminal(descriptor: int) -> os.terminal_size:
        raise OSError(descriptor)

    monkeypatch.setattr(os, "get_terminal_size", not_a_terminal)
    monkeypatch.delenv("COLUMNS", raising=False)
    assert screen_width() == 120
    monkeypatch.setenv("COLUMNS", "72")
    assert screen_width() == 72
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((80, 24)))
    assert screen_width() == 80
