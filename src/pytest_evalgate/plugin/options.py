"""The command line, as one table; each value may also be set in the environment. Light: every session loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

FLAGS = {
    "--eval-gate": "collect the golden sets, run them and let the gates decide the build",
    "--eval-fail-cases": "report a missed case as a failed test (for -x, --lf, IDEs and JUnit)",
    "--eval-estimate": "say what the run would send and cost; send nothing",
    "--eval-offline": "use recorded and remembered answers only; a case without one is missing, and nothing is sent",
    "--no-eval-resume": "ask again what a run that broke off has answered already",
}

VALUES = {
    "--eval-target": (
        "SPEC",
        "what to run instead of each suite's target: recorded:FILE[,FILE], python:pkg.mod:name, model:NAME, http:URL",
    ),
    "--eval-baseline": ("SPEC", "what to compare with instead of each suite's baseline: a file, or git:REF"),
    "--eval-base-ref": (
        "REF",
        "compare golden sets, configuration and baselines with the merge base of this branch and REF",
    ),
    "--eval-tier": ("TIER", "run each suite as this tier of it has it: its sample of cases, its trials, its gates"),
    "--eval-sample": ("N", "run N cases of every suite to see how it goes; a part of a suite is never judged"),
    "--eval-trials": ("K", "trials of each case, instead of each suite's own number"),
    "--eval-shard": ("I/N", "run one of N parts of every suite; pytest-evalgate merge judges them together"),
    "--eval-stop": ("RULE", "when suites may end before their last case: certainty or never"),
    "--eval-report": ("DIR", "where the reports go; the state folder where this is not said"),
    "--eval-budget-usd": ("X", "what the run may spend: it is refused beforehand, or stopped on the way"),
    "--eval-max-concurrency": ("N", "at most so many trials at once, over all suites"),
}


def add_options(parser: pytest.Parser) -> None:
    """Define every option."""
    group = parser.getgroup("evalgate", "gates on model quality")
    for name, text in FLAGS.items():
        group.addoption(name, action="store_true", default=False, help=text)
    for name, (metavar, text) in VALUES.items():
        group.addoption(name, metavar=metavar, default=None, help=f"{text} (${environment_variable(name)})")


def environment_variable(name: str) -> str:
    """Return the environment variable of an option."""
    return f"EVALGATE_{option_name(name).upper()}"


def option_name(name: str) -> str:
    """Return the name of an option in code."""
    return name.removeprefix("--").removeprefix("eval-").replace("-", "_")
