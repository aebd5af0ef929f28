"""Alert: an event of a decided run that a team is told about."""

from __future__ import annotations

from typing import Literal

from pytest_evalgate.frozen import dataclass

AlertKind = Literal["fail", "recovered", "trend", "drift", "stalled", "cost"]
"""Event of a run: the build fails, a suite passes again, its trend declines, a judge has drifted, the run ends
without a decision, the run costs too much."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One event.

    Attributes:
        kind: The event.
        subject: Suite or judge; empty for the run as a whole.
        what: What changed.
        amount: By how much; empty if there is no number.
        since: The stored run that this one is compared with, with its commit; empty if there is none.
        causes: What else changed since then, in the order in which to check it: data, model, prompt, judge, code.
        owner: The person or team that is responsible for the suite; empty if the configuration names none.
    """

    kind: AlertKind
    subject: str
    what: str
    amount: str = ""
    since: str = ""
    causes: tuple[str, ...] = ()
    owner: str = ""


@dataclass(frozen=True, slots=True)
class AlertedRun:
    """The run of some alerts, as messages name it."""

    run_id: str
    created: str
    commit: str | None
    tier: str
    verdict: str
    exit_code: int
