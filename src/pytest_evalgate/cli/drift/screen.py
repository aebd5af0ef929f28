"""The screens of ``pytest-evalgate drift``: what was recorded or checked, as lines of at most 100 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.wording import count, p_value, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.cli.drift.work import Checked, Recorded
    from pytest_evalgate.judging.drift import ClassDrift, Finding, Shift

_WIDTH: Final = 100
_SAID: Final[Mapping[Finding, str]] = {
    "steady": "STEADY: the judge flips no more than its stored verdicts did among themselves.",
    "drifted": (
        "DRIFTED: the judge flips more than its stored verdicts did among themselves: the model behind its name "
        "changed. Calibrate it again, then record its verdicts with --record."
    ),
    "incomplete": "INCOMPLETE: whether this is drift depends on the anchors without a verdict. Run it again.",
}


def recorded(found: Recorded) -> str:
    """Render what was recorded."""
    left_out = f"; {count(found.left_out, 'anchor')} left out, without a readable verdict" if found.left_out else ""
    what = f"{count(found.verdicts, 'verdict')} of each of {count(found.anchors, 'anchor')}"
    return f"recorded {one_line(found.judge)}: {what} -> {one_line(found.file)}{left_out}"


def checked(found: Checked) -> tuple[str, ...]:
    """Render what a check found."""
    classes = found.drift.classes
    return (*_head(found), "", *_table(classes), "", *_chances(classes), "", *_end(found))


def _head(found: Checked) -> Iterator[str]:
    anchors = sum(each.anchors for each in found.drift.classes)
    yield from _wrapped(
        f"{one_line(found.judge)}: {count(anchors, 'anchor')} graded again ({one_line(found.file)}, verdicts of "
        f"{found.recorded[:10]})",
        indent="",
    )


def _table(classes: Iterable[ClassDrift]) -> Iterator[str]:
    yield _row("people said", ("anchors", "flips", "pass now", "fail now", "unanswered", "flip rate", "p"))
    for each in classes:
        yield _row(each.label, _cells(each))


def _cells(each: ClassDrift) -> Iterator[str]:
    counts = (each.anchors, each.flips, each.to_pass, each.flips - each.to_pass, each.unanswered)
    yield from (f"{number:,}" for number in counts)
    yield percent(each.flip_rate)
    yield p_value(each.p)


def _chances(classes: Sequence[ClassDrift]) -> Iterator[str]:
    yield _row("found, if so many turn", (f"{100 * one.share:.0f}%" for one in classes[0].detections))
    for each in classes:
        yield _row(each.label, (f"{100 * one.chance:.0f}%" for one in each.detections))


def _end(found: Checked) -> Iterator[str]:
    if found.shift is not None:
        yield from _wrapped(_described(found.shift))
    yield from _wrapped(_SAID[found.drift.finding])


def _described(shift: Shift) -> str:
    return (
        f"grades, as a description: Kolmogorov-Smirnov distance {shift.ks:.2f} (p={p_value(shift.p)}, conservative), "
        f"Jensen-Shannon divergence {shift.js_bits:.3f} bits"
    )


def _row(name: str, cells: Iterable[str]) -> str:
    return f"  {name:<21}" + "".join(f"{cell:>11}" for cell in cells)


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False)
