"""Command line options, as one table. Light on purpose: every pytest session imports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pytest

FLAGS = {
    "--eval-gate": "collect and run the golden sets, and let the gates decide the exit code",
    "--eval-fail-cases": "report a missed case as a failed test (for -x, --lf, IDEs and JUnit)",
    "--eval-lf": "run only the cases that missed, regressed or errored last time; a part of a suite gets no verdict",
    "--eval-estimate": "print what the run would send and cost; send nothing",
    "--eval-offline": "use recorded outputs and cached replies only: send nothing; a case without one is missing",
    "--no-eval-resume": "repeat the calls of an interrupted run instead of resuming it",
}

VALUES = {
    "--eval-target": (
        "SPEC",
        (
            "run this target instead of each suite's own: recorded:FILE[,FILE], python:pkg.mod:name, model:NAME, "
            "http:URL, run:ID for the outputs of a stored run; give it several times to compare candidates"
        ),
    ),
    "--eval-baseline": ("SPEC", "compare with this baseline instead of each suite's own: a file, or git:REF"),
    "--eval-base-ref": (
        "REF",
        "compare golden sets, configuration and baselines with the merge base of this branch and REF",
    ),
    "--eval-tier": ("TIER", "run this tier of each suite: its sample of cases, its trials and its gates"),
    "--eval-sample": (
        "N",
        "run N cases of each suite, for a first look; a part of a suite gets no verdict",
    ),
    "--eval-trials": ("K", "run K trials of each case, instead of each suite's own number"),
    "--eval-shard": (
        "I/N",
        "run one of N parts of each suite, or auto: that of a scheduler task; pytest-evalgate merge decides them",
    ),
    "--eval-shards-to": (
        "URL",
        "store the shard there too, s3://bucket/runs/RUN/, or in the store: store://RUN; merge reads it there",
    ),
    "--eval-stop": ("RULE", "when a suite may stop before its last case: certainty or never"),
    "--eval-report": ("DIR", "write the reports to this folder instead of the state folder"),
    "--eval-budget-usd": (
        "X",
        "the most that the run may spend: refused before the start, or stopped during the run",
    ),
    "--eval-label": ("KEY=VALUE", "label the run in the store, such as team=search; can be repeated"),
    "--eval-max-concurrency": ("N", "run at most N trials at once, over all suites"),
}


LABEL = "--eval-label"
REPEATED = frozenset({"--eval-target", LABEL})
"""Options that may be given several times; in the environment, one target a line, and labels between commas."""


def add_options(parser: pytest.Parser) -> None:
    """Add every option to ``parser``."""
    group = parser.getgroup("evalgate", "gates on model quality")
    for name, text in FLAGS.items():
        group.addoption(name, action="store_true", default=False, help=text)
    for name, (metavar, text) in VALUES.items():
        action = "append" if name in REPEATED else "store"
        described = f"{text} (${environment_variable(name)})"
        group.addoption(name, action=action, metavar=metavar, default=None, help=described)


def misspelt_option(arguments: Iterable[str]) -> str | None:
    """Return the message about an argument that resembles one of the options; None if there is none."""
    import difflib  # noqa: PLC0415 - only for an option that does not exist

    known = [*FLAGS, *VALUES]
    for argument in arguments:
        name = argument.partition("=")[0]
        if name.startswith("--eval-") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]}?" if near else f"the options are: {', '.join(known)}"
            return f"there is no option {name}; {meant}"
    return None


class BaseVariables:
    """The variables that name the base branch, read before code and settings of the branch can change them.

    They are kept as a plugin without hooks.
    """

    NAME: ClassVar = "evalgate-base-variables"
    NAMES: ClassVar = ("EVALGATE_BASE_REF", "GITHUB_BASE_REF", "GITHUB_EVENT_NAME", "GITHUB_SHA")

    def __init__(self, values: Mapping[str, str]) -> None:
        """Keep the variables that have a value."""
        self.values = {name: value for name in self.NAMES if (value := values.get(name))}

    @property
    def name_a_base(self) -> bool:
        """Whether one of them names a base branch."""
        return any(name in self.values for name in ("EVALGATE_BASE_REF", "GITHUB_BASE_REF"))


def environment_variable(name: str) -> str:
    """Return the environment variable of an option."""
    return "EVALGATE_LABELS" if name == LABEL else f"EVALGATE_{option_name(name).upper()}"


def option_name(name: str) -> str:
    """Return the attribute name of an option."""
    return name.removeprefix("--").removeprefix("eval-").replace("-", "_")
