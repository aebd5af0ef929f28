"""Gates that cannot be met, and those that see little: the look ahead that a session takes before it spends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.golden.lint import Finding
from pytest_evalgate.judgement import Judgement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.cli.project import Project
    from pytest_evalgate.data import Place, SuitePlan
    from pytest_evalgate.settings import Suite


def gate_findings(project: Project, suite: Suite, plan: SuitePlan, place: Place) -> Iterator[Finding]:
    """Look ahead at the gates of a suite; one without gates and without a baseline has nothing to be met."""
    name = plan.name
    if suite.gates is None and suite.baseline is None and not project.baseline_file(name).exists():
        return
    from pytest_evalgate.gates.fitness import unfit_judges  # noqa: PLC0415 - scipy, where there is a gate
    from pytest_evalgate.gates.foresight import foresee  # noqa: PLC0415 - the same

    problems: list[str] = []
    judgement = Judgement(project.root, project.settings, project.state.path, project.settings.suites.get)
    rules = judgement.rules([name], problems.append)[name]
    seen = foresee(plan, rules)
    problems += [f"suites.{name}.gates: {text}" for text in (*seen.problems, *unfit_judges(rules))]
    yield from (Finding(place, "gate", "error", text) for text in dict.fromkeys(problems))
    yield from (Finding(place, "gate", "warning", f"suites.{name}.gates: {text}") for text in seen.warnings)
