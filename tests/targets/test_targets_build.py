"""Targets from their configuration, and those of a plug-in's hook."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config, hookspec
from pytest_evalgate.config.targets import target_table
from pytest_evalgate.errors import CallableError, SettingsError, UserError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets import (
    HookTargetRunner,
    RecordedTargetRunner,
    TargetContext,
    build_target,
    close_target,
)
from pytest_evalgate.targets.build import build_hook_target
from pytest_evalgate.targets.command import CommandTargetRunner
from pytest_evalgate.targets.http import HttpTargetRunner
from pytest_evalgate.targets.model import ModelTargetRunner
from pytest_evalgate.targets.python import PythonTargetRunner
from pytest_evalgate.usercode import UserCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.targets.conftest import FakeClient

    from pytest_evalgate.protocols import Target


_CASE = Case("a", input="hi")


class _Own:
    async def answer(self, case: Case, trial: int) -> Any:
        return f"{case.id}{trial}"


@pytest.fixture
def context(tmp_path: Path, client: FakeClient) -> TargetContext:
    root = tmp_path / "project"
    root.mkdir()
    (root / "out.jsonl").write_text('{"id": "a", "output": "recorded"}\n')
    (root / "prompt.md").write_text("Q: {{ input }}")
    (root / "chat.json").write_text('[{"role": "user", "content": "{{ input }}"}]')
    (tmp_path / "outside.md").write_text("secret")
    (root / "link.md").symlink_to(tmp_path / "outside.md")
    return TargetContext(
        root=root,
        suite="s",
        models={"m": config.Model(model="m-1"), "bad": config.Model(model="m-2", params={"stream": True})},
        client=client,
        hooks={"own": _Own},
        code_version="commit-1",
    )


def _build(table: dict[str, Any], context: TargetContext) -> Target:
    return build_target(target_table(table), context=context)


_TABLES: list[tuple[dict[str, Any], type]] = [
    ({"recorded": "out.jsonl"}, RecordedTargetRunner),
    ({"python": "textwrap:dedent"}, PythonTargetRunner),
    ({"model": "m", "prompt": "prompt.md", "system": "prompt.md"}, ModelTargetRunner),
    ({"model": "m", "prompt": "chat.json"}, ModelTargetRunner),
    ({"model": "m"}, ModelTargetRunner),
    ({"http": {"url": "http://x/{{ input }}"}}, HttpTargetRunner),
    ({"command": [sys.executable, "-c", "print('x')"]}, CommandTargetRunner),
    ({"kind": "own"}, HookTargetRunner),
]


@pytest.mark.parametrize(("table", "kind"), _TABLES)
def test_each_kind_of_target_is_built_and_answers(table: dict[str, Any], kind: type, context: TargetContext) -> None:
    target = _build(table, context)
    assert isinstance(target, kind)
    assert asyncio.run(target.answer(_CASE, 0)).value in ("recorded", "hi", "hello", "x", "a0")
    close_target(target)


def test_the_prompt_is_read_from_its_file(context: TargetContext, client: FakeClient) -> None:
    asyncio.run(_build({"model": "m", "prompt": "prompt.md"}, context).answer(_CASE, 0))
    assert client.calls[0].payload["messages"] == [{"role": "user", "content": "Q: hi"}]


@pytest.mark.parametrize(("version", "message"), [("v7", "v7"), (None, "commit-1")])
def test_the_version_of_an_application(version: str | None, message: str, context: TargetContext) -> None:
    target = _build({"http": {"url": "http://x/{{ input }}"}, "version": version}, context)
    assert isinstance(target, HttpTargetRunner)
    assert target.call_of(_CASE, 0).version == message


def test_closing_ends_the_threads(context: TargetContext) -> None:
    target = _build({"python": "textwrap:dedent"}, context)
    close_target(target)
    with pytest.raises(RuntimeError, match="shutdown"):
        asyncio.run(target.answer(_CASE, 0))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"recorded": "../outside.md"}, "suites.s.target.recorded: ../outside.md leads to"),
        ({"model": "m", "prompt": "../outside.md"}, "suites.s.target.prompt: ../outside.md leads to"),
        ({"model": "m", "system": "link.md"}, "suites.s.target.system: link.md leads to"),
        ({"model": "m", "prompt": "/etc/passwd"}, "suites.s.target.prompt: /etc/passwd leads to /etc/passwd, outside"),
        ({"model": "m", "prompt": "none.md"}, "suites.s.target.prompt: there is no file none.md in "),
        ({"model": "n"}, "suites.s.target.model: no model is named 'n'; configured are: m, bad"),
        ({"model": "bad"}, "models.bad.params.stream: the target sets it"),
        ({"model": "m", "params": {"n": 3}}, "suites.s.target.params.n: the target sets it"),
        (
            {"model": "m", "response_format": {"a": float("nan")}},
            "suites.s.target.tools or response_format: it cannot be sent as JSON",
        ),
        ({"http": {"url": "http://x/y"}}, "suites.s.target.http: every case would send the same request"),
        (
            {"http": {"url": "http://x/{{ input }}", "body": [float("inf")]}},
            "suites.s.target.http.body: it cannot be sent as JSON",
        ),
        ({"command": ["no-such-program"]}, "suites.s.target.command: no-such-program is not a program"),
        (
            {"python": "evalgate_no_such:answer"},
            'suites.s.target: python = "evalgate_no_such:answer" cannot',
        ),
        ({"kind": "other"}, 'suites.s.target.kind: no target is named "other"'),
    ],
)
def test_a_target_that_cannot_be_built_is_an_error_with_its_place(
    table: dict[str, Any], message: str, context: TargetContext
) -> None:
    with pytest.raises(UserError) as caught:
        _build(table, context)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("table", [{"model": "m"}, {"http": {"url": "http://x/{{ input }}"}}])
def test_without_a_client_model_and_http_targets_are_refused(table: dict[str, Any], context: TargetContext) -> None:
    unsent = TargetContext(context.root, "s", context.models)
    with pytest.raises(UserError, match=r"suites\.s\.target: it sends calls, and this command sends none"):
        _build(table, unsent)


def test_recorded_outputs_load_neither_asyncio_nor_templates() -> None:
    code = (
        "import sys, pytest_evalgate.targets\n"
        "heavy = {'asyncio', 'concurrent.futures', 'jinja2', 'openai', 'httpx'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class _Shouting:
    def __init__(self, ending: str = "!") -> None:
        self.ending = ending
        self.is_closed = False

    async def answer(self, case: Case, trial: int) -> Any:
        return f"{case.input}{self.ending}{trial}"

    def close(self) -> None:
        self.is_closed = True


def _make(factory: Callable[..., Any], **keys: Any) -> Any:
    spec = config.HookTarget(kind="shouting", **keys)
    return build_hook_target(spec, {"shouting": factory}, UserCode(), place="suites.s.target")


def _refused(factory: Callable[..., Any], **keys: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        _make(factory, **keys)
    return str(caught.value)


def test_the_factory_is_called_with_the_other_keys_of_the_table() -> None:
    output = asyncio.run(_make(_Shouting, ending="?").answer(Case("a", input="hi"), 1))
    assert output == Output("hi?1")


def test_the_docstring_of_the_hook_works() -> None:
    code = textwrap.dedent((hookspec.pytest_evalgate_targets.__doc__ or "").split("::")[1].split("and in")[0])
    pasted: dict[str, Any] = {}
    exec(code, pasted)  # noqa: S102 - it is our own docstring
    factory = pasted["pytest_evalgate_targets"]()["shouting"]
    output = asyncio.run(_make(factory, ending="!!").answer(Case("a", input="hi"), 0))
    assert output.value == "HI!!"


def test_closing_it_closes_the_users_target() -> None:
    target = _make(_Shouting)
    target.close()
    assert target.inner.is_closed


def test_a_target_without_close_can_be_closed() -> None:
    class Quiet:
        async def answer(self, case: Case, trial: int) -> Any:
            return f"{case.id}{trial}"

    _make(Quiet).close()


def test_the_output_of_a_hook_target_is_checked() -> None:
    class Wrong:
        async def answer(self, case: Case, trial: int) -> Any:
            return (case.id, trial)

    with pytest.raises(TypeError, match="the target returned tuple"):
        asyncio.run(_make(Wrong).answer(Case("a"), 0))


def test_a_failing_factory_is_reported_with_its_error() -> None:
    def broken() -> Any:
        raise OSError("no model file")

    assert _refused(broken) == 'suites.s.target: kind = "shouting" could not be created: OSError: no model file'
    assert _refused(_Shouting, endign="?").endswith("got an unexpected keyword argument 'endign'")
    assert (
        _refused(dict) == 'suites.s.target: kind = "shouting" created a dict, which has no method `async def answer`'
    )


def test_a_user_error_of_the_factory_is_passed_on() -> None:
    def strict() -> Any:
        raise CallableError("set BOT_HOME")

    with pytest.raises(CallableError, match=r"^set BOT_HOME$"):
        _make(strict)


@pytest.mark.parametrize(
    ("kind", "message"),
    [("shoutin", 'did you mean "shouting"?'), ("xyz", "the hook pytest_evalgate_targets provides: shouting")],
)
def test_an_unknown_kind_is_reported_with_the_known_ones(kind: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build_hook_target(config.HookTarget(kind=kind), {"shouting": _Shouting}, UserCode(), place="suites.s.target")
    assert str(caught.value) == f'suites.s.target.kind: no target is named "{kind}": {message}'


def test_an_absent_hook_is_reported() -> None:
    with pytest.raises(SettingsError, match="pytest_evalgate_targets provides: none"):
        build_hook_target(config.HookTarget(kind="x"), {}, UserCode(), place="p")
