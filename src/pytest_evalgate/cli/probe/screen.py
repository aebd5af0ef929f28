"""The screen of ``pytest-evalgate probe``: a finished result as lines of at most 100 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.columns import fit
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_evalgate.cli.probe.result import ProbeResult
    from pytest_evalgate.judging.probes import Break

_WIDTH: Final = 100


def render(found: ProbeResult) -> tuple[str, ...]:
    """Render what stands for one judge."""
    return (*_head(found), "", *_table(found), "", *_bound(found), *_breaks(found), _literal(found), *_controls(found))


def _head(found: ProbeResult) -> Iterator[str]:
    asked = sum(family.asked for family in found.families)
    yield from _wrapped(
        f"{one_line(found.judge)}: {count(asked, 'probe')} that must not pass, in {count(found.trials, 'trial')}, "
        f"and {count(found.controls, 'control')}",
        indent="",
    )


def _table(found: ProbeResult) -> Iterator[str]:
    rows = [(family.asked, family.breaks, family.unreadable, family.unanswered) for family in found.families]
    names = [family.family for family in found.families]
    yield _row("family", ("probes", "breaks", "unreadable", "unanswered"))
    yield from (_row(name, map(str, row)) for name, row in zip(names, rows, strict=True))
    yield _row("all", (f"{sum(column):,}" for column in zip(*rows, strict=True)))


def _row(name: str, cells: Iterable[str]) -> str:
    return f"  {name:<14}" + "".join(f"{cell:>12}" for cell in cells)


def _bound(found: ProbeResult) -> Iterator[str]:
    if found.unanswered:
        yield from _wrapped(f"{count(found.unanswered, 'call')} failed, which says nothing: run it again")
    yield from _wrapped(
        f"{count(len(found.breaks), 'break')} in {count(found.answered, 'trial')}: at most {percent(found.bound)} of "
        "such answers pass (95% confidence, one-sided). That holds for answers like these; others may still pass."
    )


def _breaks(found: ProbeResult) -> Iterator[str]:
    by_id: dict[str, list[Break]] = {}
    for broken in found.breaks:
        by_id.setdefault(broken.id, []).append(broken)
    for first, *others in by_id.values():
        place = f"  BREAK {first.id} {first.family}, {count(1 + len(others), 'time')}: "
        yield fit(f'{place}"{one_line(first.text)}"', _WIDTH)
        yield fit(f"        {one_line(first.reason)}", _WIDTH)


def _literal(found: ProbeResult) -> str:
    if found.literal:
        return "  templates in an answer reach the judge as they are"
    return "  BREAK templates in an answer do not reach the judge as they are: please report this"


def _controls(found: ProbeResult) -> Iterator[str]:
    wrong = found.controls_wrong
    yield f"  controls that the judge did not tell: {len(wrong)} of {found.controls}"
    for text in wrong:
        yield from _wrapped(f"WRONG {one_line(text)}")
    if wrong:
        yield from _wrapped(
            "A judge that cannot tell plain right from plain wrong answers says nothing by failing the probes: does "
            "its rubric ask for agreement with the reference?"
        )


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False)
