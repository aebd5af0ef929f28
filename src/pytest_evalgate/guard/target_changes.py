"""Changes of targets and models.

A target of another kind, another function or program, and another endpoint are ``weaker``, because they can answer
from the golden set. Other keys, such as the model and its parameters, are under test and listed as ``neutral``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.config import HttpTarget, ModelTarget, RecordedTarget
from pytest_evalgate.guard.directions import NOTHING, format_value, table_changes
from pytest_evalgate.records.calls import LIST_KINDS
from pytest_evalgate.records.verdicts import GateChange
from pytest_evalgate.text.wording import ENDPOINT_MOVED, TARGET_REPLACED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.config import HttpRequest, Model, Settings, Suite, Target
    from pytest_evalgate.records.verdicts import Effect

MODEL_CHANGED: Final = "model changed"
MODEL_ADDED: Final = "model added"
MODEL_REMOVED: Final = "model removed"
TARGET_CHANGED: Final = "target changed"


def target_changes(base: Settings, head: Settings) -> Iterator[GateChange]:
    """Yield the changes of the models, and of the targets of the suites that both branches have."""
    for name, suite in base.suites.items():
        if name in head.suites:
            yield from _of_suite(f"suites.{name}.target", suite.target, head.suites[name].target, base, head)
    for name, model in base.models.items():
        if name in head.models:
            for change in table_changes(f"models.{name}", MODEL_CHANGED, model, head.models[name]):
                moved = change.where == f"models.{name}.base_url"
                yield _moved(change.where, change.before, change.now) if moved else _of_grader(change, model)
        elif model.api in LIST_KINDS:  # a scorer that names no model asks the only one of its kind
            yield GateChange(MODEL_REMOVED, f"models.{name}", f"{model.model} at {model.base_url}", NOTHING, "weaker")
    for name, model in head.models.items():
        if name not in base.models:
            yield GateChange(MODEL_ADDED, f"models.{name}", NOTHING, f"{model.model} at {model.base_url}", "neutral")


def is_called(suite: Suite) -> bool:
    """Return whether a target produces the outputs. Recorded outputs can be written by hand."""
    return suite.target is not None and not isinstance(suite.target, RecordedTarget)


def _of_suite(
    where: str, before: Target | None, now: Target | None, base: Settings, head: Settings
) -> Iterator[GateChange]:
    if before is None or now is None or type(before) is not type(now):
        # `settings_changes.suite_changes` lists calls that were replaced by recorded outputs
        called = [target is not None and not isinstance(target, RecordedTarget) for target in (before, now)]
        if before != now and called != [True, False]:
            effect: Effect = "weaker" if all(called) else "neutral"
            yield GateChange(TARGET_REPLACED, where, format_value(before), format_value(now), effect)
        return
    for change in table_changes(where, TARGET_CHANGED, before, now):
        yield replace(change, what=TARGET_REPLACED) if change.effect == "weaker" else change
    if isinstance(before, HttpTarget) and isinstance(now, HttpTarget):
        yield from _request(f"{where}.http", before.http, now.http)
    if isinstance(before, ModelTarget) and isinstance(now, ModelTarget) and before.model != now.model:
        old, new = base.models[before.model].base_url, head.models[now.model].base_url
        if old != new:
            yield _moved(f"{where}.model", old, new)


def _request(where: str, before: HttpRequest, now: HttpRequest) -> Iterator[GateChange]:
    for change in table_changes(where, TARGET_CHANGED, before, now):
        yield _moved(change.where, change.before, change.now) if change.where == f"{where}.url" else change


def _of_grader(change: GateChange, model: Model) -> GateChange:
    """Return a change of a model that scorers ask as ``weaker``: it grades, and is not under test."""
    decides = change.where.rpartition(".")[2] in ("model", "params", "api") and model.api in LIST_KINDS
    return replace(change, effect="weaker") if decides else change


def _moved(where: str, before: str, now: str) -> GateChange:
    return GateChange(ENDPOINT_MOVED, where, before, now, "weaker")
