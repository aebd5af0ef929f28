"""Targets of a suite, from the configuration or the command line."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from pytest_evalgate.config.tables import (
    Concurrency,
    EnvironmentName,
    EnvironmentNames,
    FileName,
    FileNames,
    Rate,
    Seconds,
    Table,
    TextForm,
    no_key_in_url,
)
from pytest_evalgate.text.problems import UNQUOTED
from pytest_evalgate.text.redaction import looks_like_key

_URL: Final = re.compile(r"^https?://[^\s{}/?#@]+([/?#]([^\s{}]|\{\{ *[\w.-]+ *\}\})*)?$")


def _url(text: str) -> str:
    if not _URL.match(text):
        raise ValueError(
            "write https://host/path; use {{ input }} and other values of the case in the path and the query only, "
            "and put user names and passwords in headers_env"
        )
    return no_key_in_url(text)


def _no_key(value: str) -> str:
    if looks_like_key(value.removeprefix("Bearer ")):
        raise PydanticCustomError(UNQUOTED, "this looks like a key: name its environment variable in headers_env")
    if "{{" in value:
        raise ValueError("headers are sent unchanged: put values of the case into the url or the body")
    return value


HeaderValue = Annotated[str, AfterValidator(_no_key)]
Url = Annotated[str, AfterValidator(_url), Field(json_schema_extra={"pattern": _URL.pattern})]
"""URL of an application. Values of a case may appear in path and query only, so that they cannot choose the host."""


FunctionName = Annotated[str, TextForm(r"^[\w.]+:[\w.]+$", 'write "module:function", such as "myapp.bot:answer"')]


class RecordedTarget(Table):
    """Recorded outputs.

    ``recorded`` is a JSONL file, or a list of files, one for each trial. Rows are matched to cases by ``id``.
    ``output`` is the dotted path of the output in a row.
    """

    recorded: FileNames
    output: str = "output"


class PythonTarget(Table):
    """A Python function or coroutine function, ``"pkg.mod:name"``. Functions run in threads.

    With ``version``, outputs are cached until that text changes. ``env`` names the environment variables that decide
    the outputs: if one of them changes, neither cached outputs nor those of an interrupted run are used.
    """

    python: FunctionName
    max_concurrency: Concurrency = 8
    version: str | None = None
    env: EnvironmentNames = ()


class ModelTarget(Table):
    """A model with a prompt.

    ``model`` is a key of ``models``. ``prompt`` and ``system`` are files with Jinja templates. A ``prompt`` whose name
    ends in ``.json`` is a list of messages, whose texts are templates. ``params`` override those of the model.
    """

    model: str
    prompt: FileName | None = None
    system: FileName | None = None
    tools: tuple[dict[str, Any], ...] = ()
    response_format: dict[str, Any] | None = None
    params: dict[str, Any] = Field(default_factory=dict)


class HttpRequest(Table):
    """The request to send for each trial.

    ``{{ input }}`` and other dotted paths in ``url`` and ``body`` are replaced by values of the case. ``headers_env``
    maps header names to the names of environment variables that contain their values. ``output`` is the dotted path
    of the output in the response; without it, the whole response is the output.
    """

    url: Url
    method: Literal["GET", "POST", "PUT", "PATCH"] = "POST"
    headers: dict[str, HeaderValue] = Field(default_factory=dict)
    headers_env: dict[str, EnvironmentName] = Field(default_factory=dict)
    body: Any = None
    output: str | None = None
    max_concurrency: Concurrency = 32
    requests_per_minute: Rate | None = None
    timeout_s: Seconds = 60.0


class HttpTarget(Table):
    """An application with an HTTP API.

    With ``version``, outputs are cached until that text changes. ``env`` is as in a Python target.
    """

    http: HttpRequest
    version: str | None = None
    env: EnvironmentNames = ()


class CommandTarget(Table):
    """A program that reads the case as JSON from stdin and writes its output to stdout.

    ``command`` is the program and its arguments; no shell is used. With ``version``, outputs are cached until that
    text changes. ``env`` is as in a Python target.
    """

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    timeout_s: Seconds = 60.0
    max_concurrency: Concurrency = 4
    version: str | None = None
    env: EnvironmentNames = ()


class HookTarget(Table):
    """A target from the hook ``pytest_evalgate_targets``. All other keys are passed to it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str

    @property
    def parameters(self) -> dict[str, Any]:
        """The keyword arguments for the hook's function."""
        return dict(self.model_extra or {})


