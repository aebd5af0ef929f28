"""Safety packs of ``init --pack``: their rows, the bounds that they state, and the configuration."""

from __future__ import annotations

import json
import os
import tomllib
from typing import TYPE_CHECKING

import pytest
from tests.support import forked

from pytest_evalgate import config, golden
from pytest_evalgate.cli.init.packs import PACKS
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.power import check_power
from pytest_evalgate.runs.plan import make_plan

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command

    from pytest_evalgate.config import Suite

_SUITES = [(name, suite) for name, pack in PACKS.items() for suite in pack.suites]


def _written(folder: Path, evalgate: Command, *names: str) -> dict[str, Suite]:
    (folder / "pytest.ini").touch()
    arguments = [word for name in names for word in ("--pack", name)]
    code, _, err = evalgate("init", *arguments)
    assert (code, err) == (0, "")
    return config.load(folder).suites


def test_all_packs_are_one_configuration_of_known_size(folder: Path, evalgate: Command) -> None:
    suites = _written(folder, evalgate, *PACKS)
    sizes = {name: len(golden.load([folder / suite.golden[0]], root=folder)[0]) for name, suite in suites.items()}
    assert sizes == {
        "injection": 225,
        "unsafe-requests": 200,
        "over-refusal": 250,
        "personal-data": 123,
        "jailbreak": 200,
    }
    licences = sorted(path.name for path in (folder / "golden" / "safety").glob("LICENSE.*"))
    assert licences == ["LICENSE.bipia", "LICENSE.presidio", "LICENSE.xstest"]
    assert sum(path.stat().st_size for path in (folder / "golden" / "safety").iterdir()) < 500_000


@pytest.mark.parametrize(("pack", "name"), [(pack, suite.name) for pack, suite in _SUITES])
def test_each_gate_can_pass_and_no_lower_bound_than_stated_is_shown(
    pack: str, name: str, folder: Path, evalgate: Command
) -> None:
    suite = _written(folder, evalgate, pack)[name]
    made = next(one for _, one in _SUITES if one.name == name)
    sets = golden.load([folder / suite.golden[0]], root=folder)
    plan = make_plan(name, sets, scorers=[], trials=1, slices=suite.slices, cluster=suite.cluster)
    assert check_power(plan, SuiteRules(gates=suite.gates)).problems == ()
    assert made.bound <= made.max
    [gate] = suite.gates or ()
    for most, can_pass in ((made.bound, True), (made.bound - 0.001, False)):
        tighter = gate.model_copy(update={"max": most})
        assert (check_power(plan, SuiteRules(gates=(tighter,))).problems == ()) is can_pass
    text = (folder / "evalgate.toml").read_text("utf-8")
    assert (
        f"# n = {made.units} {made.noun}: without a violation they show a rate below {100 * made.bound:g} %." in text
    )


def test_each_injection_contains_its_marker_once_and_no_e_mail_has_one(folder: Path, evalgate: Command) -> None:
    _written(folder, evalgate, "injection")
    rows = [json.loads(line) for line in (folder / "golden/safety/injection.jsonl").read_text("utf-8").splitlines()]
    assert all(row["input"].count(row["metadata"]["canary"]) == 1 for row in rows)
    assert len({row["metadata"]["canary"] for row in rows}) == 75
    assert {tag for row in rows for tag in row["tags"] if tag.startswith("position")} == {
        "position:start",
        "position:middle",
        "position:end",
    }


def test_personal_data_is_in_its_message(folder: Path, evalgate: Command) -> None:
    _written(folder, evalgate, "pii")
    rows = [
        json.loads(line) for line in (folder / "golden/safety/personal-data.jsonl").read_text("utf-8").splitlines()
    ]
    assert all(value in row["input"] for row in rows for value in row["asserts"][0]["values"])


def test_the_application_becomes_the_target(folder: Path, evalgate: Command) -> None:
    (folder / "bot.py").write_text("def answer(question: str) -> str:\n    return 'no'\n", "utf-8")
    suites = _written(folder, evalgate, "refusal")
    assert {str(suite.target) for suite in suites.values()} == {str(suites["over-refusal"].target)}
    assert "bot:answer" in str(suites["over-refusal"].target)


def test_an_existing_configuration_stays_and_the_tables_are_printed(folder: Path, evalgate: Command) -> None:
    (folder / "pyproject.toml").write_text('[tool.evalgate.suites.own]\ngolden = "g.jsonl"\n', "utf-8")
    code, out, _ = evalgate("init", "--pack", "injection")
    assert code == 0
    assert "by hand    pyproject.toml: your file stays unchanged; add the lines below to it" in out
    text = out[out.index("[tool.evalgate.suites.injection]") : out.index("\nnext:")]
    assert tomllib.loads(text)["tool"]["evalgate"]["suites"]["injection"]["cluster"] == "metadata.attack"
    assert (folder / "golden/safety/injection.jsonl").exists()
    both = f"{(folder / 'pyproject.toml').read_text('utf-8')}\n{text}"
    (folder / "pyproject.toml").write_text(both, "utf-8")
    assert "by hand" not in evalgate("init", "--pack", "injection")[1]


_BOTS = {
    "refuses": ("'I cannot help with that.'", {"over-refusal": "fail"}),
    "repeats": (
        "question",
        {"injection": "fail", "personal-data": "fail", "unsafe-requests": "fail", "jailbreak": "fail"},
    ),
}


@pytest.mark.parametrize("bot", _BOTS)
def test_the_packs_tell_a_bot_that_refuses_from_one_that_repeats(bot: str, folder: Path, evalgate: Command) -> None:
    answer, failed = _BOTS[bot]
    (folder / "bot.py").write_text(f"def answer(question: str) -> str:\n    return {answer}\n", "utf-8")
    suites = _written(folder, evalgate, *PACKS)
    words = ["pytest", "--eval-gate", "-q", "-p", "pytest_evalgate.plugin", "-p", "xdist.plugin"]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("CI", "EVALGATE", "GITHUB"))}
    code, printed = forked.run(words, folder, {**inherited, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
    assert code == 1, printed
    verdict = json.loads((folder / ".evalgate" / "verdict.json").read_text("utf-8"))
    found = {name: suite["verdict"] for name, suite in verdict["suites"].items()}
    assert found == {name: failed.get(name, "pass") for name in suites}


def test_an_unknown_pack_is_refused(folder: Path, evalgate: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evalgate("init", "--pack", "toxicity")
    assert "choose from" in capsys.readouterr().err
    assert not any(folder.iterdir())
