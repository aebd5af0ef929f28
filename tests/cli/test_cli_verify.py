from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config, golden
from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.guard.base_branch import BaseBranch
from pytest_evalgate.guard.base_checkout import BaseCheckout
from pytest_evalgate.records.results import CaseResult, Run, SuiteRun, Trial
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import git, kept, run_file
from pytest_evalgate.runs.plan import NO_CHANGES, make_plan
from pytest_evalgate.runs.run_file import RunInfo, config_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.cli.conftest import Command

    from pytest_evalgate.config import Settings

_RUN = "20260101T000000Z-aaaa"
_STRICT = '[{ kind = "pass-rate", min = 0.75, bound = "point" }]'
_LOOSE = '[{ kind = "pass-rate", min = 0.5, bound = "point" }]'
_ALL = ("a", "b", "c", "d")
_MIN = "suites.faq.gates[0].min"
_KEY = "suites.faq.baseline"
_ENDED = {"-": "not_run", "S": "skipped"}


@dataclass(frozen=True)
class Checkout:
    """The branch ``topic`` of a project, whose base is ``main``; what a session left in it, and the verb."""

    root: Path
    evalgate: Command
    git: Callable[..., None]

    @property
    def state(self) -> Path:
        return self.root / ".evalgate"

    @property
    def settings(self) -> Settings:
        return config.load(self.root)

    def merge(self) -> None:
        """Have the base be what the checkout is."""
        self.git("add", "-A")
        self.git("commit", "-qm", "merged", "--allow-empty")
        self.git("branch", "-f", "main")

    def configure(self, *suites: str, gates: str = _STRICT, head: str = "", more: str = "") -> None:
        tables = (f'[suites.{name}]\ngolden = "golden/{name}.jsonl"\ngates = {gates}\n{more}\n' for name in suites)
        (self.root / "evalgate.toml").write_text(f"{head}\n{''.join(tables)}", "utf-8")

    def golden(self, name: str, *ids: str) -> None:
        path = self.root / f"golden/{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps({"id": id_, "input": id_}) + "\n" for id_ in ids), "utf-8")

    def promote(self, run: Run) -> None:
        """Make the baseline of a run."""
        found = baselines.promote(run, run.suites[0], reason="first", now="2026-01-01T01:00:00Z")
        baselines.write(found, self.state / "baselines/faq.json")

    def run(
        self,
        *suites: str,
        missed: str = "",
        ended: Mapping[str, str] = MappingProxyType({}),
        base: bool = True,
        write: bool = True,
        run_id: str = _RUN,
        target: str | None = None,
    ) -> Run:
        """Store what a session leaves: each case passes, unless it was ``missed``, or ``ended`` otherwise."""
        found = self._base() if base else None
        words = {**dict.fromkeys(missed, "m"), **ended}
        made = tuple(self._suite(name, found, words) for name in suites or ("faq",))
        run = Run(run_id, "2026-01-01T00:00:00Z", git.head(self.root), made)
        if write:
            origin = RunInfo(config_sha256(self.settings), target)
            run_file.write(run, run_file.path_of(self.state, run_id), origin)
            self._judge(run, found)
        return run

    def claim(self, **fields: Any) -> None:
        """Change what verdict.json says."""
        path = self.state / "verdict.json"
        path.write_text(json.dumps(json.loads(path.read_text("ascii")) | fields), "ascii")

    @property
    def claimed(self) -> str:
        return str(json.loads((self.state / "verdict.json").read_text("ascii"))["verdict"])

    def verify(self, *arguments: str, base: str | None = "main") -> tuple[int, list[str], str]:
        """Return the exit code, the lines that were printed, and what was said of errors."""
        code, out, err = self.evalgate("verify", *(("--base-ref", base) if base else ()), *arguments)
        return (
            code,
            [line.replace(f" of commit {str(git.head(self.root))[:12]}", "") for line in out.splitlines()],
            err,
        )

    def mismatches(self, *arguments: str, base: str | None = "main") -> list[str]:
        """Return what does not fit, of a run that otherwise agrees."""
        code, lines, _ = self.verify(*arguments, base=base)
        found = [line.removeprefix("mismatch: ") for line in lines if line.startswith("mismatch: ")]
        assert lines[-1].startswith("verify MISMATCH: " if found else "verify agrees: ")
        assert code == (1 if found else 0)
        return found

    def _base(self) -> BaseBranch:
        tree = BaseCheckout.at("main", root=self.root)
        return BaseBranch(tree, self.root, self.settings, self.state)

    def _suite(self, name: str, base: BaseBranch | None, ended: dict[str, str]) -> SuiteRun:
        sets = golden.load([self.root / f"golden/{name}.jsonl"], root=self.root)
        sides = NO_CHANGES if base is None else base.sides(name, sets)
        plan = make_plan(name, sets, scorers=[], trials=1, slices=(), sides=sides)
        return SuiteRun(plan, tuple(_result(case, ended.get(case.golden_id, "P")) for case in plan.cases))

    def _judge(self, run: Run, base: BaseBranch | None) -> None:
        decider = RunDecider(self.root, self.settings, self.state, self.settings.suites.get, base=base)
        verdict = decider.decide(run, decider.rules([suite.plan.name for suite in run.suites], pytest.fail))
        kept.write(verdict, self.state / "verdict.json")