class RunTarget(Table):
    """The outputs of a stored run, which are graded again. Only the command line has it: a run is of one machine.

    ``run`` is the id of the run, or "last".
    """

    run: Annotated[str, Field(min_length=1)]


_Configured = RecordedTarget | PythonTarget | ModelTarget | HttpTarget | CommandTarget | HookTarget
Target = _Configured | RunTarget

TARGETS: dict[str, type[Table]] = {
    "recorded": RecordedTarget,
    "python": PythonTarget,
    "model": ModelTarget,
    "http": HttpTarget,
    "command": CommandTarget,
    "kind": HookTarget,
}
"""Target tables by the key that selects them."""


def target_table(value: Any) -> Any:
    """Validate a table as the kind of target that its key selects, so that messages name only keys of that kind."""
    if value is None or isinstance(value, Table):
        return value
    if not isinstance(value, dict):
        raise ValueError('a target is a table, such as { python = "myapp.bot:answer" } or { model = "candidate" }')  # noqa: TRY004 - pydantic takes ValueError
    named = [key for key in TARGETS if key in value]
    if "kind" in named:
        named = ["kind"]
    if len(named) != 1:
        raise ValueError(f"a target has exactly one of {', '.join(TARGETS)}; got {', '.join(value) or 'nothing'}")
    return TARGETS[named[0]].model_validate(value)


def parse_target_spec(spec: str, instead_of: Target | None) -> Target:
    """Parse a target from the command line.

    Settings that a spec cannot express are copied from ``instead_of`` if that is a target of the same kind.

    Raises:
        ValueError: The form is unknown, or a value is wrong.
    """
    kind, _, rest = spec.partition(":")
    if kind in ("http", "https") and rest.startswith("//"):
        kind, rest = "http", spec
    kept: dict[str, Any] = {}
    match kind if rest else "":
        case "run":
            return RunTarget(run=rest)
        case "recorded":
            kept = {"output": instead_of.output} if isinstance(instead_of, RecordedTarget) else {}
            table = {**kept, "recorded": rest.split(",")}
        case "model":
            kept = instead_of.model_dump(exclude_unset=True) if isinstance(instead_of, ModelTarget) else {}
            table = {**kept, "model": rest}
        case "http":
            table = _http_table(rest, instead_of)
        case "python":
            table = {"python": rest}
        case "command":
            table = {"command": shlex.split(rest)}
        case _:
            raise ValueError(f"write {_meant(spec)}{TARGET_SPECS}")
    target: Target = target_table(table)
    return target


def _meant(spec: str) -> str:
    """Return the likely form of a spec without its kind."""
    if re.fullmatch(r"(?!kind:)[A-Za-z_][\w.]*:[\w.]+", spec):
        return f"python:{spec} for a function; the forms are "
    return f"recorded:{spec} for a file; the forms are " if re.fullmatch(r"[\w./-]+\.jsonl", spec) else ""


def _http_table(rest: str, instead_of: Target | None) -> dict[str, Any]:
    if not isinstance(instead_of, HttpTarget):
        return {"http": {"url": rest, "body": {"input": "{{ input }}"}}}
    kept = instead_of.http.model_dump(exclude_unset=True)
    if urlsplit(rest)[:2] != urlsplit(instead_of.http.url)[:2]:  # credentials for one host must not be sent to another
        kept.pop("headers_env", None)
    return {"http": {**kept, "url": rest}}


TARGET_SPECS: Final = (
    "recorded:FILE, python:pkg.mod:name, model:NAME, http:URL, command:'PROGRAM ARGUMENTS' or run:ID (run:last)"
)

TargetTable = Annotated[Target | None, BeforeValidator(target_table, json_schema_input_type=_Configured | None)]
SomeTarget = Annotated[Target, BeforeValidator(target_table, json_schema_input_type=_Configured)]
