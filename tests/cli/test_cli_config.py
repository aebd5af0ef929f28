from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.cli import main
from pytest_evalgate.cli.config import flatten
from pytest_evalgate.config.key_lines import KeyLines

if TYPE_CHECKING:
    from pathlib import Path

_CONFIG = """# the gate
budget_usd = 5.0

[suites.support]
golden = "g.jsonl"
gates = [
  { kind = "pass-rate", min = 0.9 },
  { kind = "no-regression" },
]
tiers.smoke = { sample = 100, trials = 3 }

[suites.support.target]
python = '''
app:answer'''
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "evalgate.toml").write_text(_CONFIG.replace("'''\napp:answer'''", '"app:answer"'))
    monkeypatch.chdir(tmp_path)
    for name in ("EVALGATE_TRIALS", "EVALGATE_TIER", "EVALGATE_BUDGET_USD"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, tuple[Any, str]]:
    assert main(["config", "--explain", "--json", *arguments]) == 0
    return {one["key"]: (one["value"], one["origin"]) for one in json.loads(capsys.readouterr().out)}


def test_statements_are_found_on_the_line_where_they_begin() -> None:
    assert KeyLines.of("evalgate.toml", _CONFIG).lines == {
        "budget_usd": 2,
        "suites.support.golden": 5,
        "suites.support.gates[0].kind": 7,
        "suites.support.gates[0].min": 7,
        "suites.support.gates[1].kind": 8,
        "suites.support.tiers.smoke.sample": 10,
        "suites.support.tiers.smoke.trials": 10,
        "suites.support.target.python": 13,
    }


_KEYS = st.text("abc", min_size=1, max_size=3)
_VALUES = st.recursive(
    st.integers(-9, 9) | st.booleans() | st.text("x\n'\"#=[", max_size=5),
    lambda inner: st.dictionaries(_KEYS, inner, min_size=1, max_size=3) | st.lists(st.integers(), max_size=2),
    max_leaves=6,
)


@given(table=st.dictionaries(_KEYS, _VALUES, min_size=1, max_size=5), blank=st.integers(0, 2))
def test_every_leaf_of_a_file_has_a_line_and_it_is_the_one_that_names_it(table: dict[str, Any], blank: int) -> None:
    text = "".join(f"{chr(10) * blank}{key} = {_toml(value)}\n" for key, value in table.items())
    assert tomllib.loads(text) == table
    lines = text.splitlines()
    for path, number in KeyLines.of("evalgate.toml", text).lines.items():
        assert lines[number - 1].startswith(f"{path.partition('.')[0].partition('[')[0]} = ")
    assert KeyLines.of("evalgate.toml", text).lines.keys() == {path for path, value in flatten(table) if value != {}}


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)


def test_each_value_has_its_origin(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = _explained(capsys)
    assert project.exists()
    assert values["budget_usd"] == (5.0, "evalgate.toml:2")
    assert values["suites.support.golden"] == (["g.jsonl"], "evalgate.toml:5")
    assert values["suites.support.gates[1].alpha"] == (0.05, "default")
    assert values["suites.support.gates[0].min"] == (0.9, "evalgate.toml:7")
    assert values["suites.support.trials"] == (None, "default")


def test_a_tier_overrides_its_suite_and_the_environment_overrides_both(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.exists()
    assert _explained(capsys, "--tier", "smoke")["suites.support.trials"] == (3, "evalgate.toml:10 (tier smoke)")
    monkeypatch.setenv("EVALGATE_TIER", "smoke")
    monkeypatch.setenv("EVALGATE_TRIALS", "7")
    message = _explained(capsys, "suites.support.trials")
    assert message == {"suites.support.trials": ("7", "EVALGATE_TRIALS (over evalgate.toml:10 (tier smoke))")}


def test_without_explain_only_what_is_set_is_printed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert project.exists()
    assert main(["config", "suites.support.gates"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["suites.support.gates[0].kind", '"pass-rate"'],
        ["suites.support.gates[0].min", "0.9"],
        ["suites.support.gates[1].kind", '"no-regression"'],
    ]


def test_pyproject_is_read_from_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = '[project]\nname = "x"\n\n[tool.evalgate]\nmax_error_rate = 0.1\n'
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert _explained(capsys, "max_error_rate") == {"max_error_rate": (0.1, "pyproject.toml:5")}


def test_a_key_that_is_not_there(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert project.exists()
    assert main(["config", "--explain", "suites.suport"]) == 1
    assert "nothing is set" in capsys.readouterr().out


def test_an_unknown_tier_is_an_error(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert project.exists()
    assert main(["config", "--tier", "smok"]) == 4
    assert "smoke" in capsys.readouterr().err
