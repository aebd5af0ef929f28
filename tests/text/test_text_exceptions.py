"""Descriptions of exceptions that user code raises: whatever they do, a text comes back."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.errors import CodeExit
from pytest_evalgate.text.exceptions import describe_error, safe_repr, type_name

_UNREADABLE = "(its text cannot be read)"


_INNER = "BaseExceptionGroup: h (2 sub-exceptions)"


class _NoResponseError(Exception):
    def __str__(self) -> str:
        return self.response.text  # type: ignore[attr-defined,no-any-return]  # as SDK errors without a response


class _NotTextError(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]  # noqa: PLE0307 - the defect


class _ExitsError(Exception):
    def __str__(self) -> str:
        raise SystemExit(0)


class _RecursesError(Exception):
    def __str__(self) -> str:
        return str(self)


class _EvilText(str):
    __slots__ = ()

    def strip(self, *_: object) -> str:
        raise ValueError


class _TextOfAnotherTypeError(Exception):
    def __str__(self) -> str:
        return _EvilText("evil")


class _Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise AttributeError


class _HidesItsNameError(Exception, metaclass=_Nameless):
    pass


def _loop() -> Exception:
    first, second = ValueError("one"), ValueError("two")
    first.__cause__, second.__cause__ = second, first
    return first


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("a\nb"), "ValueError: a"),
        (ValueError("\n a \n"), "ValueError: a"),
        (OSError(), "OSError"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyError("k"), "KeyError: 'k'"),
        (_NoResponseError(), f"_NoResponseError {_UNREADABLE}"),
        (_NotTextError(), f"_NotTextError {_UNREADABLE}"),
        (_ExitsError(), f"_ExitsError {_UNREADABLE}"),
        (_RecursesError(), f"_RecursesError {_UNREADABLE}"),
        (_TextOfAnotherTypeError(), "_TextOfAnotherTypeError: evil"),
        (_HidesItsNameError("x"), "_HidesItsNameError: x"),
        (_loop(), "ValueError: one"),
        (CodeExit(KeyboardInterrupt()), "KeyboardInterrupt"),
        (CodeExit(_ExitsError()), f"_ExitsError {_UNREADABLE}"),
        (
            ExceptionGroup("two", [ValueError("a"), _ExitsError()]),
            "ExceptionGroup: two (2 sub-exceptions): ValueError: a",
        ),
        (
            BaseExceptionGroup("g", [BaseExceptionGroup("h", [_ExitsError(), SystemExit()])]),
            f"BaseExceptionGroup: g (1 sub-exception): {_INNER}: _ExitsError {_UNREADABLE}",
        ),
        (ValueError("x" * 10_000_000), f"ValueError: {'x' * 787}…"),
        (ValueError(b"\xff" * 10_000_000), "ValueError: b'" + "\\xff" * 196 + "\\…"),
    ],
)
def test_an_exception_is_described_in_one_line(error: BaseException, text: str) -> None:
    assert describe_error(error) == text


def test_no_part_of_a_key_is_left_where_a_text_is_cut() -> None:
    described = describe_error(ValueError("url: " + "a" * 900 + " https://host/?key=sk-" + "1" * 150))
    assert described.endswith("aaa …")


def test_a_deep_group_is_described_with_its_outer_groups() -> None:
    error: Exception = ValueError("innermost")
    for _ in range(50):
        error = ExceptionGroup("g", [error])
    assert describe_error(error) == ": ".join(["ExceptionGroup: g (1 sub-exception)"] * 5)


class _Unshowable:
    def __repr__(self) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        ("x" * 100, "'" + "x" * 79),
        (_Unshowable(), f"a _Unshowable {_UNREADABLE}"),
        ([_Unshowable()], f"a list {_UNREADABLE}"),
    ],
)
def test_a_value_is_shown(value: Any, text: str) -> None:
    assert safe_repr(value) == text


def test_the_name_of_a_type_cannot_be_hidden() -> None:
    assert type_name(_HidesItsNameError()) == "_HidesItsNameError"
