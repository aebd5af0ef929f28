"""Candidates: several targets of one suite, each of which runs as a separate suite, such as ``support[mini]``.

Candidates share golden sets, scorers, gates and baseline. `config.load` expands ``targets`` of the configuration, a
session those of the command line, so that no other code knows of candidates.
"""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Final

from pytest_evalgate.config.load import parse_target
from pytest_evalgate.config.suites import owner_of, suite_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.config.suites import Settings, Suite

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST: Final = 40


def with_requested(settings: Settings, specs: Sequence[str]) -> Settings:
    """Return the settings with a suite for each suite and each of several targets of the command line.

    They replace the suite's own target and candidates, and each has to pass the gates.

    Raises:
        SettingsError: a spec has an unknown form.
    """
    if len(specs) < 2:  # noqa: PLR2004 - a single one is the target of each suite
        return settings
    suites: dict[str, Suite] = {}
    for name, suite in settings.suites.items():
        if (owner := owner_of(name)) not in map(owner_of, suites):
            blocking = suite_named(settings, owner) or suite
            suites |= dict(candidates_of(owner, blocking, specs))
    return settings.model_copy(update={"suites": suites})


def candidates_of(name: str, suite: Suite, specs: Sequence[str]) -> Iterator[tuple[str, Suite]]:
    """Yield the candidates of a suite for targets of the command line, by name; raises as `with_requested`."""
    for label, spec in zip(labels_of(specs), specs, strict=True):
        target = parse_target(spec, instead_of=suite.target)
        yield f"{name}[{label}]", suite.model_copy(update={"target": target, "targets": {}})


def labels_of(specs: Sequence[str]) -> list[str]:
    """Return a short and unique label for each target of the command line: ``model:mini`` is ``mini``."""
    labels: list[str] = []
    for spec in specs:
        last = re.split(r"[:/]", spec.rstrip("/"))[-1].removesuffix(".jsonl")
        label = re.sub("-{2,}", "-", _NOT_IN_NAMES.sub("-", last)).strip("-.")[:_LONGEST] or "target"
        numbered = (label if number == 1 else f"{label}-{number}" for number in count(1))
        labels.append(next(one for one in numbered if one not in labels))
    return labels
