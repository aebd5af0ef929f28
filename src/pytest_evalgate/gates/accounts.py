"""The accounts of a run: what its calls add up to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_evalgate.data import Calls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_evalgate.calls import CallRecord
    from pytest_evalgate.data import CaseResult

_DECIMALS = 6


def records_of(results: Iterable[CaseResult]) -> Iterator[CallRecord]:
    """Iterate over every call of ``results``: the target's and the judges', those in vain included."""
    return (record for result in results for trial in result.trials for record in trial.calls)


def add_up(records: Iterable[CallRecord]) -> Calls:
    """Add up calls; tokens and cost are those of the calls that were sent: what is remembered costs nothing."""
    every = list(records)
    sent = [record for record in every if record.attempts]
    return Calls(
        planned=len(every),
        sent=len(sent),
        cached=len(every) - len(sent),
        retried=sum(record.attempts - 1 for record in sent),
        tokens_in=sum(record.tokens_in or 0 for record in sent),
        tokens_out=sum(record.tokens_out or 0 for record in sent),
        cost_usd=round(math.fsum(record.cost_usd or 0.0 for record in sent), _DECIMALS),
        unknown_price=sum(record.cost_usd is None for record in sent),
    )
