"""Seeds on the command line."""

from __future__ import annotations

import argparse

_LONGEST = 18


def seed(text: str) -> int:
    """Read a seed: a whole number from 0 on, for argparse."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on, of at most {_LONGEST} digits")
    return int(text)
