"""Acknowledgement of changes that weaken the gate, as configuration to paste and fill in.

::

    # Append to evalgate.toml (in pyproject.toml the table is [[tool.evalgate.acknowledged]]):
    [[acknowledged]]
    change = "suites.support.gates[0].min"
    reason = "WHY THIS IS ACCEPTABLE"
    owner = "WHO ACCEPTS IT"
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.records.verdicts import Verdict

_HEAD: Final = "# Append to evalgate.toml (in pyproject.toml the table is [[tool.evalgate.acknowledged]]):"


def acknowledgement(verdict: Verdict) -> str:
    """Return the configuration that acknowledges what fails a build; "" if there is nothing to acknowledge.

    These are the weakenings of the gate, and the baselines of suites that fail against the baseline of another branch.
    """
    places = list(dict.fromkeys(_places(verdict)))
    return "\n".join([_HEAD, *map(_table, places)]) if places else ""


def _places(verdict: Verdict) -> Iterator[str]:
    for change in verdict.changed_in_gate or ():
        if change.effect == "weaker" and change.acknowledged is None:
            yield change.where
    for name, suite in verdict.suites.items():
        failed = any(gate.kind == "no-regression" and gate.result == "fail" for gate in suite.gates)
        if failed and suite.delta is not None and suite.delta.baseline.startswith("git:"):
            yield f"suites.{name}.baseline"


def _table(place: str) -> str:
    return "\n".join(
        (
            "[[acknowledged]]",
            f"change = {json.dumps(place, ensure_ascii=False)}",  # a JSON string is a basic string of TOML
            'reason = "WHY THIS IS ACCEPTABLE"',
            'owner = "WHO ACCEPTS IT"',
        )
    )
