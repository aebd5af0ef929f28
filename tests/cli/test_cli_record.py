"""``pytest-evalgate record``: what is sent and written, what is missing, and that the files are graded as answered."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.behaviours import Behaviour
from tests.support.server import ScriptedServer

from pytest_evalgate.records.results import Output
from pytest_evalgate.targets import recorded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Command
    from tests.support.replies import Request

_KEY = "sk-canary/7f3b+41c9=e2"
_MODEL = """
budget_usd = 1.0
[models.m]
model = "m-1"
base_url = "{url}"
api_key_env = "THE_KEY"
client = "http"
price = {{ input_per_mtok = 1000.0, output_per_mtok = 0.0 }}
[suites.faq]
golden = "g.jsonl"
target = {{ model = "m" }}
"""
_PYTHON = """
[suites.faq]
golden = "g.jsonl"
target = { python = "bot:answer" }
"""
_GOLDEN = (
    '{"id": "a", "input": "1?", "expected": "1"}\n{"id": "b", "input": "2?"}\n'
    '{"id": "c", "input": "3?", "skip": true}\n{"id": "d", "input": "4?"}\n'
)


@pytest.fixture
def record(folder: Path, evalgate: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("EVALGATE_CACHE_KEY", "a key of this test alone")
    monkeypatch.setenv("THE_KEY", _KEY)
    (folder / "g.jsonl").write_text(_GOLDEN, "utf-8")
    return partial(evalgate, "record")


@pytest.fixture
def server(folder: Path) -> Iterator[ScriptedServer]:
    with ScriptedServer() as found:
        (folder / "evalgate.toml").write_text(_MODEL.format(url=found.base_url), "utf-8")
        yield found


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _reply(request: Request) -> Behaviour:
    asked = request.body["messages"][-1]["content"]
    replies = {
        "1?": Behaviour.text(f"one, and the key is {_KEY}", usage=(0, 7)),
        "2?": Behaviour.cut_off("tw"),
        "4?": Behaviour.status(400),
    }
    return replies[asked]


def test_answers_are_recorded_and_missing_ones_are_listed(
    folder: Path, server: ScriptedServer, record: Command
) -> None:
    server.answer_with(_reply)
    code, out, err = record("faq", "--out", "out/o.jsonl")
    assert code == 11
    assert "this run will make 3 calls" in err
    first, cut = _rows(folder / "out/o.jsonl")
    assert first["metadata"].pop("latency_s") >= 0
    assert first == {
        "id": "a",
        "output": "one, and the key is ***",
        "metadata": {"tokens_in": 0, "tokens_out": 7, "cost_usd": 0.0, "model": first["metadata"]["model"]},
    }
    assert (cut["id"], cut["output"], cut["finish"]) == ("b", "tw", "length")
    assert _KEY not in out + err
    lines = out.splitlines()
    assert lines[0] == "faq: recorded 2 outputs in out/o.jsonl"
    assert "  1 answer missing:" in lines
    assert any(line.startswith("    g.jsonl:4 d: ") and "400" in line for line in lines)
    assert lines[-3:] == [
        "to grade them without calls, in [suites.faq] of evalgate.toml:",
        '  target = { recorded = "out/o.jsonl" }',
        "or once: pytest --eval-gate --eval-target recorded:out/o.jsonl g.jsonl",
    ]
    held = recorded.load([folder / "out/o.jsonl"], root=folder).recordings[0].outputs
    assert [output.finish for output in held.values()] == ["complete", "length"]

    sent = server.counts.calls
    code, out, err = record("faq", "--out", "out/o.jsonl")
    assert (code, out) == (4, "")
    assert err == "pytest-evalgate: out/o.jsonl exists: choose another --out, or add --force\n"
    assert server.counts.calls == sent


def test_each_trial_has_a_file_and_cached_replies_are_not_sent_again(
    folder: Path, server: ScriptedServer, record: Command
) -> None:
    server.answer_with(lambda _: Behaviour.text("yes", usage=(0, 1)))
    code, out, _ = record("faq", "--trials", "2", "--json")
    found = json.loads(out)
    assert (code, found["files"]) == (0, ["outputs/faq.1.jsonl", "outputs/faq.2.jsonl"])
    assert (found["recorded"], found["missing"], found["calls"]["sent"]) == (6, [], 6)
    assert found["target"] == {"recorded": found["files"]}
    again = json.loads(record("faq", "--trials", "2", "--json", "--force", "--offline")[1])
    assert again["calls"] == {"sent": 0, "cached": 6, "cost_usd": 0}
    assert server.counts.calls == 6
    assert [row["id"] for row in _rows(folder / "outputs/faq.2.jsonl")] == ["a", "b", "d"]


def test_a_case_with_its_own_trials_and_rows_of_one_split(folder: Path, record: Command) -> None:
    (folder / "evalgate.toml").write_text(f'{_PYTHON}split = "test"\n', "utf-8")
    (folder / "bot.py").write_text("def answer(question):\n    return 'yes'\n", "utf-8")
    rows = [
        {"id": "a", "input": "1?", "split": "test", "trials": 2},
        {"id": "b", "input": "2?", "split": "test"},
        {"id": "c", "input": "3?", "split": "train"},
    ]
    (folder / "g.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert record("faq")[0] == 0
    recorded = [[row["id"] for row in _rows(folder / f"outputs/faq.{number}.jsonl")] for number in (1, 2)]
    assert recorded == [["a", "b"], ["a"]]


def test_nothing_is_sent_beyond_the_budget_offline_or_for_an_estimate(
    folder: Path, server: ScriptedServer, record: Command
) -> None:
    server.answer_with(lambda _: Behaviour.text("yes", usage=(1, 1)))
    code, out, err = record("faq", "--budget-usd", "0.0005")
    assert (code, out) == (12, "")
    assert "refused: budget of US$0.0005 is too small" in err
    code, out, err = record("faq", "--estimate")
    assert (code, out) == (0, "")
    assert "budget: US$1.00" in err
    code, out, _ = record("faq", "--offline")
    assert code == 12
    assert "faq: no output was recorded, and no file written" in out
    assert "3 calls are not in the cache and not sent" in out
    assert server.counts.calls == 0
    assert not (folder / "outputs").exists()


def test_a_function_is_recorded_and_what_it_prints_is_not_our_output(folder: Path, record: Command) -> None:
    (folder / "evalgate.toml").write_text(_PYTHON, "utf-8")
    (folder / "bot.py").write_text(
        "def answer(case):\n"
        "    print('noise')\n"
        "    if case.id == 'd':\n        raise ValueError('no')\n"
        "    return {'a': 'one', 'b': {'n': 2}}[case.id]\n",
        "utf-8",
    )
    code, out, err = record("faq", "--json")
    found = json.loads(out)
    assert (code, [one["reason"] for one in found["missing"]]) == (11, ["ValueError: no"])
    assert found["calls"]["cost_usd"] is None
    assert "this run will make 3 calls of your function (cost unknown)" in err
    rows = _rows(folder / "outputs/faq.jsonl")
    assert [(row["id"], row["output"], list(row["metadata"])) for row in rows] == [
        ("a", "one", ["latency_s"]),
        ("b", {"n": 2}, ["latency_s"]),
    ]


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        ("", ("faq",), "suites.faq: no target to record: a marked test produces its outputs; name one with --target"),
        ('{ recorded = "x.jsonl" }', ("faq",), "suites.faq.target: its outputs are recorded already"),
        ('{ kind = "mine" }', ("faq",), 'kind = "mine" is a target of a pytest plugin'),
        ('{ python = "no:answer" }', ("faq",), "no"),
        ('{ command = ["true"] }', ("fag",), "no suite is named 'fag'; did you mean \"faq\"?"),
        ('{ command = ["true"] }', ("faq", "--out", "../o.jsonl"), "--out: "),
        ('{ command = ["true"] }', ("faq", "--out", "."), "it is a folder: name a file"),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    folder: Path, record: Command, target: str, arguments: tuple[str, ...], message: str
) -> None:
    line = f"target = {target}\n" if target else ""
    (folder / "evalgate.toml").write_text(f'[suites.faq]\ngolden = "g.jsonl"\n{line}', "utf-8")
    code, out, err = record(*arguments)
    assert (code, out) == (4, "")
    assert message in err
    assert not (folder / "outputs").exists()


def test_an_unknown_finish_of_a_recorded_row_is_not_an_incomplete_output(tmp_path: Path) -> None:
    (tmp_path / "o.jsonl").write_text('{"id": "a", "output": "x", "finish": "stop"}\n', "utf-8")
    held = recorded.load([tmp_path / "o.jsonl"], root=tmp_path).recordings[0].outputs
    assert held == {"a": Output("x")}


def test_ctrl_c_keeps_what_was_answered(folder: Path, record: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "evalgate.toml").write_text(_PYTHON.replace("bot:", "slow:"), "utf-8")
    (folder / "slow.py").write_text(
        "import time\n\ndef answer(case):\n    while case.id != 'a':\n        time.sleep(0.01)\n    return 'one'\n",
        "utf-8",
    )

    def interrupt(_: Any, done: int) -> None:
        if done:
            raise KeyboardInterrupt

    monkeypatch.setattr("pytest_evalgate.cli.record.verb._Progress.__call__", interrupt)
    code, out, _ = record("faq", "--json")
    found = json.loads(out)
    assert (code, found["recorded"]) == (11, 1)
    assert [one["reason"] for one in found["missing"]] == ["interrupted before the answer came"] * 2
    assert [row["id"] for row in _rows(folder / "outputs/faq.jsonl")] == ["a"]


def test_a_key_is_not_sent_to_an_endpoint_that_the_base_branch_does_not_have(
    folder: Path, server: ScriptedServer, record: Command, git: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "evalgate.toml"
    ours = path.read_text("utf-8")
    path.write_text(ours.replace(server.base_url, "https://models.example.com/v1"), "utf-8")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "base")
    path.write_text(ours, "utf-8")
    seen: list[str] = []

    def note(request: Request) -> Behaviour:
        seen.append(str(request.headers))
        return Behaviour.text("yes")

    server.answer_with(note)
    assert record("faq")[0] == 0
    assert [_KEY in headers for headers in seen] == [True] * 3
    seen.clear()
    monkeypatch.setenv("EVALGATE_BASE_REF", "HEAD")
    code, _, err = record("faq", "--trials", "2")
    assert (code, [_KEY in headers for headers in seen]) == (0, [False] * 3)  # the first trial is cached
    assert f"models.m: the key THE_KEY is not sent to {server.base_url.removesuffix('/v1')}, because the base" in err
