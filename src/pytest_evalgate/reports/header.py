"""What stands above a run: what will be run, by what, judged how, against what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.lines import packed
from pytest_evalgate.wording import count, usd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PREFIX: Final = "evalgate: "


@dataclass(frozen=True, slots=True)
class HeadedJudge:
    """A judge as the header names it: its calibration holds ``labels``; ``kappa`` is None where that is unknown."""

    model: str
    kappa: float | None = None
    labels: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """A run before its first call.

    ``tier`` is None for the default one. ``targets`` say what makes the outputs, ``baselines`` what they are compared
    with, ``options`` what of the command line changes the run.
    """

    suites: Sequence[str]
    cases: int
    targets: Sequence[str] = ()
    judges: Sequence[HeadedJudge] = ()
    baselines: Sequence[str] = ()
    options: Sequence[str] = ()
    tier: str | None = None
    budget_usd: float | None = None


def header_lines(header: Header, width: int = 100) -> tuple[str, ...]:
    """Render the header: the run, then what it is compared with and may cost; long lines go on below."""
    groups = ([*_run(header)], [*_against(header)])
    room = width - len(_PREFIX)
    return tuple(_PREFIX + line for parts in groups for line in packed(map(one_line, parts), room))


def _run(header: Header) -> Iterator[str]:
    if header.tier is not None:
        yield f"tier {header.tier}"
    if not header.suites:
        yield "no suite runs without code"
        return
    named = header.suites[0] if len(header.suites) == 1 else count(len(header.suites), "suite")
    yield f"{named}, {count(header.cases, 'case')}"
    yield from dict.fromkeys(header.targets)
    yield from dict.fromkeys(map(_judge, header.judges))


def _judge(judge: HeadedJudge) -> str:
    if not judge.labels:
        return f"judge {judge.model} (not calibrated)"
    kappa = "" if judge.kappa is None else f"kappa {judge.kappa:.2f}, "
    return f"judge {judge.model} ({kappa}n={judge.labels:,})"


def _against(header: Header) -> Iterator[str]:
    yield from (f"baseline {name}" for name in dict.fromkeys(header.baselines))
    yield from header.options
    if header.budget_usd is not None:
        yield f"budget {usd(header.budget_usd)}"
