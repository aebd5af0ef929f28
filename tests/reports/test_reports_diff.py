from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.reports.diff import LARGEST, Piece, are_alike, condense, marked_diff, one_side, word_diff

_WORDS = st.lists(st.sampled_from(["a", "b", "c", " ", "  ", "\n", "d.", "\u00e9"]), max_size=40).map("".join)


def _old(pieces: tuple[Piece, ...]) -> str:
    return " ".join(piece.text for piece in pieces if piece.kind != "added")


def _new(pieces: tuple[Piece, ...]) -> str:
    return " ".join(piece.text for piece in pieces if piece.kind != "removed")


@given(old=_WORDS | st.text(), new=_WORDS | st.text())
def test_the_pieces_are_both_texts(old: str, new: str) -> None:
    pieces = word_diff(old, new)
    assert (_old(pieces), _new(pieces)) == (" ".join(old.split()), " ".join(new.split()))
    assert all(piece.text for piece in pieces)


@given(old=_WORDS, new=_WORDS)
def test_equal_words_separate_changes_and_removals_precede_additions(old: str, new: str) -> None:
    kinds = [piece.kind for piece in word_diff(old, new)]
    assert not {("same", "same"), ("removed", "removed"), ("added", "added"), ("added", "removed")} & set(
        pairwise(kinds)
    )


@given(text=_WORDS)
def test_equal_texts_do_not_differ(text: str) -> None:
    words = " ".join(text.split())
    assert word_diff(text, text) == ((Piece("same", words),) if words else ())


@pytest.mark.parametrize(
    ("old", "new", "pieces"),
    [
        ("", "", []),
        ("", "new", [("added", "new")]),
        ("old", "", [("removed", "old")]),
        ("in 14 days", "in 30 days", [("same", "in"), ("removed", "14"), ("added", "30"), ("same", "days")]),
        ("a b c", "a c", [("same", "a"), ("removed", "b"), ("same", "c")]),
        (
            "you may go home now",
            "you can stay home now",
            [("same", "you"), ("removed", "may go"), ("added", "can stay"), ("same", "home now")],
        ),
    ],
)
def test_words_that_changed(old: str, new: str, pieces: list[tuple[str, str]]) -> None:
    assert [(piece.kind, piece.text) for piece in word_diff(old, new)] == pieces


def test_as_many_words_stay_as_can() -> None:
    same = [piece.text for piece in word_diff("x a b c d y", "a z b c q d") if piece.kind == "same"]
    assert " ".join(same).split() == ["a", "b", "c", "d"]


def test_long_texts_are_compared_only_at_equal_beginnings_and_ends() -> None:
    words = int(LARGEST**0.5)
    old = " ".join(["start", *(f"a{k}" for k in range(words)), "end"])
    new = " ".join(["start", *(f"b{k}" for k in range(words)), "end"])
    assert [piece.kind for piece in word_diff(old, new)] == ["same", "removed", "added", "same"]


@pytest.mark.parametrize(
    ("old", "new", "marked"),
    [
        ("in 14 days.", "in 30 days.", "in [-14-] {+30+} days."),
        ("same", "same", "same"),
        ("a\nb", "a c", "a [-b-] {+c+}"),
        ("", "all new", ""),
        ("all old", "new", ""),
        (
            "You can return it within 14 days of delivery.",
            "You have 30 days to return any item.",
            "You [-can-] {+have 30 days to+} return [-it within 14 days of delivery.-] {+any item.+}",
        ),
    ],
)
def test_a_change_is_marked(old: str, new: str, marked: str) -> None:
    assert marked_diff(old, new) == marked


def test_only_equal_words_next_to_a_change_are_shown() -> None:
    stays = "a sentence that goes on and on without any change at all, word for word"
    assert marked_diff(f"{stays} x {stays} y {stays}", f"{stays} X {stays} Y {stays}") == (
        "... at all, word for word [-x-] {+X+} a sentence that goes on ... at all, word for word [-y-] {+Y+} "
        "a sentence that goes on ..."
    )


def _texts(pieces: tuple[Piece, ...]) -> list[str]:
    return [piece.text for piece in pieces]


def test_condensing_shortens_what_stays_and_cuts_the_end() -> None:
    stays = "a sentence that goes on and on without any change at all, word for word"
    pieces = word_diff(f"{stays} 14 {stays}", f"{stays} 30 {stays}")
    short = condense(pieces, 200)
    assert _texts(short) == ["... at all, word for word", "14", "30", "a sentence that goes on ..."]
    assert _texts(one_side(short, "added")) == ["... at all, word for word", "30", "a sentence that goes on ..."]
    assert _texts(condense(word_diff("", "x" * 90), 20)) == ["x" * 20 + "..."]
    assert _texts(condense(word_diff(stays, stays), 200)) == [stays]
    assert condense((), 9) == ()


@pytest.mark.parametrize(
    ("old", "new", "alike"),
    [
        ("within 14 days", "within 30 days", True),
        ("You can pay by card, PayPal or Klarna; there is no transfer.", "You can order without an account.", False),
        ("Norway takes 5 to 7 days and costs duties", "Norway takes 2 days", True),
        ("all old", "new", False),
        ("same", "same", True),
        ("", "", False),
    ],
)
def test_texts_that_share_little_are_not_alike(old: str, new: str, *, alike: bool) -> None:
    assert are_alike(word_diff(old, new)) == alike
