"""Printing: JSON or lines, and sentences that fit the width of a screen."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.text.layout import wrap

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

WIDTH: Final = 100
"""Columns of every screen: fixed, so that a pasted screen looks the same everywhere."""


def print_result(args: argparse.Namespace, value: Any, lines: Iterable[str]) -> None:
    """Print ``value``, in which dataclasses are objects, if ``--json`` was given; else print ``lines``."""
    print(json.dumps(value, default=dataclasses.asdict, indent=1) if args.json else "\n".join(lines))


def wrapped(text: str, indent: str = "  ") -> list[str]:
    """Wrap ``text`` to the width of a screen, continuation lines indented by two more columns."""
    return wrap(f"{indent}{text}", WIDTH, f"{indent}  ")
