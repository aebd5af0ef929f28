"""Options of a session: command line and environment, read once."""

from __future__ import annotations

import math
import os
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.plugin.options import LABEL, VALUES, BaseVariables, environment_variable, option_name
from pytest_evalgate.runs.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

StopChoice = Literal["certainty", "never"]


def parse_stop_choice(text: str | None) -> StopChoice | None:
    """Return the rule that ``text`` names; None if it is empty.

    Raises:
        SettingsError: there is no such rule.
    """
    choices: tuple[StopChoice, ...] = get_args(StopChoice)
    for choice in choices:
        if text == choice:
            return choice
    if text:
        raise SettingsError(f"--eval-stop {text}: write one of {', '.join(choices)}")
    return None


@dataclass(frozen=True, slots=True)
class Options:
    """Values of the command line, else those of the environment. ``labels`` are those of both."""

    gate: bool
    fail_cases: bool = False
    last_missed: bool = False
    estimate: bool = False
    offline: bool = False
    resume: bool = True
    targets: tuple[str, ...] = ()
    baseline: str | None = None
    base_ref: str | None = None
    tier: str | None = None
    sample: int | None = None
    trials: int | None = None
    shard: Shard | None = None
    shards_to: str | None = None
    stop: StopChoice | None = None
    report: str | None = None
    budget_usd: float | None = None
    max_concurrency: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> str | None:
        """The targets of the command line as one text, such that ``--eval-target TEXT`` gives them all again."""
        return " --eval-target ".join(self.targets) or None


def check_options(config: pytest.Config) -> None:
    """Reject options that the files of the branch may not set; raises as `reject_another_base`."""
    reject_options_that_run_nothing(config)
    reject_another_base(config)
    keep_typed_targets(config)


def keep_typed_targets(config: pytest.Config) -> None:
    """Let targets of the command line replace those of ``addopts``, as for every other option of one value.

    The option itself is changed, because xdist passes it to its workers.
    """
    typed = [word for word in map(str, config.invocation_params.args) if word.partition("=")[0] == _TARGET]
    if typed:
        config.option.eval_target = config.getoption(_TARGET)[-len(typed) :]


