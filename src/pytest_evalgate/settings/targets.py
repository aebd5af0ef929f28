"""The target of a suite, as it is configured."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from pytest_evalgate.settings.fields import (
    Concurrency,
    EnvironmentName,
    FileName,
    FileNames,
    Rate,
    Seconds,
    Table,
)


class RecordedTarget(Table):
    """Outputs that were recorded earlier: one JSONL file, or one a trial, joined by id.

    ``output`` is the dotted path of the output inside a row.
    """

    recorded: FileNames
    output: str = "output"


class PythonTarget(Table):
    """A callable, ``"pkg.mod:name"``; plain functions run in threads.

    With ``version`` its outputs are remembered from run to run, until that text changes.
    """

    python: str = Field(pattern=r"^[\w.]+:[\w.]+$")
    max_concurrency: Concurrency = 8
    version: str | None = None


class ModelTarget(Table):
    """A model with a prompt. ``model`` is a key of ``models``; ``prompt`` and ``system`` are template files.

    ``params`` are laid over those of the model.
    """

    model: str
    prompt: FileName | None = None
    system: FileName | None = None
    tools: tuple[dict[str, Any], ...] = ()
    response_format: dict[str, Any] | None = None
    params: dict[str, Any] = Field(default_factory=dict)


class HttpRequest(Table):
    """One request of an application. ``headers_env`` maps header names to the NAMES of environment variables."""

    url: str = Field(pattern=r"^https?://[^\s]+$")
    method: Literal["GET", "POST", "PUT", "PATCH"] = "POST"
    headers: dict[str, str] = Field(default_factory=dict)
    headers_env: dict[str, EnvironmentName] = Field(default_factory=dict)
    body: Any = None
    output: str | None = None
    max_concurrency: Concurrency = 32
    requests_per_minute: Rate | None = None
    timeout_s: Seconds = 60.0


class HttpTarget(Table):
    """An application behind HTTP. With ``version`` its outputs are remembered until that text changes."""

    http: HttpRequest
    version: str | None = None


class CommandTarget(Table):
    """A program that reads JSON on stdin and writes its output on stdout; no shell is involved."""

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    timeout_s: Seconds = 60.0
    max_concurrency: Concurrency = 4
    version: str | None = None


class HookTarget(Table):
    """A target that the hook ``pytest_evalgate_targets`` brings; every other key is handed to it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str

    @property
    def parameters(self) -> dict[str, Any]:
        """What the hook's function is called with."""
        return dict(self.model_extra or {})


Target = RecordedTarget | PythonTarget | ModelTarget | HttpTarget | CommandTarget | HookTarget

TARGETS: dict[str, type[Table]] = {
    "recorded": RecordedTarget,
    "python": PythonTarget,
    "model": ModelTarget,
    "http": HttpTarget,
    "command": CommandTarget,
    "kind": HookTarget,
}
"""Each kind of target by the key that names it."""


def target_table(value: Any) -> Any:
    """Pick the kind of target by its key, so that an error speaks of one kind only."""
    if not isinstance(value, dict):
        return value
    named = [key for key in TARGETS if key in value]
    if "kind" in named:
        named = ["kind"]
    if len(named) != 1:
        raise ValueError(f"a target has exactly one of {', '.join(TARGETS)}; got {', '.join(value) or 'nothing'}")
    return TARGETS[named[0]].model_validate(value)


TargetTable = Annotated[Target | None, BeforeValidator(target_table)]
