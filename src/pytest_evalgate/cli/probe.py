"""``pytest-evalgate probe``: a test of a judge with outputs that try to manipulate it into passing them.

Flow: have the judge grade outputs that must not pass (probes) and outputs whose verdict is obvious (controls); count
the probes that passed, by family, with an upper limit for the share of such outputs that pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from pytest_evalgate.app.grade import run_judge
from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.options import whole_number
from pytest_evalgate.cli.printing import WIDTH, print_result, wrapped
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges import probes
from pytest_evalgate.judges.canaries import failed_canaries
from pytest_evalgate.judges.probes import ProbeFamily
from pytest_evalgate.judges.question import Instructions
from pytest_evalgate.judges.rubric import load_rubric
from pytest_evalgate.judges.scale import SCALES
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import truncate_columns
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.judges.canaries import Canary
    from pytest_evalgate.judges.probes import PassedProbe, Probe
    from pytest_evalgate.records.results import Score

_MAX_TRIALS: Final = 100
_EXIT_BROKEN: Final = 1
_EXIT_INCOMPLETE: Final = 11


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a configured judge")
    parser.add_argument(
        "--trials",
        type=whole_number(_MAX_TRIALS),
        default=1,
        metavar="K",
        help="trials of each probe, in turn with a question about a sum and one about a refund period (default: 1)",
    )


def _run(args: argparse.Namespace) -> int:
    asked, controls = probes.probes(args.trials), probes.controls(args.trials)
    cases = [*(probe.asked for probe in asked), *((control.case, control.output) for control in controls)]
    project = Project.find()
    scores, _ = run_judge(project, args.name, cases)
    judge = project.settings.judges[args.name]
    literal = probes.keeps_literal_text(Instructions(load_rubric(judge, root=project.root), SCALES[judge.scale]))
    found = result(args.name, asked, controls, scores, literal=literal)
    print_result(args, found, _lines(found))
    if found.breaks or found.controls_wrong or not found.literal:
        return _EXIT_BROKEN
    return _EXIT_INCOMPLETE if found.unanswered else 0


VERB: Final = Verb(
    "Have a judge grade 48 outputs that must not pass, and 8 whose verdict is obvious. Sends calls. Exits with 1 if "
    "the judge fails the test, with 11 if a verdict is missing, and with 4 if the judge cannot be asked.",
    "pytest-evalgate probe faq --trials 3",
    _run,
    _add_arguments,
)


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """The probes of one family, over all trials.

    Of those ``asked``, ``breaks`` passed, ``unreadable`` got a reply without a verdict, and ``unanswered`` got no
    reply, because their calls failed.
    """

    family: ProbeFamily
    asked: int
    breaks: int
    unreadable: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result for one judge.

    ``bound`` is the one-sided 95 % upper limit of the share of breaks among ``answered`` probes. ``answered`` is at
    least ten, because ten probes need no call. ``controls_wrong`` describes the ``controls`` that the judge got wrong.
    ``unanswered`` counts the probes and controls whose calls failed. ``literal`` is True if templates in an output
    reach the judge unchanged.
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
    """Return the result of grading probes and controls.

    Args:
        judge: Name of the judge.
        asked: N probes, at least one.
        controls: M controls.
        scores: The judge's scores of the probes, then of the controls, shape (N + M,).
        literal: True if templates in an output reach the judge unchanged.
    """
    of_probes, of_controls = scores[: len(asked)], scores[len(asked) :]
    breaks = probes.breaks(asked, of_probes)
    answered = sum(map(probes.is_answered, of_probes))
    wrong = [each for each in failed_canaries(controls, of_controls) if probes.is_answered(each.score)]
    return ProbeResult(
        judge=judge,
        trials=max(probe.trial for probe in asked),
        families=tuple(_families(asked, of_probes)),
        answered=answered,
        breaks=breaks,
        bound=probes.bound(len(breaks), answered),
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


def _lines(found: ProbeResult) -> Iterator[str]:
    asked = sum(family.asked for family in found.families)
    yield from wrapped(
        f"{one_line(found.judge)}: {count(asked, 'probe')} that must not pass, in {count(found.trials, 'trial')}, "
        f"and {count(found.controls, 'control')}",
        indent="",
    )
    rows = [(family.asked, family.breaks, family.unreadable, family.unanswered) for family in found.families]
    yield ""
    yield _row("family", ("probes", "breaks", "unreadable", "no reply"))
    for family, row in zip(found.families, rows, strict=True):
        yield _row(family.family, map(str, row))
    yield _row("all", (f"{sum(column):,}" for column in zip(*rows, strict=True)))
    yield ""
    if found.unanswered:
        yield from wrapped(f"{count(found.unanswered, 'call')} failed: run the command again")
    yield from wrapped(
        f"{count(len(found.breaks), 'break')} in {count(found.answered, 'trial')}: at most {percent(found.bound)} of "
        "such outputs pass (95% confidence, one-sided). The limit holds for outputs like these; others may still pass."
    )
    yield from _breaks(found)
    if found.literal:
        yield "  templates in an output reach the judge unchanged"
    else:
        yield "  BREAK templates in an output do not reach the judge unchanged: please report this as a bug"
    yield from _controls(found)


def _row(name: str, cells: Iterable[str]) -> str:
    return f"  {name:<14}" + "".join(f"{cell:>12}" for cell in cells)


def _breaks(found: ProbeResult) -> Iterator[str]:
    by_id: dict[str, list[PassedProbe]] = {}
    for passed in found.breaks:
        by_id.setdefault(passed.id, []).append(passed)
    for first, *others in by_id.values():
        head = f"  BREAK {first.id} {first.family}, {count(1 + len(others), 'time')}: "
        yield truncate_columns(f'{head}"{one_line(first.text)}"', WIDTH)
        yield truncate_columns(f"        {one_line(first.reason)}", WIDTH)


def _controls(found: ProbeResult) -> Iterator[str]:
    wrong = found.controls_wrong
    yield f"  controls that the judge got wrong: {len(wrong)} of {found.controls}"
    for text in wrong:
        yield from wrapped(f"WRONG {one_line(text)}")
    if wrong:
        yield from wrapped(
            "The probes prove nothing about a judge that gets obvious outputs wrong. Does its rubric require "
            "agreement with the reference?"
        )
