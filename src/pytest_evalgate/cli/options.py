"""Numbers on the command line: read, and held to their range."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable


def number(least: float, most: float) -> Callable[[str], float]:
    """Return a reader of numbers from ``least`` to ``most``, for argparse."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")
        return value

    return read


def whole_number(most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from 1 to ``most``, for argparse."""

    def read(text: str) -> int:
        value = _digits(text, most)
        if not 1 <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {most:,}")
        return value

    return read


def odd_number(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of odd numbers from ``least`` to ``most``, for argparse."""

    def read(text: str) -> int:
        value = _digits(text, most)
        if not least <= value <= most or value % 2 == 0:
            raise argparse.ArgumentTypeError(f"{text!r} is not an odd number from {least} to {most}")
        return value

    return read


def _digits(text: str, most: int) -> int:
    """Return the number, or 0 where it is none or longer than the most: ``int`` refuses very long ones its own way."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) else 0


level: Final = number(0.0001, 0.4999)
"""Reads the one-sided level of a test."""

share: Final = number(0.0001, 0.9999)
"""Reads a share that is neither none nor all."""

_LONGEST = 18


def seed(text: str) -> int:
    """Read a seed: a whole number from 0 on, for argparse."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on, of at most {_LONGEST} digits")
    return int(text)
