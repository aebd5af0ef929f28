"""From a specification, as it stands in the configuration, to a target."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_evalgate import callables, config
from pytest_evalgate.errors import SettingsError, UserError
from pytest_evalgate.protocols import Target
from pytest_evalgate.targets.http import HttpTarget, check_request
from pytest_evalgate.targets.model import ModelTarget, check_json, check_params
from pytest_evalgate.targets.outputs import as_output
from pytest_evalgate.targets.python import wrap_function
from pytest_evalgate.targets.recorded import load
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.results import Case, Output
    from pytest_evalgate.targets.prompts import Prompt
    from pytest_evalgate.targets.recorded import RecordedTarget


@dataclass(frozen=True, slots=True)
class HookedTarget:
    """A target of the user's own; what it returns is checked."""

    inner: Target

    async def answer(self, case: Case, trial: int) -> Output:
        """Return what the user's target returned: a str, a dict or an Output."""
        return as_output(await self.inner.answer(case, trial))

    def close(self) -> None:
        """Close the user's target, where it can be closed."""
        close = getattr(self.inner, "close", None)
        if callable(close):
            close()


def build_hook_target(
    spec: config.HookTarget, factories: Mapping[str, Callable[..., Target]], *, place: str
) -> HookedTarget:
    """Call the factory that ``spec`` names with the other keys of its table.

    Raises:
        SettingsError: there is no such factory, it does not take these keys, failed, or returned no target.

    """
    factory = factories.get(spec.kind)
    if factory is None:
        raise SettingsError(f"{place}.kind: {_unknown(spec.kind, factories)}")
    made = _called(factory, spec.parameters, f'{place}: kind = "{spec.kind}"')
    if not isinstance(made, Target):
        raise SettingsError(f'{place}: kind = "{spec.kind}" made {type(made).__name__}: it needs async def answer')
    return HookedTarget(made)


def _called(factory: Callable[..., Target], parameters: Mapping[str, Any], place: str) -> object:
    try:
        return factory(**parameters)
    except UserError:
        raise
    except Exception as error:
        raise SettingsError(f"{place} could not be made: {type(error).__name__}: {error}") from error


def _unknown(kind: str, factories: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(kind, factories, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"the hook pytest_evalgate_targets brings {_listed(factories)}"
    return f'no target is named "{kind}": {hint}'


def _listed(factories: Mapping[str, object]) -> str:
    return ", ".join(sorted(factories)) or "none"


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
    models: Mapping[str, config.Model] = field(default_factory=dict)
    client: ModelClient | None = None
    hooks: Mapping[str, Callable[..., Target]] = field(default_factory=dict)
    code_version: str = ""

    @property
    def place(self) -> str:
        """What messages call the target's table."""
        return f"suites.{self.suite}.target"

    def require_client(self) -> ModelClient:
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
            return files.resolve_inside(self.root, Path(name))
        except ValueError as error:
            raise SettingsError(f"{self.place}.{key}: {error}") from None


def build_target(spec: config.Target, *, context: TargetContext) -> Target:
    """Build the target that ``spec`` describes; `close_target` ends it.

    Raises:
        UserError: a file, function, program or model is not there or may not be used, a template is malformed; names
            the place and the value.

    """
    match spec:
        case config.RecordedTarget():
            return _recorded(spec, context)
        case config.PythonTarget():
            function = callables.resolve(spec.python, roots=[context.root])
            return wrap_function(function, max_concurrency=spec.max_concurrency)
        case config.ModelTarget():
            return _model(spec, context)
        case config.HttpTarget():
            return _http(spec, context)
        case config.CommandTarget():
            from pytest_evalgate.targets.command import load_command  # noqa: PLC0415 - asyncio, where it is used

            return load_command(spec, root=context.root, place=context.place)
        case config.HookTarget():
            return build_hook_target(spec, context.hooks, place=context.place)


def close_target(target: Target) -> None:
    """End what ``target`` has started, such as its threads."""
    close = getattr(target, "close", None)
    if callable(close):
        close()


def _recorded(spec: config.RecordedTarget, context: TargetContext) -> RecordedTarget:
    paths = [context.path("recorded", name) for name in spec.recorded]
    return load(paths, root=context.root, output=spec.output)


def _model(spec: config.ModelTarget, context: TargetContext) -> ModelTarget:
    model = context.models.get(spec.model)
    if model is None:
        known = ", ".join(context.models) or "none"
        raise SettingsError(f"{context.place}.model: no model is named {spec.model!r}; there are: {known}")
    check_params(model.params, f"models.{spec.model}.params")
    check_params(spec.params, f"{context.place}.params")
    check_json([spec.tools, spec.response_format], f"{context.place}.tools or response_format")
    prompt, system = _prompt("prompt", spec.prompt, context), _prompt("system", spec.system, context)
    return ModelTarget(spec, model, context.suite, context.require_client(), prompt, system)


def _prompt(key: str, name: str | None, context: TargetContext) -> Prompt | None:
    if name is None:
        return None
    from pytest_evalgate.targets.prompts import load_prompt  # noqa: PLC0415 - jinja2, where there are templates

    path = context.path(key, name)
    return load_prompt(path, name=files.relative_name(path, context.root))


def _http(spec: config.HttpTarget, context: TargetContext) -> HttpTarget:
    check_request(spec.http, f"{context.place}.http")
    check_json(spec.http.body, f"{context.place}.http.body")
    return HttpTarget(spec.http, context.suite, spec.version or context.code_version, context.require_client())
