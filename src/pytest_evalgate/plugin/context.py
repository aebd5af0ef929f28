"""The working plugin of the session that an item belongs to."""

from __future__ import annotations

import platform
import shlex
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate import config
from pytest_evalgate.reports.terminal import Header, HeaderJudge
from pytest_evalgate.reports.terminal_cases import kappa_of
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.plugin.assembly import Assembly, ReadySuite
    from pytest_evalgate.plugin.requested import Options
    from pytest_evalgate.plugin.session import EvalSession
    from pytest_evalgate.records.results import Baseline

SESSION: pytest.StashKey[EvalSession] = pytest.StashKey()


def session_of(config: pytest.Config) -> EvalSession:
    """Return the working plugin."""
    return config.stash[SESSION]


_DIGITS = 12


def facts_of(assembly: Assembly, suites: Iterable[str], arguments: Iterable[str]) -> dict[str, str]:
    """Return the facts by name; the values of the user's own are as the configuration has them, never a key."""
    return dict(_facts(assembly, suites, arguments))


def _facts(assembly: Assembly, suites: Iterable[str], arguments: Iterable[str]) -> Iterator[tuple[str, str]]:
    yield "command", shlex.join(["pytest", *arguments])
    given = {"--eval-tier": assembly.options.tier, "--eval-target": assembly.options.target}
    given["--eval-baseline"] = assembly.options.baseline
    if options := [word for name, value in given.items() if value for word in (name, value)]:
        yield OPTIONS, shlex.join(options)
    for name in suites:
        suite = assembly.suite_settings(name)
        target = None if suite is None else assembly.target_settings(suite)
        if target is not None:
            yield f"{name}: target", _target(target, assembly)
        for judge in () if suite is None else suite.judges:
            model = assembly.settings.models[assembly.settings.judges[judge].model]
            yield f"{name}: judge {judge}", f"{model.model} at {model.base_url}"
    yield "pytest-evalgate", version("pytest-evalgate")
    yield "pytest", pytest.__version__
    yield "python", f"{platform.python_version()} on {platform.system()}"


def _target(target: config.Target, assembly: Assembly) -> str:
    """Say in a line what was run: of a model also its parameters and a digest of its prompt."""
    if not isinstance(target, config.ModelTarget):
        return jsonl.canonical(target.model_dump(mode="json", exclude_defaults=True))
    model = assembly.settings.models[target.model]
    said = f"{model.model} at {model.base_url}"
    params = {**model.params, **target.params}
    if params:
        said = f"{said}, {jsonl.canonical(params)}"
    if target.prompt is not None:
        data = (assembly.root / target.prompt).read_bytes()
        said = f"{said}, prompt {target.prompt} ({jsonl.digest(data.decode(errors='replace'))[:_DIGITS]})"
    return said


_COMMIT_DIGITS = 7


def header_of(assembly: Assembly, suites: Sequence[ReadySuite], baselines: Mapping[str, Baseline | None]) -> Header:
    """Return what the header says of a run of ``suites``."""
    tier = assembly.settings.default_tier
    found = [baselines.get(ready.plan.name) for ready in suites]
    judges = dict.fromkeys(name for ready in suites for name in ready.judge_names)
    return Header(
        suites=[ready.plan.name for ready in suites],
        cases=sum(len(ready.plan.cases) for ready in suites),
        targets=[_heading_target(ready, assembly) for ready in suites],
        judges=[_judge(name, assembly) for name in judges],
        baselines=[_baseline(baseline) for baseline in found if baseline is not None],
        options=[*_options(assembly.options)],
        tier=None if tier == config.DEFAULT_TIER else tier,
        budget_usd=assembly.wiring.budget_usd,
    )


def _heading_target(ready: ReadySuite, assembly: Assembly) -> str:
    suite = assembly.suite_settings(ready.plan.name)
    target = None if suite is None else assembly.target_settings(suite)
    match target:
        case config.ModelTarget():
            return f"candidate {assembly.settings.models[target.model].model}"
        case config.PythonTarget():
            return f"candidate {target.python}"
        case config.HttpTarget():
            return f"candidate {target.http.url}"
        case config.CommandTarget():
            return f"candidate {shlex.join(target.command)}"
        case config.HookTarget():
            return f"candidate {target.kind}"
    return "recorded outputs"


def _judge(name: str, assembly: Assembly) -> HeaderJudge:
    from pytest_evalgate.judges.build import calibration_of  # noqa: PLC0415 - only where there is one

    judge = assembly.settings.judges[name]
    model = assembly.settings.models[judge.model].model
    calibration = calibration_of(judge, root=assembly.root)
    labels = 0 if calibration is None else calibration.human_pass + calibration.human_fail
    return HeaderJudge(model, kappa_of(calibration), labels)


def _baseline(baseline: Baseline) -> str:
    commit, created = baseline.provenance.commit, baseline.provenance.created[:10]
    of = created if commit is None else f"{commit[:_COMMIT_DIGITS]}, {created}"
    return f"{baseline.source.removeprefix('file:')} ({of})"


def _options(options: Options) -> Iterator[str]:
    if options.target:
        yield f"--eval-target {options.target}"
    if options.offline:
        yield "offline: the cache answers, nothing is sent"
