"""A repository whose branch ``topic`` left ``main``: a suite, its golden set, and baselines where wanted."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config, golden
from pytest_evalgate.guard.base_branch import BaseBranch
from pytest_evalgate.guard.base_checkout import BaseCheckout
from pytest_evalgate.records.verdicts import Baseline, BaselineCase, Provenance
from pytest_evalgate.runs import baseline as baselines

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.cases import GoldenSet
    from pytest_evalgate.records.verdicts import GateChange
    from pytest_evalgate.runs.plan import BranchChanges

GATES = '[{ kind = "pass-rate", min = 0.9 }]'


@dataclass(frozen=True)
class Repository:
    """The checkout of ``topic``; what a test writes there is not committed."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / ".evalgate"

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def init(self) -> None:
        self.git("init", "-q", "-b", "main")
        for key, value in (("user.name", "x"), ("user.email", "x@example.org"), ("commit.gpgsign", "false")):
            self.git("config", key, value)

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message, "--allow-empty")

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def configure(self, *suites: str, gates: str = GATES, head: str = "", more: str = "") -> None:
        """Write the configuration: ``head`` stands before the suites, ``more`` stands in each of them."""
        tables = (f'[suites.{name}]\ngolden = "golden/{name}.jsonl"\ngates = {gates}\n{more}\n' for name in suites)
        self.write("evalgate.toml", f"{head}\n{''.join(tables)}")

    def golden(self, name: str, *rows: Any) -> None:
        """Write a golden set: ids, or rows that have more to them."""
        given = [{"id": row, "input": f"question {row}"} if isinstance(row, str) else row for row in rows]
        self.write(f"golden/{name}.jsonl", "".join(json.dumps(row) + "\n" for row in given))

    def promote(self, reason: str, path: str = ".evalgate/baselines/faq.json", **values: float) -> None:
        """Write a baseline of suite ``faq``; ``values`` are its cases."""
        cases = {name: BaselineCase("f", (value,)) for name, value in values.items()}
        moment = "2026-01-01T00:00:00Z"
        told = Provenance(f"run-{reason}", moment, moment, None, reason, "g" * 64, "s" * 64)
        baselines.write(Baseline("faq", "run", told, 1, cases), self.root / path)

    def acknowledge(self, change: str, reason: str = "wanted so", owner: str = "qa@example.org") -> str:
        """Return a table of the configuration."""
        return f"[[acknowledged]]\nchange = '{change}'\nreason = '{reason}'\nowner = '{owner}'\n"

    def base(self, ref: str = "main", state: Path | None = None) -> BaseBranch:
        tree = BaseCheckout.at(ref, root=self.root)
        return BaseBranch(tree, self.root, config.load(self.root), state or self.state)

    def sets(self, *names: str) -> tuple[GoldenSet, ...]:
        return golden.load([self.root / f"golden/{name}.jsonl" for name in names or ("faq",)], root=self.root)

    def sides(self, name: str = "faq") -> BranchChanges:
        return self.base().sides(name, self.sets(name))

    def changes(self, *suites: str) -> tuple[GateChange, ...]:
        """List what changed in the gate, of a session with these suites."""
        base = self.base()
        for name in suites or ("faq",):
            base.sides(name, self.sets(name))
        return base.changes


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A base with suite ``faq`` of cases a, b and c, and nothing changed yet."""
    for variable in ("CI", "EVALGATE_DIR", "GITHUB_BASE_REF", "GITHUB_SHA"):
        monkeypatch.delenv(variable, raising=False)
    root = tmp_path / "repository"
    root.mkdir()
    found = Repository(root)
    found.init()
    found.configure("faq")
    found.golden("faq", "a", "b", "c")
    found.commit("base")
    found.git("checkout", "-qb", "topic")
    return found
