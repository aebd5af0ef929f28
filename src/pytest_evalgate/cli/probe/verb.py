"""``pytest-evalgate probe``: the command line of it."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from pytest_evalgate.cli.options import whole_number

if TYPE_CHECKING:
    import argparse

    from pytest_evalgate.cli.probe.result import ProbeResult
    from pytest_evalgate.cli.project import Project
    from pytest_evalgate.judging.question import Instructions

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


def _run(chosen: argparse.Namespace) -> int:
    from pytest_evalgate.cli.judges import run_judge  # noqa: PLC0415 - the engine
    from pytest_evalgate.cli.probe import result, screen  # noqa: PLC0415 - scipy
    from pytest_evalgate.cli.project import Project  # noqa: PLC0415 - pydantic
    from pytest_evalgate.judging import probes  # noqa: PLC0415 - scipy

    asked, controls = probes.probes(chosen.trials), probes.controls(chosen.trials)
    cases = [*(probe.asked for probe in asked), *((control.case, control.output) for control in controls)]
    project = Project.find()
    scores, _ = run_judge(project, chosen.name, cases)
    literal = probes.literal_arrives(_told(project, chosen.name))
    found = result.result(chosen.name, asked, controls, scores, literal=literal)
    print(json.dumps(dataclasses.asdict(found), indent=1) if chosen.json else "\n".join(screen.render(found)))
    return _exit_code(found)


def _told(project: Project, name: str) -> Instructions:
    from pytest_evalgate.judging.question import Instructions  # noqa: PLC0415 - for this verb only
    from pytest_evalgate.judging.rubric import load_rubric  # noqa: PLC0415 - pydantic
    from pytest_evalgate.judging.scale import SCALES  # noqa: PLC0415 - for this verb only

    judge = project.settings.judges[name]
    return Instructions(load_rubric(judge, root=project.root), SCALES[judge.scale])


def _exit_code(found: ProbeResult) -> int:
    if found.breaks or found.controls_wrong or not found.literal:
        return _BROKEN
    return _INCOMPLETE if found.unanswered else 0
