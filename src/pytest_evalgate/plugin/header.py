"""Description of a run: the header lines of its session, and the facts that its reports show."""

from __future__ import annotations

import platform
import shlex
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate import config
from pytest_evalgate.reports.terminal import Header, HeaderJudge, header_lines
from pytest_evalgate.reports.terminal_cases import kappa_of
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_evalgate.plugin.assembly import Assembly, ReadySuite
    from pytest_evalgate.plugin.requested import Options
    from pytest_evalgate.records.verdicts import Baseline

_DIGEST_DIGITS = 12
_COMMIT_DIGITS = 7  # as git abbreviates


def session_header(
    assembly: Assembly, suites: Sequence[ReadySuite], baselines: Mapping[str, Baseline | None]
) -> Iterable[str]:
    """Return the header lines of a session that runs ``suites``."""
    tier = assembly.settings.default_tier
    found = [baselines.get(ready.plan.name) for ready in suites]
    judges = dict.fromkeys(name for ready in suites for name in ready.judge_names)
    header = Header(
        suites=[ready.plan.name for ready in suites],
        cases=sum(ready.plan.size for ready in suites),
        targets=[_target_name(ready, assembly) for ready in suites],
        judges=[_judge(name, assembly) for name in judges],
        baselines=[_baseline(baseline) for baseline in found if baseline is not None],
        options=_options(assembly.options),
        tier=None if tier == config.DEFAULT_TIER else tier,
        budget_usd=assembly.wiring.budget_usd,
    )
    return header_lines(header)


def _target_name(ready: ReadySuite, assembly: Assembly) -> str:
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
    return f"outputs of run {target.run}" if isinstance(target, config.RunTarget) else "recorded outputs"


def _judge(name: str, assembly: Assembly) -> HeaderJudge:
    from pytest_evalgate.judges.build import calibration_of  # noqa: PLC0415 - only if a suite has a judge

    judge = assembly.settings.judges[name]
    calibration = calibration_of(judge, root=assembly.root)
    labels = 0 if calibration is None else calibration.label_count
    return HeaderJudge(assembly.settings.models[judge.model].model, kappa_of(calibration), labels)


def _baseline(baseline: Baseline) -> str:
    commit, created = baseline.provenance.commit, baseline.provenance.created[:10]
    of = created if commit is None else f"{commit[:_COMMIT_DIGITS]}, {created}"
    return f"{baseline.source.removeprefix('file:')} ({of})"


def _options(options: Options) -> list[str]:
    found = [f"--eval-target {target}" for target in options.targets]
    return [*found, "offline: cached replies only, nothing is sent"] if options.offline else found


def run_facts(assembly: Assembly, suites: Iterable[str], arguments: Iterable[str]) -> dict[str, str]:
    """Return facts about the run by name: command, targets, judges and versions.

    The values come from the configuration, which contains the names of the API keys' variables but no key.
    """
    facts = {"command": shlex.join(["pytest", *arguments])}
    options = assembly.options
    given = [("--eval-tier", options.tier), *(("--eval-target", target) for target in options.targets)]
    given.append(("--eval-baseline", options.baseline))
    if words := [word for name, value in given if value for word in (name, value)]:
        facts[OPTIONS] = shlex.join(words)  # also if they are in the command: they may come from the environment
    for name in suites:
        suite = assembly.suite_settings(name)
        if suite is None:
            continue
        if (target := assembly.target_settings(suite)) is not None:
            facts[f"{name}: target"] = _target_fact(target, assembly)
        for judge in suite.judges:
            model = assembly.settings.models[assembly.settings.judges[judge].model]
            facts[f"{name}: judge {judge}"] = f"{model.model} at {model.base_url}"
        for key in assembly.asked_models(name):
            model = assembly.settings.models[key]
            facts[f"{name}: scorers ask {key}"] = f"{model.model} at {model.base_url}"
    return facts | {
        "pytest-evalgate": version("pytest-evalgate"),
        "pytest": pytest.__version__,
        "python": f"{platform.python_version()} on {platform.system()}",
    }


def _target_fact(target: config.Target, assembly: Assembly) -> str:
    """Describe a target in one line; a model with its parameters and the digest of its prompt."""
    if not isinstance(target, config.ModelTarget):
        return jsonl.canonical(target.model_dump(mode="json", exclude_defaults=True))
    model = assembly.settings.models[target.model]
    parts = [f"{model.model} at {model.base_url}"]
    if params := {**model.params, **target.params}:
        parts.append(jsonl.canonical(params))
    if target.prompt is not None:
        text = (assembly.root / target.prompt).read_bytes().decode(errors="replace")
        parts.append(f"prompt {target.prompt} ({jsonl.digest(text)[:_DIGEST_DIGITS]})")
    return ", ".join(parts)
