"""The estimate of a session: its targets' calls, held against what is remembered."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, TypeGuard

from pytest_evalgate.data import Output
from pytest_evalgate.targets import HttpTarget, ModelTarget, RecordedTarget, TargetFailure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.calls import Call
    from pytest_evalgate.data import Case
    from pytest_evalgate.engine.estimate import Usage
    from pytest_evalgate.plugin.assembly import ReadySuite
    from pytest_evalgate.protocols import Target
    from pytest_evalgate.runs.estimate import Estimate
    from pytest_evalgate.wiring import Wiring

    Selected = Sequence[tuple[ReadySuite, Sequence[Case]]]


_UNKNOWN: Final = Output("x" * 1_000)
"""Stands for an output that nobody knows yet: a long paragraph."""


def forecast(selected: Selected, wiring: Wiring) -> Estimate | None:
    """Estimate what the selected cases will send; None where no target sends anything."""
    sending = _sending(selected)
    if not sending:
        return None
    first = _estimate(sending, wiring, {})
    history = _history({suite.name for suite in first.suites if suite.to_send and not suite.cached}, wiring)
    return _estimate(sending, wiring, history) if history else first


def why_not_cached(selected: Selected, wiring: Wiring) -> str:
    """Say in one line why calls will be sent: how many were never asked, and which fields of the others changed."""
    from pytest_evalgate.engine.cache import first_difference, inventory  # noqa: PLC0415 - only where calls are sent

    sending = _sending(selected)
    before = inventory.newest(wiring.entries()) if sending else {}
    reasons: Counter[str] = Counter()
    for suite, cases in sending:
        for call in _calls(suite, cases, wiring):
            if wiring.memory.recall(call) is None:
                known = before.get((call.label, call.purpose, call.trial))
                field = first_difference(known.call, call).partition(":")[0] if known else ""
                reasons[f"{field} changed" if field else "never asked"] += 1
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())


def _sending(selected: Selected) -> Selected:
    return [(suite, cases) for suite, cases in selected if _asks(suite.target) or suite.judges]


def _estimate(sending: Selected, wiring: Wiring, history: Mapping[tuple[str, str, str], Sequence[Usage]]) -> Estimate:
    from pytest_evalgate.engine.estimate import Known, Planned, estimate  # noqa: PLC0415 - only where calls are sent

    known = Known(wiring.memory.recall, wiring.client.prices, wiring.limits, history)
    planned = [Planned(suite.plan.name, len(cases), _calls(suite, cases, wiring)) for suite, cases in sending]
    return estimate(planned, known)


def _calls(suite: ReadySuite, cases: Sequence[Case], wiring: Wiring) -> Iterator[Call]:
    """Iterate over the calls of a suite, those of its judges as if no rule decided before them."""
    target = suite.target
    for case in cases:
        for trial in range(suite.plan.trials if case.skip is None else 0):
            call = target.call_of(case, trial) if _asks(target) else None
            if call is not None:
                yield call
            output = _output(suite, case, trial, call, wiring) if suite.judges else None
            for judge in suite.judges:
                yield from judge.calls_of(case, output or _UNKNOWN)


def _asks(target: Target | None) -> TypeGuard[ModelTarget | HttpTarget]:
    return isinstance(target, ModelTarget | HttpTarget)


def _output(suite: ReadySuite, case: Case, trial: int, call: Call | None, wiring: Wiring) -> Output | None:
    """Return the output of a trial as far as it is known: recorded, or remembered."""
    if call is not None and _asks(suite.target):
        reply = wiring.memory.recall(call)
        with contextlib.suppress(TargetFailure):
            return None if reply is None else suite.target.output_of(call, reply)
    if isinstance(suite.target, RecordedTarget):
        return suite.target.recordings[trial].outputs.get(case.golden_id)
    return Output(case.output) if case.output is not None else None


def _history(suites: set[str], wiring: Wiring) -> dict[tuple[str, str, str], list[Usage]]:
    """Return what answers took that the calls of these suites had before they changed."""
    from pytest_evalgate.engine.estimate import Usage  # noqa: PLC0415 - only where calls are sent
    from pytest_evalgate.engine.tokens import Tokens  # noqa: PLC0415 - the same

    routes = {(model.base_url, model.model): name for name, model in wiring.configured.models.items()}
    found: dict[tuple[str, str, str], list[Usage]] = defaultdict(list)
    for entry in wiring.entries() if suites else ():
        call, reply = entry.call, entry.reply
        suite = call.label.partition("::")[0]
        route = routes.get((call.endpoint, call.model), suite)
        if suite in suites and reply.tokens_in is not None and reply.tokens_out is not None:
            tokens = Tokens(reply.tokens_in, reply.tokens_out)
            found[suite, route, call.purpose].append(Usage(tokens, reply.latency_s))
    return found
