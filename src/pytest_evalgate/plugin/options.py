"""The command line, as one table; each value may also be set in the environment. Light: every session loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

FLAGS = {
    "--eval-gate": "collect the golden sets, run them and let the gates decide the build",
    "--eval-fail-cases": "report a missed case as a failed test (for -x, --lf, IDEs and JUnit)",
}

VALUES = {
    "--eval-target": (
        "SPEC",
        "what to run instead of each suite's target: recorded:FILE[,FILE] or python:pkg.mod:name",
    ),
    "--eval-baseline": ("SPEC", "what to compare with instead of each suite's baseline: a file, or git:REF"),
    "--eval-trials": ("K", "trials of each case, instead of each suite's own number"),
}


def add_options(parser: pytest.Parser) -> None:
    """Define every option."""
    group = parser.getgroup("evalgate", "gates on model quality")
    for name, text in FLAGS.items():
        group.addoption(name, action="store_true", default=False, help=text)
    for name, (metavar, text) in VALUES.items():
        group.addoption(name, metavar=metavar, default=None, help=f"{text} (${variable(name)})")


def variable(name: str) -> str:
    """Return the environment variable of an option."""
    return f"EVALGATE_{attribute(name).upper()}"


def attribute(name: str) -> str:
    """Return the name of an option in code."""
    return name.removeprefix("--eval-").replace("-", "_")
