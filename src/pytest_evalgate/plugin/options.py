"""The command line, as one table; each option may also be set in the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says, and the environment where the command line is silent."""

    gate: bool
    fail_cases: bool
    target: str | None
    baseline: str | None
    trials: str | None


def add_options(parser: pytest.Parser) -> None:
    """Define every option."""
    group = parser.getgroup("evalgate", "gates on model quality")
    for name, text in FLAGS.items():
        group.addoption(name, action="store_true", default=False, help=text)
    for name, (metavar, text) in VALUES.items():
        group.addoption(name, metavar=metavar, default=None, help=f"{text} (${_variable(name)})")


def read_options(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> Options:
    """Read the options once."""
    values = {_attribute(name): config.getoption(name) or environ.get(_variable(name)) for name in VALUES}
    return Options(gate=config.getoption("--eval-gate"), fail_cases=config.getoption("--eval-fail-cases"), **values)


def _attribute(name: str) -> str:
    return name.removeprefix("--eval-").replace("-", "_")


def _variable(name: str) -> str:
    return f"EVALGATE_{_attribute(name).upper()}"