def read_options(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> Options:
    """Read the options of a session.

    Raises:
        SettingsError: a number, shard or rule is not valid.
    """
    values = {option_name(name): config.getoption(name) or environ.get(environment_variable(name)) for name in VALUES}
    return Options(
        gate=config.getoption("--eval-gate"),
        fail_cases=config.getoption("--eval-fail-cases"),
        last_missed=config.getoption("--eval-lf"),
        estimate=config.getoption("--eval-estimate"),
        offline=config.getoption("--eval-offline"),
        resume=not config.getoption("--no-eval-resume"),
        targets=_repeated(values["target"]),
        baseline=values["baseline"],
        base_ref=values["base_ref"],
        tier=values["tier"],
        sample=_count("--eval-sample", values["sample"]),
        trials=_count("--eval-trials", values["trials"]),
        shard=_shard(values["shard"], environ),
        shards_to=_shards_to(values["shards_to"], values["shard"]),
        report=values["report"],
        stop=parse_stop_choice(values["stop"]),
        budget_usd=_amount("--eval-budget-usd", values["budget_usd"]),
        max_concurrency=_count("--eval-max-concurrency", values["max_concurrency"]),
        labels=_labels(config.getoption(LABEL), environ),
    )


def _repeated(given: list[str] | str | None) -> tuple[str, ...]:
    lines = given.splitlines() if isinstance(given, str) else given or []
    return tuple(filter(None, map(str.strip, lines)))


def refs_in_addopts(config: pytest.Config) -> tuple[str, ...]:
    """Return the base refs in ``addopts`` of the branch's own configuration of pytest."""
    words = _addopts(config)
    joined = (word.partition("=")[2] for word in words if word.startswith(f"{_BASE_REF}="))
    return (*joined, *(words[index + 1] for index, word in enumerate(words[:-1]) if word == _BASE_REF))


_BASE_REF = "--eval-base-ref"
_TARGET = "--eval-target"

_SETUP_ONLY = ("--setup-only", "--setuponly", "--setup-plan", "--setupplan")
_RUNNING_NOTHING = {
    "collectonly": ("--collect-only", "--collectonly", "--co"),
    "setuponly": _SETUP_ONLY,
    "setupplan": _SETUP_ONLY,
    "markers": ("--markers",),
    "showfixtures": ("--fixtures", "--funcargs"),
    "show_fixtures_per_test": ("--fixtures-per-test",),
    "eval_estimate": ("--eval-estimate",),
}
"""Options of pytest, by attribute, with which a session ends with exit code 0 although no case has run."""


def reject_another_base(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> None:
    """Reject another base than at the start: a branch could compare itself with its own commits.

    Raises:
        SettingsError: the environment named a base at the start, and a conftest or a setting has changed that.
    """
    start = config.pluginmanager.get_plugin(BaseVariables.NAME)
    if not isinstance(start, BaseVariables) or not start.name_a_base:
        return
    now = BaseVariables(environ)
    changed = [name for name in BaseVariables.NAMES if start.values.get(name) != now.values.get(name)]
    if changed:
        raise SettingsError(
            f"{', '.join(changed)}: changed since pytest started, by a conftest, a plugin or a setting of pytest: "
            "name the base branch in the workflow only"
        )


def reject_options_that_run_nothing(config: pytest.Config) -> None:
    """Reject such an option in ``addopts`` of a file: each gated session would exit with 0 and decide nothing.

    Raises:
        SettingsError: such an option is in ``addopts``, and not on the command line.
    """
    words = _addopts(config)
    for attribute, names in _RUNNING_NOTHING.items():
        in_file = next((name for name in names if name in words), None)
        asked_for = any(name in config.invocation_params.args for name in names)
        if in_file is not None and not asked_for and getattr(config.option, attribute, False):
            raise SettingsError(
                f"addopts in {config.inipath}: with {in_file} no case runs, and the session would pass: remove it, "
                f"and give it on the command line when you need it: pytest --eval-gate {in_file}"
            )


def _addopts(config: pytest.Config) -> list[str]:
    """Return the options in ``addopts`` of the branch's own configuration, and those in the files that it names."""
    from pytest_evalgate.guard.pytest_settings import with_argument_files  # noqa: PLC0415 - most have no such file

    words = [str(word) for word in config.getini("addopts")]
    return list(with_argument_files(words, _read_file)) if any(word.startswith("@") for word in words) else words


def _read_file(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def _labels(given: list[str] | None, environ: Mapping[str, str]) -> Mapping[str, str]:
    if not given and not environ.get("EVALGATE_LABELS"):
        return {}
    from pytest_evalgate.runs.run_tags import tags_of_run  # noqa: PLC0415 - few runs have labels

    return tags_of_run(given or [], environ)


def _count(name: str, text: str | None) -> int | None:
    if not text:
        return None
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise SettingsError(f"{name} {text}: give a whole number from 1")
    return number


def _shard(text: str | None, environ: Mapping[str, str]) -> Shard | None:
    if text == "auto":
        from pytest_evalgate.runs.schedulers import recognised_shard  # noqa: PLC0415 - few runs are sharded

        return recognised_shard(environ)
    try:
        return Shard.parse(text) if text else None
    except ValueError as error:
        raise SettingsError(f"--eval-shard {text}: {error}; or auto, for the variables of a scheduler") from None


def _shards_to(url: str | None, shard: str | None) -> str | None:
    if not url:
        return None
    from pytest_evalgate.app.shard_folders import checked_url  # noqa: PLC0415 - few runs are sharded

    if not shard:
        raise SettingsError("--eval-shards-to: only a shard is stored there: add --eval-shard I/N, or auto")
    return checked_url(url, "--eval-shards-to")


def _amount(name: str, text: str | None) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not (math.isfinite(number) and number >= 0):
        raise SettingsError(f"{name} {text}: give an amount in US dollars, such as 2.50")
    return number
