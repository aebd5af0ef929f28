from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config
from pytest_evalgate.config.targets import target_table
from pytest_evalgate.errors import UserError
from pytest_evalgate.records.results import Case
from pytest_evalgate.targets import (
    HookedTarget,
    HttpTarget,
    ModelTarget,
    PythonTarget,
    RecordedTarget,
    TargetContext,
    build_target,
    close_target,
)
from pytest_evalgate.targets.command import CommandTarget

if TYPE_CHECKING:
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
    ({"recorded": "out.jsonl"}, RecordedTarget),
    ({"python": "textwrap:dedent"}, PythonTarget),
    ({"model": "m", "prompt": "prompt.md", "system": "prompt.md"}, ModelTarget),
    ({"model": "m"}, ModelTarget),
    ({"http": {"url": "http://x/{{ input }}"}}, HttpTarget),
    ({"command": [sys.executable, "-c", "print('x')"]}, CommandTarget),
    ({"kind": "own"}, HookedTarget),
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


@pytest.mark.parametrize(("version", "told"), [("v7", "v7"), (None, "commit-1")])
def test_the_version_of_an_application(version: str | None, told: str, context: TargetContext) -> None:
    target = _build({"http": {"url": "http://x/{{ input }}"}, "version": version}, context)
    assert isinstance(target, HttpTarget)
    assert target.call_of(_CASE, 0).version == told


def test_closing_ends_the_threads(context: TargetContext) -> None:
    target = _build({"python": "textwrap:dedent"}, context)
    close_target(target)
    with pytest.raises(RuntimeError, match="shutdown"):
        asyncio.run(target.answer(_CASE, 0))


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"recorded": "../outside.md"}, "suites.s.target.recorded: ../outside.md leads to"),
        ({"model": "m", "prompt": "../outside.md"}, "suites.s.target.prompt: ../outside.md leads to"),
        ({"model": "m", "system": "link.md"}, "suites.s.target.system: link.md leads to"),
        ({"model": "m", "prompt": "/etc/passwd"}, "suites.s.target.prompt: /etc/passwd leads to /etc/passwd, outside"),
        ({"model": "m", "prompt": "none.md"}, "none.md: there is no such file"),
        ({"model": "n"}, "suites.s.target.model: no model is named 'n'; there are: m, bad"),
        ({"model": "bad"}, "models.bad.params.stream: the target sets it"),
        ({"model": "m", "params": {"n": 3}}, "suites.s.target.params.n: the target sets it"),
        (
            {"model": "m", "response_format": {"a": float("nan")}},
            "suites.s.target.tools or response_format: it goes out",
        ),
        ({"http": {"url": "http://x/y"}}, "suites.s.target.http: every case would send the same request"),
        ({"http": {"url": "http://x/{{ input }}", "body": [float("inf")]}}, "suites.s.target.http.body: it goes out"),
        ({"command": ["no-such-program"]}, "suites.s.target.command: no-such-program is not a program"),
        ({"python": "evalgate_no_such:answer"}, 'python = "evalgate_no_such:answer" cannot be imported'),
        ({"kind": "other"}, 'suites.s.target.kind: no target is named "other"'),
    ],
)
def test_what_cannot_be_built_is_told(table: dict[str, Any], told: str, context: TargetContext) -> None:
    with pytest.raises(UserError) as caught:
        _build(table, context)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize("table", [{"model": "m"}, {"http": {"url": "http://x/{{ input }}"}}])
def test_without_a_client_nothing_that_sends_is_built(table: dict[str, Any], context: TargetContext) -> None:
    unsent = TargetContext(context.root, "s", context.models)
    with pytest.raises(UserError, match=r"suites\.s\.target: it sends calls, and nothing sends them here"):
        _build(table, unsent)


def test_recorded_outputs_load_neither_asyncio_nor_templates() -> None:
    code = (
        "import sys, pytest_evalgate.targets\n"
        "heavy = {'asyncio', 'concurrent.futures', 'jinja2', 'openai', 'httpx'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
