"""Projects for the verbs: with stored runs and baselines, or with judges and a server that answers for them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.builders import VALUES, planned, result_of
from tests.support.behaviours import Behaviour
from tests.support.server import ScriptedServer

from pytest_evalgate.cli import main
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import CaseResult, Run, SuitePlan, SuiteRun, Trial
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.support.replies import Request

Command = Callable[..., tuple[int, str, str]]
"""Calls a verb and returns the exit code, standard output and standard error."""

_SCREENS = Path(__file__).parent / "screens"
_COMMIT = "8c1f2d0aaaaaaaaa"
_SHOWN = re.compile(r"\nBEGIN (\w{16})\n(.*)\nEND \1\n")
_MODEL = """
[models.m]
model = "m-1"
base_url = "{url}"
api_key_env = ""
client = "http"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty folder, without environment variables of a CI system or of this package.

    What is imported from it is forgotten afterwards: another test may have a module of the same name.
    """
    before, path = set(sys.modules), sys.path.copy()
    for name in [name for name in os.environ if name.startswith(("EVALGATE_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def evalgate(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def git(folder: Path) -> Callable[..., None]:
    """Call git in the folder."""

    def call(*arguments: str) -> None:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    return call


@pytest.fixture
def assert_screen() -> Callable[[str, str], None]:
    """Compare the output of a verb with its stored screen, which UPDATE_GOLDEN=1 rewrites."""

    def compare(verb: str, out: str) -> None:
        path = _SCREENS / f"{verb}.100.txt"
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(out, "utf-8")
        assert out == path.read_text("utf-8")
        assert max(map(len, out.splitlines())) <= 100

    return compare


def _result(index: int, word: str, fields: Mapping[str, Any]) -> CaseResult:
    clusters = fields.get("clusters", 0)
    case = planned(
        f"c{index}",
        index + 1,
        place=Place("g.jsonl", index + 1),
        fingerprint="edited" if index in fields.get("edited", ()) else "f",
        slices=(("lang", "de" if index % 2 else "en"),),
        cluster=f"d{index % clusters}" if clusters else None,
    )
    if word in {"-", "S"}:
        return result_of(word, case)
    given = ((number, VALUES[letter]) for number, letter in enumerate(word))
    calls, reason = fields.get("calls", ()), f"got {index}"
    return combine_trials(
        case, [Trial(number, value, reason="" if value else reason, calls=calls) for number, value in given]
    )


def make_suite(words: Sequence[str], name: str = "faq", **fields: Any) -> SuiteRun:
    """Make a suite: each word is a case, each letter a trial: ``P`` passed, ``m`` missed, ``?`` has no output.

    The word ``-`` is a case that was not run, ``S`` one that was skipped. Fields: ``first`` is the number of the first
    case, ``edited`` contains the numbers of edited cases, ``clusters`` is the number of clusters, ``calls`` are the
    calls of each trial, ``golden`` is a letter for the content of the golden set, ``stopped`` a stopping rule.
    """
    results = tuple(_result(index, word, fields) for index, word in enumerate(words, start=fields.get("first", 0)))
    cases = tuple(result.case for result in results)
    golden = fields.get("golden", "g") * 64
    plan = SuitePlan(name, ("g.jsonl",), golden, "s" * 64, max(map(len, words)), cases)
    return SuiteRun(plan, results, fields.get("stopped"))


@dataclass(frozen=True)
class Project:
    """A folder with stored runs and baselines, and a verb."""

    root: Path
    call: Command
    suite = staticmethod(make_suite)

    def configure(self, text: str) -> None:
        (self.root / "evalgate.toml").write_text(text, "utf-8")

    def store(self, *suites: SuiteRun | Sequence[str], run_id: str = "20260102T000000Z-bbbb", **fields: Any) -> Run:
        """Store a run; words without a suite are the cases of suite ``faq``."""
        made = tuple(suite if isinstance(suite, SuiteRun) else make_suite(suite, **fields) for suite in suites)
        created = f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}T00:00:00Z"
        run = Run(run_id, created, _COMMIT, made, problems=fields.get("problems", ()))
        run_file.write(run, run_file.path_of(self.root / ".evalgate", run_id))
        return run

    def baseline(self, path: str, words: Sequence[str], *, suite: str = "faq", **fields: Any) -> None:
        """Write a baseline file; the field ``run_id`` is the id of its run."""
        made = make_suite(words, suite, **fields)
        run = Run(fields.get("run_id", "20260101T000000Z-base"), "2026-01-01T00:00:00Z", _COMMIT, (made,))
        found = baselines.promote(run, made, reason="first", now="2026-01-01T01:00:00Z")
        baselines.write(found, self.root / path)

    def json(self, *arguments: str) -> Any:
        """Return the JSON of a call that exits with 0."""
        code, out, err = self.call(*arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    def only(self, *arguments: str) -> Any:
        """Return the JSON of the only suite."""
        [found] = self.json(*arguments)
        return found


@pytest.fixture
def project_of(folder: Path, evalgate: Command) -> Callable[[str], Project]:
    """Return an empty project for a verb."""
    return lambda verb: Project(folder, partial(evalgate, verb))


@dataclass(frozen=True)
class CompareProject(Project):
    """A project for ``compare``."""

    capsys: pytest.CaptureFixture[str]
    git: Callable[..., None]

    def run(self, run_id: str, suites: dict[str, Sequence[str]] | Sequence[str], **fields: Any) -> Run:
        """Store a run of suite ``faq``, or of several suites by name."""
        named: dict[str, Sequence[str]] = suites if isinstance(suites, dict) else {"faq": suites}
        made = (make_suite(words, name, **fields) for name, words in named.items())
        return self.store(*made, run_id=run_id, **fields)

    def commit(self, tag: str) -> None:
        """Commit the baselines, and tag the commit."""
        for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", tag), ("tag", tag)):
            self.git(*arguments)

    def compare(self, *arguments: str) -> tuple[int, str, str]:
        return self.call(*arguments)

    def faq(self, *arguments: str) -> Any:
        """Return the comparison of the only suite."""
        [suite] = self.json(*arguments)["suites"]
        return suite


@pytest.fixture
def sides(
    folder: Path, evalgate: Command, capsys: pytest.CaptureFixture[str], git: Callable[..., None]
) -> CompareProject:
    found = CompareProject(folder, partial(evalgate, "compare"), capsys, git)
    found.configure('[suites.faq]\ngolden = "g.jsonl"\nbaseline = "baselines/faq.json"\n')
    return found


@dataclass(frozen=True)
class Shown:
    """A question to a judge, and in it the candidate between two lines with a nonce."""

    question: str
    nonce: str
    candidate: str

    @classmethod
    def of(cls, request: Request) -> Shown:
        question = next(message["content"] for message in request.body["messages"] if message["role"] == "user")
        [(nonce, candidate)] = _SHOWN.findall(question)
        return cls(question, nonce, json.loads(candidate))

    def verdict(self, score: int, *, passed: bool, evidence: str) -> str:
        """Return a well-formed reply."""
        verdict = "pass" if passed else "fail"
        return json.dumps({"nonce": self.nonce, "evidence": evidence, "score": score, "verdict": verdict})


@dataclass(frozen=True)
class JudgeProject:
    """A folder with judges, the server that answers for them, and a verb."""

    root: Path
    call: Command
    server: ScriptedServer

    def configure(self, judges: str) -> None:
        (self.root / "evalgate.toml").write_text(_MODEL.format(url=self.server.base_url) + judges, "utf-8")

    def play(self, character: Callable[[Shown], str]) -> None:
        """Have the judges reply with what ``character`` returns."""
        self.server.answer_with(lambda request: Behaviour.text(character(Shown.of(request))))

    def label(self, rows: Iterable[Mapping[str, Any]], name: str = "labels.jsonl") -> None:
        (self.root / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")

    def json(self, *arguments: str) -> tuple[int, Any]:
        """Return the exit code and the JSON."""
        code, out, err = self.call(*arguments, "--json")
        assert err == ""
        return code, json.loads(out)


@pytest.fixture
def judge_project_of(
    folder: Path, evalgate: Command, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], JudgeProject]]:
    """Return a project for the verb that is named."""
    monkeypatch.setenv("EVALGATE_CACHE_KEY", "a key of this test alone")
    with ScriptedServer() as server:
        yield lambda verb: JudgeProject(folder, partial(evalgate, verb), server)
