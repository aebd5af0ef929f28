"""Mutated set-ups: one change to one file of a project whose gates fail never makes them pass.

200 mutations in the suite; ``MUTATIONS=2000`` (``make mutations``) tries more.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.behaviours import Behaviour
from tests.support.mutations import CONFIG, Mutation, Outcome

from pytest_evalgate import config
from pytest_evalgate.cli.main import main
from pytest_evalgate.judges import calibration as calibrations
from pytest_evalgate.judges.build import fingerprint, parts_of_judge
from pytest_evalgate.judges.labels import digest
from pytest_evalgate.records.verdicts import Calibration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.plugin.conftest import Project
    from tests.support.replies import Request
    from tests.support.server import ScriptedServer

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs fork")

_COUNT = int(os.environ.get("MUTATIONS", "200"))
_PROCESSES = 2
_ROOT = Path(__file__).parents[2]
_NONCE = re.compile(r'- nonce: the text "([0-9a-f]{16})"')
_RATE = '{ kind = "pass-rate", min = 0.9, bound = "point" }'
_NO_REGRESSION = '{ kind = "no-regression" }'
_IDS = [f"c{number:02}" for number in range(16)]
_FAIL = {"faq": "fail", "drop": "fail", "tone": "fail"}
_CODES = {1, 2, 4, 5, 10, 11, 12}
"""Every exit code but 0, and 3 for an internal error: docs/reference/exit-codes.md."""


def _answer(request: Request) -> Behaviour:
    """Answer in red if the last word begins with "r", else in blue; the judge likes blue."""
    text = str(request.body["messages"][-1]["content"])
    nonce = _NONCE.search(text)
    if nonce is None:
        return Behaviour.text("it is red" if text.rsplit(maxsplit=1)[-1].startswith("r") else "it is blue")
    good = "it is blue" in text
    verdict = {"verdict": "pass", "score": 1, "evidence": "blue"} if good else {"verdict": "fail", "score": 0}
    return Behaviour.text(json.dumps({"nonce": nonce[1], "evidence": "", **verdict}))


def _outputs(wrong: int) -> dict[str, str | None]:
    return {id_: "no" if number < wrong else "yes" for number, id_ in enumerate(_IDS)}


def _calibrate(project: Project) -> None:
    rows = [{"id": f"l{number}", "output": "x", "label": "pass" if number < 30 else "fail"} for number in range(60)]
    labels = project.write("labels.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    parts = parts_of_judge("tone", config.load(project.path), root=project.path)
    (project.path / "calibration").mkdir()
    calibrations.write(
        Calibration(
            *("tone", fingerprint(parts, None), parts, "labels.jsonl", digest(labels)),
            f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            *(30, 28, 30, 29),
        ),
        project.path / "calibration" / "tone.json",
    )


def _build(project: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Build a project of three suites that all fail.

    ``faq`` fails two gates, ``drop`` only a comparison with its baseline, ``tone`` a gate on a judge's grades, whose
    calls are on a cassette. The wrong cases are the first ones, so that a file that is cut keeps them.
    """
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_BASE_REF", "EVALGATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(project.path)
    for name, gates in (("faq", f"{_RATE}, {_NO_REGRESSION}"), ("drop", _NO_REGRESSION)):
        project.suite(_outputs(0), name=name, gates=gates)
    assert project.run().ret == 0
    for name in ("faq", "drop"):
        assert main(["baseline", "promote", "--suite", name, "--reason", "first"]) == 0
    assert project.run().ret == 0
    (project.path / CONFIG).unlink()
    project.suite(_outputs(8), name="faq", gates=f"{_RATE}, {_NO_REGRESSION}")
    project.suite(_outputs(10), name="drop", gates=_NO_REGRESSION)
    server.answer_with(_answer)
    project.write("ask.md", "{{ input }}")
    target = '{ model = "candidate", prompt = "ask.md" }'
    project.model_suite(
        server,
        *(f"r{number}" for number in range(7)),
        *(f"b{number}" for number in range(5)),
        name="tone",
        gates=_RATE,
        target=target,
        scorers='[{ judge = "tone" }]',
    )
    project.write("rubrics/tone.md", "The answer names the colour of the sea.\n")
    judge = 'model = "candidate"\nrubric = "rubrics/tone.md"\ncalibration = "calibration/tone.json"\n'
    project.configure(judge, table="judges.tone")
    _calibrate(project)
    assert project.run().ret == 1
    assert main(["cache", "export", ".evalgate/cassettes/tape.jsonl"]) == 0
    for index in (1, 2):
        project.run("--eval-shard", f"{index}/2")
    shutil.copytree(project.state / "shards", project.path / "shards")
    for name in ("shards", "cache", "runs"):
        shutil.rmtree(project.state / name)
    assert project.run("--eval-offline").ret == 1
    assert {name: suite["verdict"] for name, suite in project.verdict["suites"].items()} == _FAIL
    shutil.rmtree(project.state / "runs")


def _run(project: Project, first: int, count: int) -> list[Outcome]:
    """Return the outcomes of the mutations with ``count`` seeds."""
    environment = {**os.environ, "CI": "true", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for name in ("GITHUB_ACTIONS", "GITHUB_BASE_REF", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.mutations", str(project.path), str(first), str(count)],
        cwd=_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    rows = map(json.loads, done.stdout.splitlines())
    return [Outcome(**{**row, "mutation": Mutation(**row["mutation"])}) for row in rows]


def _problems(outcome: Outcome) -> Iterable[str]:
    if "Traceback (most recent call last)" in outcome.shown or "INTERNALERROR" in outcome.shown:
        yield "a traceback"
    if outcome.code not in _CODES:
        yield f"exit code {outcome.code}"
    if outcome.verdict == "pass":
        yield "a pass"
    if outcome.mutation.file != CONFIG:
        yield from (f"suite {name} passes" for name, verdict in outcome.suites.items() if verdict == "pass")
        if outcome.verdict is not None and {*outcome.suites, *outcome.not_run} != _FAIL.keys():
            yield f"suites {sorted(outcome.suites)}"
    if not outcome.shown.strip():
        yield "silence"


def test_no_mutation_makes_a_failing_set_up_pass(
    project: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _build(project, server, monkeypatch)
    share = -(-_COUNT // _PROCESSES)
    with ThreadPoolExecutor(_PROCESSES) as threads:
        parts = list(threads.map(lambda part: _run(project, part * share, share), range(_PROCESSES)))
    outcomes = [outcome for part in parts for outcome in part]
    assert len(outcomes) >= _COUNT
    found = {
        f"seed {outcome.mutation.seed}, {outcome.mutation.file}, {outcome.mutation.what}: {problem}": outcome.shown
        for outcome in outcomes
        for problem in _problems(outcome)
    }
    codes = {outcome.code for outcome in outcomes}
    assert {1, 4} <= codes  # some are refused, and some have no effect
    assert not found, "\n".join(found) + "\n\n" + next(iter(found.values()))
