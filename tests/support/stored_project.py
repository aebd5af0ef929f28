"""A project whose store has some weeks of runs: what the pages over a store show, in tests and in pictures.

Two suites run each night and before releases. In the second half, a new model makes one slice worse. The last runs
still have their run files.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.builders import planned, suite_of

from pytest_evalgate.cli.label.sheet import new_sheet
from pytest_evalgate.config import Suite
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.gates.rules import JudgeRule
from pytest_evalgate.judges import calibration
from pytest_evalgate.judges.label_sample import candidates_of, draw
from pytest_evalgate.records.calls import CallRecord
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output, Run, Score, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Baseline, Calibration
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.kept import RunFolder
from pytest_evalgate.runs.run_file import RunInfo
from pytest_evalgate.store import Database, StorePlace
from pytest_evalgate.store.ingest import push
from pytest_evalgate.store.stored_run import StoredSource
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME: Final = "shop-assistant"
CONFIG: Final = """
[tool.evalgate]
[tool.evalgate.models.candidate]
model = "assistant-2"
base_url = "http://127.0.0.1:9/v1"
[tool.evalgate.judges.helpful]
model = "candidate"
criteria = "The answer solves the customer's problem."
calibration = "calibration/helpful.json"
[tool.evalgate.suites.support]
golden = "golden/support.jsonl"
target = { recorded = "outputs.jsonl" }
scorers = ["exact"]
slices = ["lang", "topic"]
[tool.evalgate.suites.refunds]
golden = "golden/refunds.jsonl"
target = { recorded = "outputs.jsonl" }
scorers = ["exact"]
[project]
name = "shop-assistant"
"""
_START: Final = datetime(2026, 10, 20, 2, 15, tzinfo=UTC)
_TOPICS: Final = ("returns", "shipping", "billing")
_LANGS: Final = ("en_US", "de", "fr")
_GOOD: Final = (
    "You can return it within 14 days of delivery. Please keep the receipt, and use the label in the parcel.",
    "Standard delivery takes three to five working days. You get a link to follow the parcel by email.",
    "The charge is a reservation of your bank. It disappears within seven days, and you pay nothing twice.",
)
_BAD: Final = (
    "You can return it within 30 days of delivery. Please keep the receipt, and use the label in the parcel.",
    "Standard delivery takes one working day. You get a link to follow the parcel by email.",
    "The charge is a mistake of ours. Please call your bank, and ask for the money back.",
)
_ASKED: Final = (
    "How long do I have to return order {n}?",
    "When does my order {n} arrive?",
    "Why was I charged twice for order {n}?",
)


@dataclass(frozen=True)
class StoredProject:
    """The root folder of the project, and the ids of its runs, oldest first."""

    root: Path
    run_ids: tuple[str, ...]

    @property
    def state(self) -> Path:
        return self.root / ".evalgate"

    @property
    def place(self) -> StorePlace:
        return StorePlace.at(self.state / "store.db")


def make_project(root: Path, runs: int = 24, cases: int = 90, *, kept: int = 3) -> StoredProject:
    """Write the project. The last ``kept`` runs keep their files."""
    (root / "calibration").mkdir(parents=True)
    (root / "pyproject.toml").write_text(CONFIG, "utf-8")
    made = StoredProject(root, tuple(_run_id(number) for number in range(runs)))
    calibrated = _calibration("helpful")
    calibration.write(calibrated, root / "calibration" / "helpful.json")
    compared: dict[str, Baseline] = {}
    with Database.open(made.place) as database:
        for number in range(runs):
            run = _run(made, number, cases)
            folder = _decided(made, run, number, compared, calibrated)
            push(database, _source(folder, run, number, runs, compared))
            if number in (0, runs // 2):
                for suite in run.suites:
                    name = suite.plan.name
                    compared[name] = baselines.promote(run, suite, reason="release", now=run.created)
                    _promote(database, run, name)
            if number < runs - kept:
                folder.run_file.unlink()
                folder.verdict_file.unlink()
    _write_labels(root, run.suites[0])
    return made


def _run(made: StoredProject, number: int, cases: int) -> Run:
    runs = len(made.run_ids)
    suites = [_suite("support", number, runs, cases)]
    if number % 4 != 1:
        suites.append(_suite("refunds", number, runs, cases // 3))
    return Run(made.run_ids[number], _created(number), _commit(number), tuple(suites), 41.5 + number)


def _decided(
    made: StoredProject, run: Run, number: int, compared: Mapping[str, Baseline], calibrated: Calibration
) -> RunFolder:
    """Decide a run and write its folder, as a session does."""
    changed = number < len(made.run_ids) // 3
    judge = JudgeRule("helpful", calibrated, ("f" if changed else "e") * 64, None, report_only=False)
    rules = {
        suite.plan.name: SuiteRules(
            _gates(suite.plan.name),
            compared.get(suite.plan.name),
            judges={"helpful": judge} if suite.plan.name == "support" else {},
        )
        for suite in run.suites
    }
    verdict = decide(run, rules, warn_inconclusive=True)
    calls = replace(verdict.calls, sent=200, cost_usd=_cost(number))
    folder = RunFolder(made.state / "runs" / run.id)
    run_file.write(run, folder.run_file, _info(number, len(made.run_ids)))
    found = {name: (base, b"") for name, base in compared.items() if name in verdict.suites}
    folder.keep(replace(verdict, tier=_tier(number), calls=calls), found, (), Redactor())
    return folder


def _info(number: int, runs: int) -> RunInfo:
    model = "assistant-1" if number < (2 * runs) // 3 else "assistant-2"
    return RunInfo(
        branch="main" if number % 3 else f"feature/{number}",
        tier=_tier(number),
        labels={"team": "search" if number % 2 else "care", "region": "eu"},
        facts={"support: target": model, "refunds: target": model},
    )


def _source(folder: RunFolder, run: Run, number: int, runs: int, compared: Mapping[str, Baseline]) -> StoredSource:
    ids = {name: base.provenance.run_id for name, base in compared.items()}
    rows = partial(run_file.rows, folder.run_file)
    return StoredSource(NAME, run, _info(number, runs), folder.verdict(), rows=rows, baselines=ids)


def _run_id(number: int) -> str:
    return f"{(_START + timedelta(days=number)):%Y%m%dT%H%M%SZ}-{0x3F9C + number:04x}"


def _created(number: int) -> str:
    return f"{(_START + timedelta(days=number)):%Y-%m-%dT%H:%M:%SZ}"


def _commit(number: int) -> str:
    return f"{random.Random(number).getrandbits(160):040x}"  # noqa: S311 - made up


def _tier(number: int) -> str:
    return "release" if number % 5 == 3 else "default"


def _cost(number: int) -> float:
    return round(0.62 + 0.02 * (number % 7), 4)


def _gates(suite: str) -> Any:
    gates: list[dict[str, Any]] = [{"kind": "no-regression"}]
    if suite == "support":
        gates += [{"kind": "pass-rate", "min": 0.8}, {"kind": "slice", "by": "lang", "min": 0.5, "min_n": 10}]
    return Suite.model_validate({"golden": "g", "gates": gates, "slices": ["lang", "topic"]}).gates


def _suite(name: str, number: int, runs: int, cases: int) -> SuiteRun:
    source = random.Random(f"{name}{number}")  # noqa: S311 - made up
    results = []
    for at in range(cases):
        lang, topic = _LANGS[at % 3], at // 3 % 3
        hard = 0.35 if at % 17 == 0 else 0.93
        worse = number >= (2 * runs) // 3 and lang == "de" and name == "support"
        passed = source.random() < hard - (0.45 if worse else 0.0)
        case = planned(
            f"{name}-{at + 1:03}",
            place=Place(f"golden/{name}.jsonl", at + 1),
            slices=(("lang", lang), ("topic", _TOPICS[topic])),
            tags=("smoke",) if at % 10 == 0 else (),
        )
        results.append(combine_trials(case, [_trial(name, at, topic, passed=passed, source=source)]))
    question = [
        replace(one, question={"input": _ASKED[at // 3 % 3].format(n=4100 + at), "expected": _GOOD[at // 3 % 3]})
        for at, one in enumerate(results)
    ]
    return suite_of(
        question, name, golden=(f"golden/{name}.jsonl",), golden_sha256=("a" if number < runs // 4 else "b") * 64
    )


def _trial(name: str, at: int, topic: int, *, passed: bool, source: random.Random) -> Trial:
    text = (_GOOD if passed else _BAD)[topic]
    sure = round(source.uniform(0.7, 1.0) if passed else source.uniform(0.0, 0.4), 2)
    reason = "" if passed else f"exact: differs from the expected answer at word {4 + at % 9}"
    scores = [Score("exact", float(passed), passed, reason)]
    if name == "support":
        why = "answers the question" if passed else "promises what the shop does not do"
        scores.append(Score("helpful", sure, sure >= 0.5, why))
    latency = round(source.lognormvariate(-0.2, 0.3), 3)
    call = CallRecord("target", "assistant", 1, 240, 60, 0.004, latency)
    return Trial(0, float(passed), Output(text, latency_s=latency), tuple(scores), reason, (call,))


def _calibration(judge: str) -> Calibration:
    return Calibration(
        judge,
        "f" * 64,
        {"model": "m" * 64},
        "labels/helpful.jsonl",
        "s" * 64,
        "2026-09-28T08:00:00Z",
        80,
        76,
        60,
        52,
        measures={"tpr": {"value": 0.95, "n": 80}, "tnr": {"value": 0.87, "n": 60}},
    )


def _promote(database: Database, run: Run, suite: str) -> None:
    database.change(
        "promotion_insert",
        project=NAME,
        suite=suite,
        promoted=run.created,
        run_id=run.id,
        author="release team",
        reason="release 2.4: the new return policy",
        old_run_id=None,
        old_sha256=None,
        new_sha256="d" * 64,
        worse=json.dumps(["support-018"]),
    )


def _write_labels(root: Path, suite: SuiteRun) -> None:
    drawn = draw(candidates_of(suite.results, "helpful"), 12, 0)
    questions = {one.case.id: one.question for one in suite.results}
    cases = {
        name: Case(id=name, input=asked["input"], expected=asked["expected"], place=Place("golden/support.jsonl", 1))
        for name, asked in questions.items()
    }
    (root / "labels").mkdir()
    (root / "labels" / "helpful.jsonl").write_text(new_sheet(drawn.added, cases, "jsonl"), "utf-8")
