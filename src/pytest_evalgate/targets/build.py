"""Construction of a target from its configuration, including targets that a plug-in provides."""

from __future__ import annotations

import difflib
from dataclasses import field
from typing import TYPE_CHECKING

from pytest_evalgate import config
from pytest_evalgate.errors import CallableError, SettingsError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.protocols import Target
from pytest_evalgate.targets.outputs import as_output
from pytest_evalgate.targets.recorded import load
from pytest_evalgate.targets.request import check_json
from pytest_evalgate.text import files
from pytest_evalgate.text.exceptions import describe_error
from pytest_evalgate.usercode import UserCode, guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Output
    from pytest_evalgate.records.traces import RunTrace
    from pytest_evalgate.targets.model import ModelTargetRunner
    from pytest_evalgate.targets.prompts import ChatPrompt, Prompt


@dataclass(frozen=True, slots=True)
class TargetContext:
    """Context of the construction of the target of ``suite``.

    Relative paths start at ``root``, and no path may lead out of it. ``client`` sends the calls of model and http
    targets; None if the command sends no calls. ``hooks`` are the factories from the hook ``pytest_evalgate_targets``,
    by kind. ``code_version`` is used if the target's configuration has no version. ``allow_empty`` accepts empty
    replies of a model. ``code`` runs the user's coroutines. ``trace`` is the trace of the run; None if it has none.
    ``only`` are the ids of the cases that run, if outputs of others are not to be read; None for all.
    """

    root: Path
    suite: str
    models: Mapping[str, config.Model] = field(default_factory=dict)
    client: ModelClient | None = None
    hooks: Mapping[str, Callable[..., Target]] = field(default_factory=dict)
    code_version: str = ""
    allow_empty: bool = False
    code: UserCode = field(default_factory=UserCode)
    only: Collection[str] | None = None
    trace: RunTrace | None = None

    @property
    def place(self) -> str:
        """Name of the target's table in messages."""
        return f"suites.{self.suite}.target"

    def require_client(self) -> ModelClient:
        """Return the client; raise SettingsError if there is none."""
        if self.client is None:
            raise SettingsError(f"{self.place}: it sends calls, and this command sends none; use recorded outputs")
        return self.client

    def trace_context(self, case: Case, trial: int) -> str:
        """Return the trace context of the target's call; empty if the run has no trace."""
        if self.trace is None:
            return ""
        return self.trace.context_of(self.trace.trial_spans(f"{self.suite}::{case.id}", trial).target)

    def path(self, key: str, name: str) -> Path:
        """Return the path of the file that ``key`` names; raise SettingsError if it is outside of the root folder."""
        return files.configured_path(self.root, name, f"{self.place}.{key}")

    def existing(self, key: str, name: str) -> Path:
        """Return the path of the file that ``key`` names; raise SettingsError if there is no such file."""
        return files.existing_path(self.root, name, f"{self.place}.{key}")


def build_target(spec: config.Target, *, context: TargetContext) -> Target:
    """Build the target that ``spec`` configures. Call `close_target` at the end.

    Raises:
        UserError: A file, function, program or model is missing or may not be used, or a template is malformed.
    """
    match spec:
        case config.RecordedTarget():
            paths = [context.existing("recorded", name) for name in spec.recorded]
            return load(paths, root=context.root, output=spec.output, only=context.only)
        case config.PythonTarget():
            from pytest_evalgate import callables  # noqa: PLC0415 - as below
            from pytest_evalgate.targets.python import (  # noqa: PLC0415 - each suite needs one kind
                check_function,
                wrap_function,
            )

            try:
                function = callables.resolve(spec.python, roots=[context.root])
            except CallableError as error:
                raise CallableError(f"{context.place}: {error}") from error
            check_function(function, f'{context.place}: python = "{spec.python}"')
            return wrap_function(function, context.code, max_concurrency=spec.max_concurrency)
        case config.ModelTarget():
            return _model(spec, context)
        case config.HttpTarget():
            from pytest_evalgate.targets.http import HttpTargetRunner, check_request  # noqa: PLC0415 - as above

            check_request(spec.http, f"{context.place}.http")
            version = spec.version or context.code_version
            return HttpTargetRunner(spec.http, context.suite, version, context.require_client())
        case config.CommandTarget():
            from pytest_evalgate.targets.command import load_command  # noqa: PLC0415 - imports asyncio, 16 ms

            traced = None if context.trace is None else context.trace_context
            return load_command(spec, root=context.root, place=context.place, trace_context=traced)
        case config.HookTarget():
            return build_hook_target(spec, context.hooks, context.code, place=context.place)
        case config.RunTarget():
            raise SettingsError(f"run:{spec.run}: outputs of a run are graded by: pytest --eval-target run:{spec.run}")


