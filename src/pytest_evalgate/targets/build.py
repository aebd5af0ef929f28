"""From a specification, as it stands in the configuration, to a target."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import callables, files, settings
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.targets.hooked import make_hooked
from pytest_evalgate.targets.http import HttpTarget, check_request
from pytest_evalgate.targets.model import ModelTarget, check_json, check_params
from pytest_evalgate.targets.python import wrap
from pytest_evalgate.targets.recorded import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_evalgate.protocols import ModelClient, Target
    from pytest_evalgate.targets.prompts import Prompt
    from pytest_evalgate.targets.recorded import RecordedTarget


@dataclass(frozen=True, slots=True)
class TargetContext:
    """What the target of ``suite`` is built with.

    Args:
        root: The folder that paths are relative to and may not leave.
        suite: The suite's name.
        models: The configured models.
        client: What sends the calls of model and http targets; None where nothing can be sent.
        hooks: What the hook ``pytest_evalgate_targets`` brings.
        lineage: The version of the application's code, where the target's configuration gives none.

    """

    root: Path
    suite: str
    models: Mapping[str, settings.Model] = field(default_factory=dict)
    client: ModelClient | None = None
    hooks: Mapping[str, Callable[..., Target]] = field(default_factory=dict)
    lineage: str = ""

    @property
    def place(self) -> str:
        """What messages call the target's table."""
        return f"suites.{self.suite}.target"

    def sender(self) -> ModelClient:
        """Return the client.

        Raises:
            SettingsError: there is none.

        """
        if self.client is None:
            raise SettingsError(f"{self.place}: it sends calls, and nothing sends them here; use recorded outputs")
        return self.client

    def path(self, key: str, name: str) -> Path:
        """Return the path that stands at ``key`` of the table.

        Raises:
            SettingsError: it leads out of the root folder.

        """
        try:
            return files.inside(self.root, Path(name))
        except ValueError as error:
            raise SettingsError(f"{self.place}.{key}: {error}") from None


def build_target(spec: settings.Target, *, context: TargetContext) -> Target:
    """Build the target that ``spec`` describes; `close_target` ends it.

    Raises:
        UserError: a file, function, program or model is not there or may not be used, a template is malformed; names
            the place and the value.

    """
    match spec:
        case settings.RecordedTarget():
            return _recorded(spec, context)
        case settings.PythonTarget():
            function = callables.resolve(spec.python, roots=[context.root])
            return wrap(function, max_concurrency=spec.max_concurrency)
        case settings.ModelTarget():
            return _model(spec, context)
        case settings.HttpTarget():
            return _http(spec, context)
        case settings.CommandTarget():
            from pytest_evalgate.targets.command import load_command  # noqa: PLC0415 - asyncio, where it is used

            return load_command(spec, root=context.root, place=context.place)
        case settings.HookTarget():
            return make_hooked(spec, context.hooks, place=context.place)


def close_target(target: Target) -> None:
    """End what ``target`` has started, such as its threads."""
    close = getattr(target, "close", None)
    if callable(close):
        close()


def _recorded(spec: settings.RecordedTarget, context: TargetContext) -> RecordedTarget:
    paths = [context.path("recorded", name) for name in spec.recorded]
    return load(paths, root=context.root, output=spec.output)


def _model(spec: settings.ModelTarget, context: TargetContext) -> ModelTarget:
    model = context.models.get(spec.model)
    if model is None:
        known = ", ".join(context.models) or "none"
        raise SettingsError(f"{context.place}.model: no model is named {spec.model!r}; there are: {known}")
    check_params(model.params, f"models.{spec.model}.params")
    check_params(spec.params, f"{context.place}.params")
    check_json([spec.tools, spec.response_format], f"{context.place}.tools or response_format")
    prompt, system = _prompt("prompt", spec.prompt, context), _prompt("system", spec.system, context)
    return ModelTarget(spec, model, context.suite, context.sender(), prompt, system)


def _prompt(key: str, name: str | None, context: TargetContext) -> Prompt | None:
    if name is None:
        return None
    from pytest_evalgate.targets.prompts import load_prompt  # noqa: PLC0415 - jinja2, where there are templates

    path = context.path(key, name)
    return load_prompt(path, name=files.relative_name(path, context.root))


def _http(spec: settings.HttpTarget, context: TargetContext) -> HttpTarget:
    check_request(spec.http, f"{context.place}.http")
    check_json(spec.http.body, f"{context.place}.http.body")
    return HttpTarget(spec.http, context.suite, spec.version or context.lineage, context.sender())
