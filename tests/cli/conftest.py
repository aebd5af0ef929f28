"""Stored runs and baselines to be compared."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.cli import main
from pytest_evalgate.data import CaseResult, Place, PlannedCase, Run, SuitePlan, SuiteRun, Trial
from pytest_evalgate.engine import settle
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_VALUES = {"P": 1.0, "m": 0.0, "?": None}
_ENDED = {"-": "not_run", "S": "skipped"}


def _result(index: int, word: str, fingerprint: str, clusters: int) -> CaseResult:
    cluster = f"d{index % clusters}" if clusters else None
    slices = (("lang", "de" if index % 2 else "en"),)
    case = PlannedCase(f"c{index}", Place("g.jsonl", index + 1), fingerprint, slices=slices, cluster=cluster)
    if word in _ENDED:
        return CaseResult(case, _ENDED[word])  # type: ignore[arg-type]
    given = ((number, _VALUES[letter]) for number, letter in enumerate(word))
    return settle(case, [Trial(number, value, reason="" if value else f"got {index}") for number, value in given])


def make_suite(name: str, words: Sequence[str], **fields: Any) -> SuiteRun:
    """Make a suite of which each word is a case, and each letter a trial: ``P`` passed, ``m`` missed, ``?`` no answer.

    The word ``-`` is a case that was not run, ``S`` one that was skipped. Of the fields, ``first`` is the number of
    the first case, ``edited`` holds the numbers of cases with another content, ``clusters`` is their number, and
    ``stopped`` a rule.
    """
    edited, clusters = fields.get("edited", ()), fields.get("clusters", 0)
    results = tuple(
        _result(index, word, "edited" if index in edited else "f", clusters)
        for index, word in enumerate(words, start=fields.get("first", 0))
    )
    cases = tuple(result.case for result in results)
    plan = SuitePlan(name, ("g.jsonl",), "g" * 64, "s" * 64, max(map(len, words)), cases)
    return SuiteRun(plan, results, fields.get("stopped"))


@dataclass(frozen=True)
class Sides:
    """A project with stored runs and baselines, and the verb that compares them."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def configure(self, text: str) -> None:
        (self.root / "evalgate.toml").write_text(text, "utf-8")

    def run(self, run_id: str, suites: dict[str, Sequence[str]] | Sequence[str], **fields: Any) -> Run:
        """Store a run of suite ``faq``, or of the suites that are named."""
        named: dict[str, Sequence[str]] = suites if isinstance(suites, dict) else {"faq": suites}
        made = tuple(make_suite(name, words, **fields) for name, words in named.items())
        created = f"2026-01-0{run_id[7]}T00:00:00Z"
        run = Run(run_id, created, "8c1f2d0aaaaaaaaa", made, problems=fields.get("problems", ()))
        run_file.write(run, run_file.path_of(self.root / ".evalgate", run_id))
        return run

    def baseline(self, path: str, words: Sequence[str], *, suite: str = "faq", **fields: Any) -> None:
        """Keep a baseline of run ``20260101T000000Z-base`` in a file."""
        made = make_suite(suite, words, **fields)
        run = Run("20260101T000000Z-base", "2026-01-01T00:00:00Z", "8c1f2d0aaaaaaaaa", (made,))
        found = baselines.promote(run, made, reason="first", now="2026-01-01T01:00:00Z")
        baselines.write(found, self.root / path)

    def commit(self, tag: str) -> None:
        """Commit the baselines, and tag the commit."""
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", tag), ("tag", tag)):
            subprocess.run(["git", *identity, *arguments], cwd=self.root, check=True, capture_output=True)

    def compare(self, *arguments: str) -> tuple[int, str, str]:
        """Return the exit code, and what was printed."""
        code = main(["compare", *arguments])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def json(self, *arguments: str) -> Any:
        """Return what ``--json`` prints, of a comparison that exits 0."""
        code, out, err = self.compare(*arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    def faq(self, *arguments: str) -> Any:
        """Return the comparison of the only suite."""
        [suite] = self.json(*arguments)["suites"]
        return suite


@pytest.fixture
def sides(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Sides:
    monkeypatch.chdir(tmp_path)
    for variable in ("CI", "EVALGATE_BASE_REF", "EVALGATE_DIR", "GITHUB_BASE_REF", "GITHUB_SHA"):
        monkeypatch.delenv(variable, raising=False)
    found = Sides(tmp_path, capsys)
    found.configure('[suites.faq]\ngolden = "g.jsonl"\nbaseline = "baselines/faq.json"\n')
    return found