def close_target(target: Target) -> None:
    """Close a target, for example its threads, if it can be closed. A failure of the user's code is ignored."""
    close = getattr(target, "close", None)
    if callable(close):
        guarded(close)


def _model(spec: config.ModelTarget, context: TargetContext) -> ModelTargetRunner:
    model = context.models.get(spec.model)
    if model is None:
        known = ", ".join(context.models) or "none"
        raise SettingsError(f"{context.place}.model: no model is named {spec.model!r}; configured are: {known}")
    from pytest_evalgate.targets.model import ModelTargetRunner, check_params  # noqa: PLC0415 - as above

    check_params(model.params, f"models.{spec.model}.params")
    check_params(spec.params, f"{context.place}.params")
    check_json([spec.tools, spec.response_format], f"{context.place}.tools or response_format")
    is_chat = spec.prompt is not None and spec.prompt.lower().endswith(".json")
    prompt = (_messages if is_chat else _prompt)("prompt", spec.prompt, context)
    system = _prompt("system", spec.system, context)
    return ModelTargetRunner(spec, model, context.suite, context.require_client(), prompt, system, context.allow_empty)


def _prompt(key: str, name: str | None, context: TargetContext) -> Prompt | None:
    if name is None:
        return None
    from pytest_evalgate.targets.prompts import load_prompt  # noqa: PLC0415 - imports jinja2, only templates need it

    path = context.existing(key, name)
    return load_prompt(path, name=files.relative_name(path, context.root))


def _messages(key: str, name: str | None, context: TargetContext) -> ChatPrompt | None:
    if name is None:
        return None
    from pytest_evalgate.targets.prompts import load_messages  # noqa: PLC0415 - as above

    path = context.path(key, name)
    return load_messages(path, name=files.relative_name(path, context.root))


@dataclass(frozen=True, slots=True)
class HookTargetRunner:
    """A target of a plug-in. Its return values are checked."""

    inner: Target
    code: UserCode

    async def answer(self, case: Case, trial: int) -> Output:
        """Return the output of the inner target, which may return a str, a dict or an Output."""
        output: Output = await self.code.run(lambda: self._answer(case, trial))
        return output

    async def _answer(self, case: Case, trial: int) -> Output:
        return as_output(await self.inner.answer(case, trial))

    def close(self) -> None:
        """Close the inner target if it can be closed."""
        close_target(self.inner)


def build_hook_target(
    spec: config.HookTarget, factories: Mapping[str, Callable[..., Target]], code: UserCode, *, place: str
) -> HookTargetRunner:
    """Call the factory that ``spec`` names with the other keys of its table.

    Raises:
        SettingsError: There is no such factory, it does not accept these keys, failed, or returned no target.
    """
    factory = factories.get(spec.kind)
    if factory is None:
        near = difflib.get_close_matches(spec.kind, factories, n=1)
        known = ", ".join(sorted(factories)) or "none"
        hint = f'did you mean "{near[0]}"?' if near else f"the hook pytest_evalgate_targets provides: {known}"
        raise SettingsError(f'{place}.kind: no target is named "{spec.kind}": {hint}')
    named = f'{place}: kind = "{spec.kind}"'
    try:
        target: object = factory(**spec.parameters)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise SettingsError(f"{named} could not be created: {describe_error(error)}") from error
    if not isinstance(target, Target):
        raise SettingsError(f"{named} created a {type(target).__name__}, which has no method `async def answer`")
    return HookTargetRunner(target, code)
