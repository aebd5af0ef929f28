"""``--eval-offline``: what is remembered is judged as ever, and nothing is sent for what is not."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.cli import main

if TYPE_CHECKING:
    from tests.plugin.conftest import Project
    from tests.support.server import ScriptedServer

_WORKERS = pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "n2"])


@pytest.fixture
def warm(project: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose two calls were answered once, and whose key is gone since."""
    project.write("prompt.md", "Briefly: {{ input }}")
    project.model_suite(server, "a", "b", target='{ model = "candidate", prompt = "prompt.md" }')
    assert project.run().ret == 0
    assert server.calls == 2
    monkeypatch.delenv("CANDIDATE_KEY")
    return project


def _stable(verdict: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in verdict.items() if key not in {"run_id", "duration_s", "calls"}}


@_WORKERS
def test_what_is_remembered_is_judged_as_ever(warm: Project, server: ScriptedServer, args: tuple[str, ...]) -> None:
    wanted = _stable(warm.verdict)
    assert warm.run("--eval-offline", *args).ret == 0
    assert server.calls == 2
    assert _stable(warm.verdict) == wanted
    assert (warm.verdict["calls"]["sent"], warm.verdict["calls"]["cached"]) == (0, 2)


def test_without_the_option_a_warm_run_needs_no_key_either(warm: Project, server: ScriptedServer) -> None:
    assert warm.run().ret == 0
    assert server.calls == 2


@_WORKERS
def test_what_is_not_remembered_is_never_sent_nor_judged(
    project: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    project.model_suite(server, "a", "b")
    project.configure("max_error_rate = 0.9")
    result = project.run("--eval-offline", *args)
    assert result.ret == project.verdict["exit_code"] == 12
    assert server.calls == 0
    assert project.verdict["verdict"] == "not_evaluated"
    assert project.verdict["refused"].startswith("--eval-offline: 2 calls are not in the cache")
    assert "no call of this case is cached" in project.rows["a"]["reason"]
    result.stdout.fnmatch_lines(
        ["NOT EVALUATED: --eval-offline: 2 calls are not in the cache*pytest-evalgate cache import FILE"]
    )


def test_a_part_that_is_remembered_is_not_judged_alone(warm: Project, server: ScriptedServer) -> None:
    warm.golden("golden/faq.jsonl", "a", "b", "c")
    assert warm.run("--eval-offline").ret == 12
    assert warm.outcomes == {"a": "passed", "b": "passed", "c": "errored"}
    assert warm.verdict["refused"].startswith("--eval-offline: 1 call is not in the cache")
    assert server.calls == 2


def test_what_has_changed_since_is_named(warm: Project, server: ScriptedServer) -> None:
    warm.write("prompt.md", "Kindly: {{ input }}")
    assert warm.run("--eval-offline").ret == 12
    assert 'payload.messages[0].content: "Briefly: a" -> "Kindly: a"' in warm.rows["a"]["reason"]
    assert server.calls == 2


@pytest.mark.parametrize("args", [(), ("--eval-offline",), ("--eval-offline", "-n2")], ids=" ".join)
def test_a_cassette_is_replayed_without_cache_and_key(
    warm: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    monkeypatch.chdir(warm.path)
    (warm.state / "cassettes").mkdir()
    assert main(["cache", "export", ".evalgate/cassettes/faq.jsonl"]) == 0
    shutil.rmtree(warm.state / "cache")
    monkeypatch.setenv("EVALGATE_CACHE_KEY", "the key of somebody else's fork")
    assert warm.run(*args).ret == 0
    assert server.calls == 2
    assert warm.verdict["calls"]["cached"] == 2


def test_a_torn_cassette_is_refused_before_anything_runs(warm: Project, server: ScriptedServer) -> None:
    warm.write(".evalgate/cassettes/faq.jsonl", '{"schema": 1}\nnot json\n')
    result = warm.run()
    assert result.ret == 4
    result.stderr.fnmatch_lines_random(
        ["*.evalgate/cassettes/faq.jsonl:1: made: *", "*.evalgate/cassettes/faq.jsonl:2: not JSON*"]
    )
    assert server.calls == 2


def test_recorded_outputs_are_offline_by_themselves(project: Project) -> None:
    project.suite({"a": "yes"})
    assert project.run("--eval-offline").ret == 0
    assert project.verdict["refused"] is None


def test_a_function_is_not_called_offline(project: Project) -> None:
    project.suite({"a": None}, target='{ python = "bot:answer", version = "1" }')
    project.write_bot("def answer(question):\n    note(question)\n    return 'yes'\n")
    assert project.run("--eval-offline").ret == 12
    assert project.calls == []
    assert project.run().ret == 0
    assert project.run("--eval-offline").ret == 0
    assert project.calls == ["a"]


def test_a_cache_that_has_to_be_authenticated_is_not_used_without_a_key(
    project: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.model_suite(server, "a")
    project.configure('cache_auth = "required"')
    monkeypatch.setenv("CI", "true")
    result = project.run()
    assert result.ret == 4
    assert server.calls == 0
    result.stderr.fnmatch_lines(['*cache_auth = "required", but there is no key: *set EVALGATE_CACHE_KEY*'])
