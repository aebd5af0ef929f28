"""Sentences on the comparison of one suite: the finding with its test, and the smallest drop that it can detect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.text.wording import count, p_value, points

if TYPE_CHECKING:
    from pytest_evalgate.records.verdicts import Delta


def finding(delta: Delta, alpha: float, margin: float | None) -> str:
    """Return the finding with its test. For a proven improvement, return its bounds and its own p."""
    margin_text = "" if margin is None else f", margin {points(margin).lstrip('+')}"
    if delta.p_better is not None and delta.p_better <= alpha:
        change = f"{points(delta.delta)} ({100 * delta.lower:+.1f} ..{100 * delta.upper:+.1f})"
        p = f"p={p_value(delta.p_better)} for better"
        return f"improved, {change} ({delta.test}, {p}, alpha {alpha:g}{margin_text})"
    direction = " for a drop" if delta.delta > 0 else ""
    return f"{delta.finding.replace('_', ' ')} ({delta.test}, {_p(delta)}{direction}, alpha {alpha:g}{margin_text})"


def _p(delta: Delta) -> str:
    """Return the p, followed by the adjusted p if it differs."""
    alone, among = p_value(delta.p), p_value(delta.p if delta.p_adjusted is None else delta.p_adjusted)
    return f"p={alone}" if alone == among else f"p={alone}, {among} adjusted for the tests of these suites"


def detectable(delta: Delta) -> str:
    """Return the smallest drop that the pairs can detect."""
    pairs, drop = count(delta.pairs, "pair"), delta.mde
    if drop is None:
        return f"{pairs}: too few, or too few that differ, to compute the smallest detectable drop"
    return f"{pairs} can detect a drop of {points(drop).lstrip('+')} or more (80% power)"
