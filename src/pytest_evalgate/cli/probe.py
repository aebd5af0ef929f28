"""``pytest-evalgate probe``: can an answer talk a judge into passing it?"""

from __future__ import annotations

import dataclasses
import json
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

from pytest_evalgate.cli.options import whole_number
from pytest_evalgate.judges import probes
from pytest_evalgate.judges.canaries import failed_canaries
from pytest_evalgate.judges.probes import ProbeFamily
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import truncate_columns
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.judges.canaries import Canary
    from pytest_evalgate.judges.probes import PassedProbe, Probe
    from pytest_evalgate.judges.question import Instructions
    from pytest_evalgate.records.results import Score

_ABOUT = "Ask a judge to grade 48 answers that must not pass, and 8 whose verdict is plain. Sends calls."
_MOST_TRIALS = 100
_BROKEN = 1
_INCOMPLETE = 11


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "probe",
        help="try to talk a judge into passing what must not pass",
        description=_ABOUT,
        epilog="example: pytest-evalgate probe faq --trials 3",
    )
    parser.add_argument("name", metavar="NAME", help="a configured judge")
    parser.add_argument(
        "--trials",
        type=whole_number(_MOST_TRIALS),
        default=1,
        metavar="K",
        help="how often each probe is asked, by turns about a sum and a refund period (default: 1)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from pytest_evalgate.app.grade import run_judge  # noqa: PLC0415 - the engine
    from pytest_evalgate.app.project import Project  # noqa: PLC0415 - pydantic
    from pytest_evalgate.judges import probes  # noqa: PLC0415 - scipy

    asked, controls = probes.probes(args.trials), probes.controls(args.trials)
    cases = [*(probe.asked for probe in asked), *((control.case, control.output) for control in controls)]
    project = Project.find()
    scores, _ = run_judge(project, args.name, cases)
    literal = probes.keeps_literal_text(_instructions(project, args.name))
    found = result(args.name, asked, controls, scores, literal=literal)
    print(json.dumps(dataclasses.asdict(found), indent=1) if args.json else "\n".join(render(found)))
    return _exit_code(found)


def _instructions(project: Project, name: str) -> Instructions:
    from pytest_evalgate.judges.question import Instructions  # noqa: PLC0415 - for this verb only
    from pytest_evalgate.judges.rubric import load_rubric  # noqa: PLC0415 - pydantic
    from pytest_evalgate.judges.scale import SCALES  # noqa: PLC0415 - for this verb only

    judge = project.settings.judges[name]
    return Instructions(load_rubric(judge, root=project.root), SCALES[judge.scale])


def _exit_code(found: ProbeResult) -> int:
    if found.breaks or found.controls_wrong or not found.literal:
        return _BROKEN
    return _INCOMPLETE if found.unanswered else 0


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """The probes of one family, over all trials.

    Of those ``asked``, ``breaks`` passed, ``unreadable`` were answered with what is no verdict, and ``unanswered``
    were not answered at all: their calls failed.
    """

    family: ProbeFamily
    asked: int
    breaks: int
    unreadable: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """All that is known of one judge.

    ``answered`` probes, ten at least since those need no call, make the trials of ``bound``, the one-sided 95 % upper
    limit of the share of breaks. ``controls_wrong`` says which of the ``controls`` the judge could not tell.
    ``unanswered`` counts the probes and controls whose calls failed. ``literal`` says that templates in an output
    reach the judge as they are.
    """

    judge: str
    trials: int
    families: tuple[FamilyResult, ...]
    answered: int
    breaks: tuple[PassedProbe, ...]
    bound: float
    controls: int
    controls_wrong: tuple[str, ...]
    unanswered: int
    literal: bool


def result(
    judge: str, asked: Sequence[Probe], controls: Sequence[Canary], scores: Sequence[Score], *, literal: bool
) -> ProbeResult:
    """Put together what became of the probes and of the controls.

    Args:
        judge: The judge's name.
        asked: N probes, one or more.
        controls: M controls.
        scores: What the judge said of the probes and then of the controls, shape (N + M,).
        literal: Whether templates in an output reach the judge as they are.

    """
    of_probes, of_controls = scores[: len(asked)], scores[len(asked) :]
    found = probes.breaks(asked, of_probes)
    answered = sum(map(probes.is_answered, of_probes))
    wrong = [each for each in failed_canaries(controls, of_controls) if probes.is_answered(each.score)]
    return ProbeResult(
        judge=judge,
        trials=max(probe.trial for probe in asked),
        families=tuple(_families(asked, of_probes)),
        answered=answered,
        breaks=found,
        bound=probes.bound(len(found), answered),
        controls=len(controls),
        controls_wrong=tuple(map(str, wrong)),
        unanswered=sum(not probes.is_answered(score) for score in scores),
        literal=literal,
    )


def _families(asked: Sequence[Probe], scores: Sequence[Score]) -> Iterator[FamilyResult]:
    scored = list(zip(asked, scores, strict=True))
    for family in get_args(ProbeFamily):
        of_family = [score for probe, score in scored if probe.family == family]
        answered = [score for score in of_family if probes.is_answered(score)]
        yield FamilyResult(
            family=family,
            asked=len(of_family),
            breaks=sum(score.passed is True for score in of_family),
            unreadable=sum(score.passed is None for score in answered),
            unanswered=len(of_family) - len(answered),
        )


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
    by_id: dict[str, list[PassedProbe]] = {}
    for broken in found.breaks:
        by_id.setdefault(broken.id, []).append(broken)
    for first, *others in by_id.values():
        place = f"  BREAK {first.id} {first.family}, {count(1 + len(others), 'time')}: "
        yield truncate_columns(f'{place}"{one_line(first.text)}"', _WIDTH)
        yield truncate_columns(f"        {one_line(first.reason)}", _WIDTH)


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
