"""What the header says of a run: read from its settings and baselines, before its first call."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pytest_evalgate import settings
from pytest_evalgate.reports.header import HeadedJudge, Header
from pytest_evalgate.reports.judges import kappa_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.data import Baseline
    from pytest_evalgate.plugin.assembly import Assembly, ReadySuite
    from pytest_evalgate.plugin.requested import Options

_COMMIT_DIGITS = 7


def heading_of(assembly: Assembly, suites: Sequence[ReadySuite], baselines: Mapping[str, Baseline | None]) -> Header:
    """Return what the header says of a run of ``suites``."""
    tier = assembly.settings.default_tier
    found = [baselines.get(ready.plan.name) for ready in suites]
    judges = dict.fromkeys(name for ready in suites for name in ready.judge_names)
    return Header(
        suites=[ready.plan.name for ready in suites],
        cases=sum(len(ready.plan.cases) for ready in suites),
        targets=[_target(ready, assembly) for ready in suites],
        judges=[_judge(name, assembly) for name in judges],
        baselines=[_baseline(baseline) for baseline in found if baseline is not None],
        options=[*_options(assembly.options)],
        tier=None if tier == settings.DEFAULT_TIER else tier,
        budget_usd=assembly.wiring.budget_usd,
    )


def _target(ready: ReadySuite, assembly: Assembly) -> str:
    suite = assembly.suite_settings(ready.plan.name)
    target = None if suite is None else assembly.target_settings(suite)
    match target:
        case settings.ModelTarget():
            return f"candidate {assembly.settings.models[target.model].model}"
        case settings.PythonTarget():
            return f"candidate {target.python}"
        case settings.HttpTarget():
            return f"candidate {target.http.url}"
        case settings.CommandTarget():
            return f"candidate {shlex.join(target.command)}"
        case settings.HookTarget():
            return f"candidate {target.kind}"
    return "recorded outputs"


def _judge(name: str, assembly: Assembly) -> HeadedJudge:
    from pytest_evalgate.judging.configured import calibration_of  # noqa: PLC0415 - only where there is one

    judge = assembly.settings.judges[name]
    model = assembly.settings.models[judge.model].model
    calibration = calibration_of(judge, root=assembly.root)
    labels = 0 if calibration is None else calibration.human_pass + calibration.human_fail
    return HeadedJudge(model, kappa_of(calibration), labels)


def _baseline(baseline: Baseline) -> str:
    commit, created = baseline.provenance.commit, baseline.provenance.created[:10]
    of = created if commit is None else f"{commit[:_COMMIT_DIGITS]}, {created}"
    return f"{baseline.source.removeprefix('file:')} ({of})"


def _options(options: Options) -> Iterator[str]:
    if options.target:
        yield f"--eval-target {options.target}"
    if options.offline:
        yield "offline: the cache answers, nothing is sent"
