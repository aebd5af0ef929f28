"""Estimate of the calls of suites before any of them is sent: for a session, and for ``pytest-evalgate record``."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, Protocol, TypeGuard

from pytest_evalgate.protocols import CallingTarget
from pytest_evalgate.records.calls import LIST_KINDS
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers.scorer import asks_model, is_judge
from pytest_evalgate.targets import RecordedTargetRunner, TargetFailure
from pytest_evalgate.targets.recorded import row_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.app.wiring import Wiring
    from pytest_evalgate.engine.cache import CachedTarget
    from pytest_evalgate.engine.estimate import Usage
    from pytest_evalgate.engine.trial import Grading
    from pytest_evalgate.protocols import Target
    from pytest_evalgate.records.calls import Call, Reply
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import SuitePlan
    from pytest_evalgate.runs.estimate import Estimate

    Lookup = Callable[[Call], Reply | None]
    Selected = Sequence[tuple["EstimatedSuite", Sequence[Case]]]


class EstimatedSuite(Protocol):
    """The parts of a suite that determine its calls."""

    @property
    def plan(self) -> SuitePlan:
        """The planned cases."""

    @property
    def target(self) -> Target | None:
        """The target; None if a marked test produces the outputs."""

    @property
    def asks_models(self) -> bool:
        """Whether a scorer of the suite or of a case asks a model."""

    def grading_of(self, case: Case) -> Grading:
        """Return the scorers of a case."""


_TYPICAL_OUTPUT: Final = Output("x" * 1_000)
"""Assumed output of a trial whose output is neither recorded nor cached: a long paragraph."""


def estimate_calls(selected: Selected, wiring: Wiring, *, from_cache: bool = True) -> Estimate | None:
    """Estimate the calls of the selected cases; None if no suite sends any.

    Without ``from_cache`` no call counts as cached: replies to the run's own first calls may be in the cache by now.
    """
    sending = _sending(selected)
    if not sending:
        return None
    if not from_cache:
        return _estimate(sending, wiring, {}, _not_cached)
    first = _estimate(sending, wiring, {})
    history = _history({suite.name for suite in first.suites if suite.to_send and not suite.cached}, wiring)
    return _estimate(sending, wiring, history) if history else first


def count_own_calls(selected: Selected, wiring: Wiring) -> int:
    """Return the number of calls of functions and commands: those whose output is not cached."""
    calls = (
        suite.target.call_of(case, trial)
        for suite, cases in selected
        if _is_own(suite.target)
        for case in cases
        for trial in range(suite.plan.trials_of(case) if case.skip is None else 0)
    )
    return sum(wiring.memory.lookup(call) is None for call in calls)


def _is_own(target: Target | None) -> TypeGuard[CachedTarget]:
    """Return whether a target runs on this machine: such targets are wrapped in a cache."""
    return hasattr(target, "cache") and hasattr(target, "endpoint")


def _sending(selected: Selected) -> Selected:
    return [
        (suite, cases) for suite, cases in selected if isinstance(suite.target, CallingTarget) or suite.asks_models
    ]


def _not_cached(_: Call) -> None:
    return None


def sends_calls(selected: Selected) -> bool:
    """Return whether a suite sends calls."""
    return bool(_sending(selected))


def _estimate(
    sending: Selected,
    wiring: Wiring,
    history: Mapping[tuple[str, str, str], Sequence[Usage]],
    lookup: Lookup | None = None,
) -> Estimate:
    from pytest_evalgate.engine.estimate import EstimateInputs, PlannedCalls, estimate  # noqa: PLC0415 - only if calls are sent

    lookup = lookup or wiring.memory.lookup
    inputs = EstimateInputs(lookup, wiring.client.prices, wiring.limits, history)
    planned = [PlannedCalls(suite.plan.name, len(cases), _calls(suite, cases, lookup)) for suite, cases in sending]
    return estimate(planned, inputs)


def _history(suites: set[str], wiring: Wiring) -> dict[tuple[str, str, str], list[Usage]]:
    """Return usage and latency of cached replies, to earlier versions of the calls, by suite, route and purpose."""
    from pytest_evalgate.engine.estimate import Usage  # noqa: PLC0415 - only if calls are sent
    from pytest_evalgate.engine.spend import Tokens  # noqa: PLC0415 - the same

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


def _calls(suite: EstimatedSuite, cases: Sequence[Case], lookup: Lookup) -> Iterator[Call]:
    """Yield the calls of a suite, including calls of scorers that a failed rule would make unnecessary."""
    # isinstance with a protocol takes 50 us, so it is asked once
    calling = suite.target if isinstance(suite.target, CallingTarget) else None
    texts: set[tuple[str, str]] = set()  # each text is asked about once, and many cases may have the same reference
    for case in cases:
        grading = suite.grading_of(case)
        asking = [scorer for scorer in grading.scorers if asks_model(scorer)]
        for trial in range(suite.plan.trials_of(case) if case.skip is None else 0):
            output: Output | None = None
            if calling is not None:
                call = calling.call_of(case, trial)
                yield call
                if asking:
                    output = _cached_output(calling, call, lookup)
            elif asking:
                output = _recorded_output(suite.target, case, trial)
            output = grading.graded(output) if output is not None else None
            for scorer in asking:
                seen = (lookup,) if is_judge(scorer) else ()  # a second call may depend on a reply
                yield from _not_in(texts, scorer.calls_of(case, output or _TYPICAL_OUTPUT, *seen))


def _not_in(texts: set[tuple[str, str]], calls: Iterable[Call]) -> Iterator[Call]:
    """Yield ``calls`` without those about a text that is in ``texts``, by route; add the others to it."""
    for call in calls:
        if call.kind in LIST_KINDS:
            if (key := (call.route, call.payload["input"])) in texts:
                continue
            texts.add(key)
        yield call


def _cached_output(target: CallingTarget, call: Call, lookup: Lookup) -> Output | None:
    """Return the output of a call if its reply is cached."""
    reply = lookup(call)
    with contextlib.suppress(TargetFailure):
        return None if reply is None else target.output_of(call, reply)
    return None


def _recorded_output(target: Target | None, case: Case, trial: int) -> Output | None:
    """Return the output of a trial if it is recorded, in a file or in the golden set."""
    if isinstance(target, RecordedTargetRunner):
        return target.recordings[trial].outputs.get(case.golden_id)
    return row_output(case)


def why_not_cached(selected: Selected, wiring: Wiring) -> str:
    """Return one line with the number of new calls, and the fields that changed in the other calls to send."""
    from pytest_evalgate.engine.cache import first_difference, inventory  # noqa: PLC0415 - only if calls are sent

    sending = _sending(selected)
    before = inventory.newest(wiring.entries()) if sending else {}
    reasons: Counter[str] = Counter()
    for suite, cases in sending:
        for call in _calls(suite, cases, wiring.memory.lookup):
            if wiring.memory.lookup(call) is None:
                known = before.get((call.label, call.purpose, call.trial))
                field = first_difference(known.call, call).partition(":")[0] if known else ""
                reasons[f"{field} changed" if field else "new"] += 1
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
