"""Options that several verbs share, and types for argparse that check the range of a number."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_SEED_DIGITS: Final = 18  # stays below 2**63


def add_suite(parser: argparse.ArgumentParser, default: str) -> None:
    """Add ``--suite``; ``default`` describes the suites that are used without it."""
    parser.add_argument("--suite", metavar="NAME", help=f"one suite (default: {default})")


def add_run(parser: argparse._ActionsContainer, default: str = "the newest") -> None:
    """Add ``--run``, which sets ``run_id``."""
    parser.add_argument("--run", dest="run_id", metavar="ID", help=f"id of a stored run (default: {default})")


def add_alpha(parser: argparse.ArgumentParser, default: float | None = None) -> None:
    """Add ``--alpha``; without a ``default``, the value is None, which means that of the suite's gate."""
    shown = "that of the suite's no-regression gate, else 0.05" if default is None else f"{default:g}"
    parser.add_argument(
        "--alpha", type=_level, default=default, help=f"one-sided level of the test (default: {shown})"
    )


def add_seed(parser: argparse.ArgumentParser, use: str) -> None:
    """Add ``--seed``; ``use`` describes the random numbers that it determines."""
    parser.add_argument("--seed", type=_seed, default=0, help=f"seed of {use} (default: 0)")


def number(lowest: float, highest: float) -> Callable[[str], float]:
    """Return a type of numbers from ``lowest`` to ``highest``."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {lowest:g} to {highest:g}")
        return value

    return parse


share: Final = number(0.0001, 0.9999)
"""Type of a share, 0 and 1 excluded."""

_level: Final = number(0.0001, 0.4999)


def whole_number(highest: int) -> Callable[[str], int]:
    """Return a type of whole numbers from 1 to ``highest``."""

    def parse(text: str) -> int:
        value = _digits(text, highest)
        if not 1 <= value <= highest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {highest:,}")
        return value

    return parse


def odd_number(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a type of odd numbers from ``lowest`` to ``highest``."""

    def parse(text: str) -> int:
        value = _digits(text, highest)
        if not lowest <= value <= highest or value % 2 == 0:
            raise argparse.ArgumentTypeError(f"{text!r} is not an odd number from {lowest} to {highest}")
        return value

    return parse


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _SEED_DIGITS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 with at most {_SEED_DIGITS} digits")
    return int(text)


def _digits(text: str, highest: int) -> int:
    """Return the number; 0 if ``text`` is no number, or has more digits than ``highest``.

    ``int`` raises its own ValueError for more than 4,300 digits:
    https://docs.python.org/3/library/stdtypes.html#integer-string-conversion-length-limitation
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(highest)) else 0
