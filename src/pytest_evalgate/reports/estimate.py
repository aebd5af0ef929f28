"""Screen of ``--eval-estimate``, and the line about calls and cost that is printed before a paid run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import pad, truncate_columns, width_of, wrap
from pytest_evalgate.text.wording import count, usd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.runs.estimate import Estimate, Pace, SuiteEstimate

_WIDEST_NAME = 24
_GAP = "  "
_HEADINGS = ("suite", "cases", "calls", "cached", "to send", "in tok", "out tok", "US$", "basis")
_THOUSAND, _MILLION = 1_000, 1_000_000
_MINUTE, _HOUR = 60, 3_600


def render_estimate(estimate: Estimate, budget_usd: float | None, width: int = 100) -> tuple[str, ...]:
    """Render the section "eval gate: estimate (nothing sent)".

    ::

        suite        cases  calls  cached  to send  in tok  out tok   US$  basis
        support-faq    240    960     772      188    131k      28k  0.31  median of 772 cached usages

        this run will make 188 calls, about US$0.31 (at most US$0.55); 772 of 960 are cached
        at 8 in parallel, 500 requests/min: about 2 min 10 s       budget: US$5.00
        prices: genai-prices 0.2.3
    """
    table = _table(estimate.suites, width)
    sentences = (total_line(estimate), *_details(estimate, budget_usd))
    return (*table, "", *(line for text in sentences for line in wrap(text, width, _GAP)))


def total_line(estimate: Estimate) -> str:
    """Return one line with the number of calls that the run will send, and their cost."""
    if not estimate.to_send:
        return f"this run will make no calls{f': all {estimate.calls:,} are cached' if estimate.calls else ''}"
    cached = f"{estimate.calls - estimate.to_send:,} of {estimate.calls:,} are cached"
    return f"this run will make {count(estimate.to_send, 'call')}{_cost(estimate)}; {cached}"


def _cost(estimate: Estimate) -> str:
    unknown = sum(calls for _, calls in estimate.unpriced)
    if unknown == estimate.to_send:
        return " (price unknown)"
    known = f", about {usd(estimate.usd)} (at most {usd(estimate.at_most_usd)})"
    return f"{known} plus {count(unknown, 'call')} of unknown price" if unknown else known


def _table(suites: Sequence[SuiteEstimate], width: int) -> list[str]:
    """Return one row for each suite, numbers right-aligned; the basis goes below its row if the row is too wide."""
    rows = [_HEADINGS, *map(_row, suites)]
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    numbers, bases = [_aligned(row[:-1], widths) for row in rows], [row[-1] for row in rows]
    wide = [f"{text}{_GAP}{basis}" for text, basis in zip(numbers, bases, strict=True)]
    if max(map(width_of, wide)) <= width:
        return wide
    pairs = zip(numbers[1:], bases[1:], strict=True)
    stacked = [numbers[0], *(line for text, basis in pairs for line in (text, f"{_GAP * 2}{basis}"))]
    return [truncate_columns(line, width).rstrip() for line in stacked]


def _row(suite: SuiteEstimate) -> tuple[str, ...]:
    return (
        truncate_columns(one_line(suite.name), _WIDEST_NAME),
        f"{suite.cases:,}",
        f"{suite.calls:,}",
        f"{suite.cached:,}",
        f"{suite.to_send:,}",
        _short(suite.tokens_in),
        _short(suite.tokens_out),
        "?" if suite.usd is None else usd(suite.usd).replace("US$", ""),
        suite.basis,
    )


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers = row
    right = [" " * (width - width_of(cell)) + cell for cell, width in zip(numbers, widths[1:-1], strict=True)]
    return _GAP.join((pad(name, widths[0]), *right))


def _short(number: int) -> str:
    if number < _THOUSAND:
        return str(number)
    return f"{number / _THOUSAND:,.0f}k" if number < _MILLION else f"{number / _MILLION:,.1f}M"


def _details(estimate: Estimate, budget_usd: float | None) -> Iterator[str]:
    budget = f"budget: {'none' if budget_usd is None else usd(budget_usd)}"
    yield f"{_speed(estimate.pace)}       {budget}" if estimate.pace else budget
    if not estimate.to_send:
        return
    known = ", ".join(estimate.sources) or "none known"
    unpriced = ", ".join(f'{count(calls, "call")} to "{one_line(route)}"' for route, calls in estimate.unpriced)
    yield f"prices: {known}{f'. Unknown, and NOT in the total: {unpriced}' if unpriced else ''}"


def _speed(pace: Pace) -> str:
    limits = [f"{pace.in_parallel:,} in parallel"]
    if pace.requests_per_minute is not None:
        limits.append(f"{pace.requests_per_minute:,.0f} requests/min")
    if pace.tokens_per_minute is not None:
        limits.append(f"{pace.tokens_per_minute:,.0f} tokens/min")
    unknown = "time unknown (no earlier call was timed)"
    return f"at {', '.join(limits)}: {unknown if pace.seconds is None else f'about {_duration(pace.seconds)}'}"


def _duration(seconds: float) -> str:
    whole = max(round(seconds), 1)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR:,} h {whole % _HOUR // _MINUTE} min"