def _result(case: Any, word: str) -> CaseResult:
    if word in _ENDED:
        return CaseResult(case, _ENDED[word])  # type: ignore[arg-type]
    value = {"P": 1.0, "m": 0.0, "?": None}[word]
    return combine_trials(case, [Trial(0, value, reason="" if value else "exact: got \x1b[31mred")])


@pytest.fixture
def checkout(folder: Path, evalgate: Command, git: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Checkout:
    root = folder / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    found = Checkout(root, evalgate, partial(git, "-C", root.name))
    found.configure("faq")
    found.golden("faq", *_ALL)
    found.git("init", "-q", "-b", "main")
    found.git("add", "-A")
    found.git("commit", "-qm", "base")
    found.git("checkout", "-qb", "topic")
    return found


def test_a_verdict_that_stands(checkout: Checkout) -> None:
    checkout.run(missed="a")
    assert checkout.verify() == (
        0,
        [
            "pass           faq, pass-rate: 75.0% passed, 75.0% required",
            "verify agrees: pass in verdict.json, pass derived from the run",
        ],
        "",
    )


@pytest.mark.parametrize(
    ("ended", "verdict", "code"),
    [
        ({}, "pass", 0),
        ({"a": "m", "b": "m"}, "fail", 1),
        ({"a": "?"}, "incomplete", 11),
        ({"a": "-"}, "not_evaluated", 12),
        ({"a": "S", "b": "S", "c": "S", "d": "S"}, "invalid", 5),
    ],
)
def test_it_exits_as_the_verdict_does(checkout: Checkout, ended: dict[str, str], verdict: str, code: int) -> None:
    checkout.run(ended=ended)
    found, lines, _ = checkout.verify()
    assert (found, lines[-1]) == (code, f"verify agrees: {verdict} in verdict.json, {verdict} derived from the run")


def test_a_first_run_may_pass_as_inconclusive(checkout: Checkout) -> None:
    checkout.configure("faq", gates='[{ kind = "no-regression" }]')
    checkout.merge()
    checkout.run()
    assert checkout.verify()[0] == 0
    assert checkout.claimed == "inconclusive"


@pytest.mark.parametrize("base", ["main", None])
def test_a_verdict_that_was_forged(checkout: Checkout, base: str | None) -> None:
    checkout.run(missed="ab")
    checkout.claim(verdict="pass", exit_code=0)
    code, lines, _ = checkout.verify(base=base)
    assert (code, lines[-1]) == (1, "verify DISAGREES: pass in verdict.json, fail derived from the run")


def test_a_verdict_that_is_worse_than_the_run_does_not_pass_either(checkout: Checkout) -> None:
    checkout.run()
    checkout.claim(verdict="invalid")
    code, lines, _ = checkout.verify()
    assert "pytest --eval-gate" in lines[-2]
    assert (code, lines[-1]) == (1, "verify DISAGREES: invalid in verdict.json, pass derived from the run")


def test_a_session_that_broke_off_has_no_verdict(checkout: Checkout) -> None:
    checkout.run()
    (checkout.state / "verdict.json").unlink()
    code, lines, err = checkout.verify()
    assert (code, lines) == (4, [])
    assert err.endswith("no verdict (No such file or directory): the session was aborted, run it again\n")


@pytest.mark.parametrize("text", ["", '{"verdict": "pass", "run', "[]", '{"verdict": "pass"}', '"pass"', "\xff"])
def test_a_torn_verdict_is_none(checkout: Checkout, text: str) -> None:
    checkout.run()
    (checkout.state / "verdict.json").write_bytes(text.encode("latin-1"))
    code, lines, err = checkout.verify()
    assert (code, lines) == (4, [])
    assert "verdict.json: not a verdict (" in err


@pytest.mark.parametrize(
    "fields", [{"verdict": "\x1b[32mpass"}, {"verdict": None}, {"run_id": "../../other"}, {"run_id": "\x1b[2J"}]
)
def test_a_verdict_of_hostile_words_is_none(checkout: Checkout, fields: dict[str, Any]) -> None:
    checkout.run()
    checkout.claim(**fields)
    code, lines, err = checkout.verify()
    assert (code, lines) == (4, [])
    assert "verdict.json: not a verdict (" in err
    assert "\x1b" not in err


def test_a_run_that_is_not_there(checkout: Checkout) -> None:
    checkout.run()
    checkout.claim(run_id="20260101T000000Z-bbbb")
    code, _, err = checkout.verify()
    assert code == 4
    assert "20260101T000000Z-bbbb" in err


def test_another_run_than_the_one_that_was_judged(checkout: Checkout) -> None:
    checkout.run(run_id="20260102T000000Z-bbbb")
    checkout.run(missed="ab")
    checkout.claim(verdict="pass")
    assert checkout.mismatches("--run", "20260102T000000Z-bbbb") == [
        "verdict.json belongs to run 20260101T000000Z-aaaa, not to run 20260102T000000Z-bbbb"
    ]


def test_a_suite_that_is_required_has_to_be_there(checkout: Checkout) -> None:
    checkout.run()
    assert checkout.mismatches("--require", "faq", base=None) == []
    assert checkout.mismatches("--require", "sql", "--require", "faq", base=None) == [
        f"suite sql is not in run {_RUN}"
    ]


def test_the_suites_of_the_base_have_to_be_there(checkout: Checkout) -> None:
    checkout.configure("faq", "sql")
    checkout.golden("sql", "x")
    checkout.merge()
    checkout.run()
    assert checkout.mismatches("--require", "sql") == [f"suite sql is not in run {_RUN}"]
    checkout.run("faq", "sql")
    assert checkout.mismatches() == []


def test_cases_that_were_removed_have_to_run(checkout: Checkout) -> None:
    checkout.golden("faq", "a", "b")
    checkout.run(base=False)
    assert checkout.mismatches(base=None) == []
    assert checkout.mismatches() == ["suite faq: 2 cases of the base branch did not run: c@base, d@base"]
    checkout.run()
    assert checkout.mismatches() == []


def test_cases_that_were_added_do_not_count_for_the_base(checkout: Checkout) -> None:
    checkout.golden("faq", *_ALL, *"efghi")
    checkout.run(base=False, missed="ab")
    assert checkout.claimed == "pass"
    assert checkout.mismatches() == ["suite faq: 5 cases of the base branch did not run: e, f, g"]
    checkout.run(missed="ab")
    assert checkout.verify()[0] == 1
    assert checkout.claimed == "fail"


def test_a_golden_set_that_was_another_one_when_it_ran(checkout: Checkout) -> None:
    checkout.golden("faq", *"abc")
    checkout.run(base=False)
    checkout.golden("faq", *_ALL)
    assert checkout.mismatches() == [
        f"suite faq ran on other golden sets than those of {checkout.root}",
        "suite faq: 1 case of the base branch did not run: d",
    ]


def test_a_configuration_that_was_another_one_when_it_ran(checkout: Checkout) -> None:
    checkout.configure("faq", gates=_LOOSE)
    checkout.run(base=False)
    checkout.configure("faq")
    assert checkout.mismatches() == [f"run {_RUN} has another configuration than {checkout.root}"]


def test_a_target_that_stood_in_for_those_of_the_suites(checkout: Checkout) -> None:
    checkout.run(target="recorded:perfect.jsonl")
    assert checkout.mismatches() == [
        f"run {_RUN} used --eval-target recorded:perfect.jsonl, not the suites' own targets"
    ]
    assert checkout.mismatches("--target", "recorded:perfect.jsonl") == []
    assert checkout.mismatches("--target", "model:x") == [
        f"run {_RUN} used --eval-target recorded:perfect.jsonl, not --eval-target model:x"
    ]


def test_a_golden_set_that_is_gone(checkout: Checkout) -> None:
    checkout.run()
    (checkout.root / "golden/faq.jsonl").unlink()
    code, lines, err = checkout.verify()
    assert (code, lines) == (4, [])
    assert "golden/faq.jsonl: cannot be read" in err


def test_golden_sets_outside_of_the_root_folder_are_not_read(checkout: Checkout) -> None:
    checkout.run()
    path = run_file.path_of(checkout.state, _RUN)
    text = re.sub(r',"sha256":"[0-9a-f]{64}"', "", path.read_text("ascii"))
    path.write_text(text.replace('["golden/faq.jsonl"]', '["../faq.jsonl"]'), "ascii")
    code, lines, err = checkout.verify()
    assert (code, lines) == (4, [])
    assert "golden set: ../faq.jsonl leads to " in err


def test_the_gate_of_the_base_decides_even_where_somebody_answers_for_a_weaker_one(checkout: Checkout) -> None:
    told = f'[[acknowledged]]\nchange = "{_MIN}"\nreason = "for now"\nowner = "qa"\n'
    checkout.configure("faq", gates=_LOOSE, head=told)
    checkout.run(missed="ab")
    assert checkout.claimed == "pass"
    code, lines, _ = checkout.verify()
    assert (code, lines) == (
        1,
        [
            "WHAT CHANGED IN THE GATE: 1 change against the base branch, 1 of them weaker",
            f"  WEAKER   gate changed  {_MIN}: 0.75 -> 0.5 (acknowledged: for now (qa))",
            "fail           faq, pass-rate: 2 of 4 passed, 3 needed",
            "verify DISAGREES: pass in verdict.json, fail derived from the run",
        ],
    )


def test_a_weaker_gate_that_nobody_needs_stands_where_somebody_answers_for_it(checkout: Checkout) -> None:
    told = f'[[acknowledged]]\nchange = "{_MIN}"\nreason = "for now"\nowner = "qa"\n'
    checkout.configure("faq", gates=_LOOSE, head=told)
    checkout.run(missed="a")
    assert checkout.mismatches() == []
    checkout.configure("faq", gates=_LOOSE)
    checkout.run(missed="a")
    code, lines, _ = checkout.verify()
    assert (code, lines[-1]) == (1, "verify agrees: fail in verdict.json, fail derived from the run")


def test_without_a_base_the_gates_of_the_checkout_decide(checkout: Checkout) -> None:
    checkout.configure("faq", gates=_LOOSE)
    checkout.run(base=False, missed="ab")
    assert checkout.mismatches(base=None) == []


def test_the_baseline_of_the_base_decides(checkout: Checkout) -> None:
    checkout.golden("faq", *"abcdefgh")
    checkout.configure("faq", gates='[{ kind = "no-regression" }]')
    checkout.promote(checkout.run(write=False))
    checkout.merge()
    checkout.promote(checkout.run(write=False, missed="abcdef"))
    checkout.run(missed="abcdef")
    checkout.claim(verdict="pass")
    code, lines, _ = checkout.verify()
    assert (code, lines[-1]) == (1, "verify DISAGREES: pass in verdict.json, fail derived from the run")
    assert lines[1].startswith(f"  NEUTRAL  baseline edited  {_KEY}: ")


def test_a_suite_that_the_base_does_not_know_is_judged_by_its_own_gates(checkout: Checkout) -> None:
    checkout.configure("faq", "sql")
    checkout.golden("sql", *_ALL)
    checkout.run("faq", "sql", missed="d")
    assert checkout.mismatches() == []
    assert checkout.claimed == "pass"


def test_a_baseline_of_the_base_that_cannot_be_used_is_no_verdict(checkout: Checkout) -> None:
    checkout.run()
    path = checkout.state / "baselines/faq.json"
    path.parent.mkdir()
    path.write_text("torn")
    checkout.merge()
    assert checkout.verify()[0] == 4


@pytest.mark.parametrize("variable", ["GITHUB_BASE_REF", "EVALGATE_BASE_REF"])
def test_the_environment_tells_the_base(checkout: Checkout, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    checkout.git("update-ref", "refs/remotes/origin/main", "main")
    checkout.golden("faq", "a", "b", "c")
    checkout.run(base=False)
    monkeypatch.setenv(variable, "main")
    assert len(checkout.mismatches(base=None)) == 1


@pytest.mark.parametrize("told", [{"GITHUB_BASE_REF": "nowhere"}, {"EVALGATE_BASE_REF": "nowhere"}, {}])
def test_a_base_that_is_not_there_is_no_verdict(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, told: dict[str, str]
) -> None:
    checkout.run()
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    code, lines, err = checkout.verify(base=None if told else "nowhere")
    assert (code, lines) == (4, [])
    assert "nowhere: no such branch, tag or commit here" in err


def test_no_code_of_the_branch_runs(checkout: Checkout) -> None:
    trap = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"
    for name in ("conftest.py", "graders.py", "bot.py"):
        (checkout.root / name).write_text(trap, "utf-8")
    checkout.configure("faq", more='target = { python = "bot:answer" }\nscorers = [{ python = "graders:polite" }]')
    checkout.merge()
    checkout.run()
    assert checkout.verify()[0] == 0
    assert not (checkout.root / "ran").exists()


def test_as_json(checkout: Checkout) -> None:
    checkout.golden("faq", "a", "b", "c")
    checkout.run(base=False)
    code, lines, err = checkout.verify("--json")
    found = json.loads("\n".join(lines))
    assert (code, err, found["exit_code"]) == (1, "", 1)
    assert (found["claimed"], found["agrees"], found["derived"]["verdict"]) == ("pass", False, "pass")
    assert found["objections"] == ["suite faq: 1 case of the base branch did not run: d@base"]
    assert [change["what"] for change in found["derived"]["changed_in_gate"]] == ["case removed"]


def test_hostile_text_of_a_run_is_inert(checkout: Checkout) -> None:
    checkout.run(target="x\x1b[2J\nverify agrees: pass in verdict.json, pass derived from the run")
    code, lines, _ = checkout.verify()
    assert (code, len(lines)) == (1, 3)
    assert "\x1b" not in "".join(lines)
    assert lines[-1].startswith("verify MISMATCH")


def test_help_has_an_example(evalgate: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        evalgate("verify", "--help")
    assert caught.value.code == 0
    assert "example: pytest-evalgate verify --base-ref origin/main" in capsys.readouterr().out


def test_a_run_with_fewer_trials_than_the_base_asks_for(checkout: Checkout) -> None:
    checkout.configure("faq", more="trials = 3")
    checkout.merge()
    checkout.run()
    assert checkout.mismatches() == ["suite faq ran 1 trial of each case, but 3 are configured"]
    assert checkout.mismatches(base=None) == ["suite faq ran 1 trial of each case, but 3 are configured"]


def test_the_trials_of_the_base_count_even_if_fewer_are_acknowledged(checkout: Checkout) -> None:
    checkout.configure("faq", more="trials = 2")
    checkout.merge()
    told = '[[acknowledged]]\nchange = "suites.faq.trials"\nreason = "for now"\nowner = "qa"\n'
    checkout.configure("faq", head=told)
    checkout.run()
    assert checkout.mismatches() == ["suite faq ran 1 trial of each case, but 2 are configured"]


def test_a_case_without_all_its_trials(checkout: Checkout) -> None:
    run = checkout.run()
    [suite] = run.suites
    short = replace(suite, plan=replace(suite.plan, trials=2))
    origin = RunInfo(config_sha256(checkout.settings))
    run_file.write(replace(run, suites=(short,)), run_file.path_of(checkout.state, _RUN), origin)
    assert "suite faq: 4 cases did not run 2 trials: a, b, c" in checkout.mismatches()


def test_the_sample_of_the_base_counts_even_if_a_smaller_one_is_acknowledged(checkout: Checkout) -> None:
    tier = "[suites.faq.tiers.default]\nsample = %d"
    checkout.configure("faq", more=tier % 3)
    checkout.merge()
    told = '[[acknowledged]]\nchange = "suites.faq.tiers.default.sample"\nreason = "for now"\nowner = "qa"\n'
    checkout.configure("faq", more=tier % 1, head=told)
    run = checkout.run()
    [suite] = run.suites
    first = replace(suite, plan=replace(suite.plan, cases=suite.plan.cases[:1]), results=suite.results[:1])
    origin = RunInfo(config_sha256(config.for_tier(checkout.settings, "default")))
    run_file.write(replace(run, suites=(first,)), run_file.path_of(checkout.state, _RUN), origin)
    [problem] = checkout.mismatches()
    assert problem.startswith("suite faq: 2 cases of the base branch did not run: ")


def test_a_run_of_another_commit(checkout: Checkout) -> None:
    checkout.run()
    made = git.head(checkout.root)
    checkout.git("commit", "-qm", "worse", "--allow-empty")
    now = git.head(checkout.root)
    assert (made, now) != (None, None)
    assert checkout.mismatches() == [
        f"run {_RUN} was made of commit {str(made)[:12]}, not of HEAD ({str(now)[:12]}): run the session again"
    ]


def test_the_commit_is_named(checkout: Checkout) -> None:
    checkout.run()
    _, out, _ = checkout.evalgate("verify", "--base-ref", "main")
    assert out.endswith(f"derived from the run of commit {str(git.head(checkout.root))[:12]}\n")
    _, out, _ = checkout.evalgate("verify", "--base-ref", "main", "--json")
    assert json.loads(out)["commit"] == git.head(checkout.root)


def test_a_baseline_of_the_branch_is_not_used_even_if_it_is_acknowledged(checkout: Checkout) -> None:
    checkout.golden("faq", *"abcdefgh")
    checkout.configure("faq", gates='[{ kind = "no-regression" }]')
    checkout.promote(checkout.run(write=False))
    checkout.merge()
    checkout.promote(checkout.run(write=False, missed="abcdef"))
    told = f'[[acknowledged]]\nchange = "{_KEY}"\nreason = "for now"\nowner = "qa"\n'
    checkout.configure("faq", gates='[{ kind = "no-regression" }]', head=told)
    checkout.run(missed="abcdef")
    assert checkout.claimed == "pass"
    code, lines, _ = checkout.verify()
    assert (code, lines[-1]) == (1, "verify DISAGREES: pass in verdict.json, fail derived from the run")


def test_a_judge_that_the_base_does_not_have(checkout: Checkout) -> None:
    models = '[models.m]\nmodel = "m"\n[judges.j]\nmodel = "m"\ncriteria = "It is right."\n'
    checkout.merge()
    tables = models + '[suites.new]\ngolden = "golden/new.jsonl"\nscorers = [{ judge = "j" }]\n'
    checkout.golden("new", *_ALL)
    checkout.configure("faq", head=tables)
    checkout.run("faq", "new")
    code, lines, err = checkout.verify()
    assert (code, err) == (4, "")
    assert any("judge j may not gate: it is not calibrated" in line for line in lines)


def test_a_shallow_clone_is_no_verdict(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout.run()
    (checkout.root / ".git/shallow").write_text(str(git.head(checkout.root)) + "\n")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    code, lines, err = checkout.verify(base=None)
    assert (code, lines) == (4, [])
    assert "fetch-depth: 2" in err
