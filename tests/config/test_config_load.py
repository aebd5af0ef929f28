from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from pytest_evalgate.config import (
    MustPassGate,
    NoRegressionGate,
    PassRateGate,
    PythonTarget,
    RecordedTarget,
    Settings,
    Suite,
    find_root,
    is_configured,
    json_schema,
    load,
    parse_target,
)
from pytest_evalgate.errors import SettingsError

_EXAMPLES = Path(__file__).parents[2] / "examples"
_SUITE = 'suites.faq.golden = "g.jsonl"\n'


def _load(root: Path, text: str | bytes, name: str = "evalgate.toml") -> Settings:
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(root)


def _refused(root: Path, text: str | bytes, name: str = "evalgate.toml") -> str:
    with pytest.raises(SettingsError) as caught:
        _load(root, text, name)
    return re.sub(r"^(\w+\.toml):\d+: ", r"\1: ", str(caught.value), flags=re.MULTILINE)


_EVERY_KEY = """
on_inconclusive = "fail"
on_missing_baseline = "record"
max_error_rate = 0.01
[suites.support]
golden = ["a.jsonl", "b.jsonl"]
target = { recorded = ["r1.jsonl", "r2.jsonl"], output = "answer.text" }
scorers = ["exact", { kind = "number", pattern = 'A:(.+)$' }]
threshold = 0.5
trials = 2
slices = ["lang", "metadata.type", "tag"]
baseline = "git:main"
mode = "advisory"
gates = [
  { kind = "pass-rate", min = 0.85, bound = "point" },
  { kind = "no-regression", alpha = 0.01, margin = 0.05, fail_on = "tolerance" },
  { kind = "must-pass", tags = ["safety"] },
]
"""


def test_every_key_is_read(tmp_path: Path) -> None:
    assert _load(tmp_path, _EVERY_KEY) == Settings(
        on_inconclusive="fail",
        on_missing_baseline="record",
        max_error_rate=0.01,
        suites={
            "support": Suite(
                golden=("a.jsonl", "b.jsonl"),
                target=RecordedTarget(recorded=("r1.jsonl", "r2.jsonl"), output="answer.text"),
                scorers=("exact", {"kind": "number", "pattern": "A:(.+)$"}),
                threshold=0.5,
                trials=2,
                slices=("lang", "metadata.type", "tag"),
                baseline="git:main",
                mode="advisory",
                gates=(
                    PassRateGate(kind="pass-rate", min=0.85, bound="point"),
                    NoRegressionGate(kind="no-regression", alpha=0.01, margin=0.05, fail_on="tolerance"),
                    MustPassGate(kind="must-pass", tags=("safety",)),
                ),
            )
        },
    )


def test_missing_keys_have_their_defaults(tmp_path: Path) -> None:
    settings = _load(tmp_path, _SUITE + 'suites.faq.gates = [{ kind = "no-regression" }]\n')
    suite = settings.suites["faq"]
    assert (settings.on_inconclusive, settings.on_missing_baseline, settings.max_error_rate) == ("warn", None, 0.0)
    assert (suite.golden, suite.target, suite.scorers) == (("g.jsonl",), None, ("exact",))
    assert (suite.threshold, suite.trials, suite.slices, suite.baseline, suite.mode) == (
        None,
        None,
        (),
        None,
        "blocking",
    )
    assert suite.gates == (NoRegressionGate(kind="no-regression", alpha=0.05, margin=None, fail_on="regressed"),)


def test_no_file_is_no_configuration(tmp_path: Path) -> None:
    assert load(tmp_path) == Settings()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'evalgate-user'\n")
    assert load(tmp_path) == Settings()
    assert not is_configured(tmp_path)


def test_pyproject_has_the_same_keys(tmp_path: Path) -> None:
    text = '[tool.evalgate]\non_inconclusive = "fail"\n[tool.evalgate.suites.faq]\ngolden = "g.jsonl"\n'
    settings = _load(tmp_path, text, "pyproject.toml")
    assert (settings.on_inconclusive, list(settings.suites)) == ("fail", ["faq"])


def test_both_files_are_one_too_many(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.evalgate]\n")
    assert "are both present: keep one of them" in _refused(tmp_path, _SUITE)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    assert "faq" in _load(tmp_path, b"\xef\xbb\xbf" + _SUITE.replace("\n", "\r\n").encode()).suites


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = 1\nb = = 2\n", "evalgate.toml: not TOML: the value is missing or misspelt"),
        ("a = 1\na = 2\n", "evalgate.toml: not TOML: this key is there twice: remove one"),
        (b"a = '\xff'\n", "evalgate.toml: not UTF-8: byte ff; save as UTF-8"),
    ],
)
def test_a_file_that_is_not_toml_is_refused_with_its_place(tmp_path: Path, text: str | bytes, told: str) -> None:
    assert _refused(tmp_path, text).startswith(told)


def test_a_folder_as_configuration_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evalgate.toml").mkdir()
    with pytest.raises(SettingsError, match=r"evalgate\.toml: cannot be read: Is a directory"):
        load(tmp_path)


def test_a_value_in_place_of_the_table_is_refused(tmp_path: Path) -> None:
    told = _refused(tmp_path, "[tool]\nevalgate = 5\n", "pyproject.toml")
    assert told == "pyproject.toml: tool.evalgate must be a table, not 5"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("on_inconclusiv = 'fail'", 'on_inconclusiv: unknown key; did you mean "on_inconclusive"?'),
        (_SUITE + "suites.faq.scorer = ['exact']", 'suites.faq.scorer: unknown key; did you mean "scorers"?'),
        (
            _SUITE + "suites.faq.gates = [{ kind = 'pass-rate', minn = 0.8, min = 0.8 }]",
            'suites.faq.gates[0].minn: unknown key; did you mean "min"?',
        ),
        (
            _SUITE + "suites.faq.target = { recorded = 'a', outptu = 'b' }",
            'suites.faq.target.outptu: unknown key; did you mean "output"?',
        ),
        (
            "zzz = 1",
            (
                "zzz: unknown key; the keys here are: default_tier, on_inconclusive, on_missing_baseline, on_rerun, "
                "max_error_rate, max_duration_s, budget_usd, cache_auth, xdist, history, notify, store, store_env, "
                "store_texts, telemetry, acknowledged, report, release, models, judges, suites"
            ),
        ),
        (
            "[suites.must-pass]\ngolden = 'g'\nscorer = []",
            'suites.must-pass.scorer: unknown key; did you mean "scorers"?',
        ),
    ],
)
def test_unknown_keys_are_reported_with_a_suggestion(tmp_path: Path, text: str, told: str) -> None:
    assert _refused(tmp_path, text) == f"evalgate.toml: {told}"


_REFUSED = [
    ("on_inconclusive = 'pass'", 'on_inconclusive: must be "warn" or "fail", not "pass"'),
    ("on_missing_baseline = 'skip'", 'on_missing_baseline: must be "fail" or "record", not "skip"'),
    ("max_error_rate = nan", "max_error_rate: must be a finite number, not nan"),
    ("max_error_rate = 1.5", "max_error_rate: must be at most 1, not 1.5"),
    ("max_error_rate = true", "max_error_rate: must be a number, not true"),
    ("max_error_rate = '0.5'", 'max_error_rate: must be a number, not "0.5"'),
    ("suites = []", "suites: must be a table"),
    ("suites.faq.trials = 1", "suites.faq.golden: this key is missing"),
    ("suites.faq.golden = []", "suites.faq.golden: must not be empty"),
    ("suites.faq.golden = ''", "suites.faq.golden: must not be empty"),
    ("suites.faq.golden = 3", "suites.faq.golden: must be a list, not 3"),
    (_SUITE + "suites.faq.threshold = 0", "suites.faq.threshold: must be greater than 0, not 0"),
    (_SUITE + "suites.faq.trials = 0", "suites.faq.trials: must be at least 1, not 0"),
    (_SUITE + "suites.faq.trials = true", "suites.faq.trials: must be a whole number, not true"),
    (_SUITE + "suites.faq.trials = '3'", 'suites.faq.trials: must be a whole number, not "3"'),
    (_SUITE + "suites.faq.slices = 'lang'", 'suites.faq.slices: must be a list, not "lang"'),
    (_SUITE + "suites.faq.mode = 'quiet'", 'suites.faq.mode: must be "blocking" or "advisory", not "quiet"'),
    (
        _SUITE + "suites.faq.gates = [{ kind = 'slicing' }]",
        'suites.faq.gates[0]: kind must be "pass-rate", "no-regression", "slice", "mean-score", "must-pass"',
    ),
    (_SUITE + "suites.faq.gates = [{ min = 0.8 }]", "suites.faq.gates[0]: a gate needs a kind, such as"),
    (_SUITE + "suites.faq.gates = [{ kind = 'pass-rate' }]", "suites.faq.gates[0].min: this key is missing"),
    (
        _SUITE + "suites.faq.gates = [{ kind = 'pass-rate', min = 85 }]",
        "suites.faq.gates[0].min: must be at most 1, not 85: write 0.85 for 85%",
    ),
    (
        _SUITE + "suites.faq.gates = [{ kind = 'pass-rate', min = true }]",
        "suites.faq.gates[0].min: must be a number, not true",
    ),
    (
        _SUITE + "suites.faq.gates = [{ kind = 'no-regression', alpha = 0.5 }]",
        "suites.faq.gates[0].alpha: must be less than 0.5, not 0.5",
    ),
    (
        _SUITE + "suites.faq.gates = [{ kind = 'no-regression', margin = 1 }]",
        "suites.faq.gates[0].margin: must be less than 1, not 1: write 0.01 for 1%",
    ),
    (
        _SUITE + "suites.faq.gates = [{ kind = 'no-regression', margin = 0 }]",
        "suites.faq.gates[0].margin: must be greater than 0, not 0",
    ),
    (
        _SUITE + "suites.faq.target = { recorded = [] }",
        "suites.faq.target.recorded: must not be empty",
    ),
    (
        _SUITE + "suites.faq.target = { python = 'app' }",
        'suites.faq.target.python: write "module:function", such as "myapp.bot:answer" (got "app")',
    ),
    (_SUITE + "suites.faq.target = 'app:answer'", "suites.faq.target"),
]
_REFUSED_BY_THE_MODEL_ONLY = [
    (
        _SUITE + "suites.faq.gates = [{ kind = 'no-regression', fail_on = 'not_proven' }]",
        'suites.faq.gates[0]: fail_on = "not_proven" needs a margin, for example margin = 0.05',
    ),
    (
        _SUITE + "suites.faq.gates = [{ kind = 'no-regression', fail_on = 'tolerance' }]",
        'suites.faq.gates[0]: fail_on = "tolerance" needs a margin',
    ),
    (
        _SUITE + "suites.faq.target = { recorded = 'a', python = 'b:c' }",
        (
            "suites.faq.target: a target has exactly one of recorded, python, model, http, command, kind; "
            "got recorded, python"
        ),
    ),
    (
        _SUITE + "suites.faq.target = {}",
        "suites.faq.target: a target has exactly one of recorded, python, model, http, command, kind; got nothing",
    ),
    ("suites.'a b'.golden = 'g'", "suites.a b: name 'a b': use letters, digits"),
    ("suites.'../up'.golden = 'g'", "suites.../up: name '../up': use letters, digits"),
    ("suites.'.hidden'.golden = 'g'", "suites..hidden: name '.hidden': use letters, digits"),
    ("suites.''.golden = 'g'", "suites.: name '': use letters, digits"),
]


@pytest.mark.parametrize(("text", "told"), _REFUSED + _REFUSED_BY_THE_MODEL_ONLY)
def test_wrong_values_are_reported_with_their_place(tmp_path: Path, text: str, told: str) -> None:
    assert _refused(tmp_path, text).startswith(f"evalgate.toml: {told}")


def test_every_problem_is_listed(tmp_path: Path) -> None:
    lines = _refused(tmp_path, "max_error_rate = 2\nsuites.a.golden = 1\nsuites.b.trials = 1\n").splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["max_error_rate", "suites.a.golden", "suites.b.golden"]


@pytest.mark.parametrize("policy", ["not_proven", "tolerance"])
def test_a_policy_with_its_margin(policy: str) -> None:
    gate = NoRegressionGate.model_validate({"kind": "no-regression", "fail_on": policy, "margin": 0.02})
    assert gate.margin == 0.02


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().max_error_rate = 1.0


def test_the_root_is_the_nearest_configured_folder(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_root(below) == below
    (tmp_path / "evalgate.toml").write_text("")
    assert find_root(below) == tmp_path
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.evalgate]\n")
    assert find_root(below) == tmp_path / "a"


@pytest.mark.parametrize(
    ("spec", "target"),
    [
        ("recorded:out.jsonl", RecordedTarget(recorded=("out.jsonl",))),
        ("recorded:a.jsonl,b.jsonl", RecordedTarget(recorded=("a.jsonl", "b.jsonl"))),
        ("python:app.bot:answer", PythonTarget(python="app.bot:answer")),
        ("python:app:Bot.answer", PythonTarget(python="app:Bot.answer")),
    ],
)
def test_a_target_from_the_command_line(spec: str, target: RecordedTarget | PythonTarget) -> None:
    assert parse_target(spec) == target


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("out.jsonl", "write recorded:out.jsonl for a file; the forms are recorded:FILE, python:pkg.mod:name"),
        ("bot:answer", "write python:bot:answer for a function; the forms are recorded:FILE"),
        ("", "write recorded:FILE, python:pkg.mod:name"),
        ("recorded:", "write recorded:FILE, python:pkg.mod:name"),
        ("http:x", "http.url: write https://host/path"),
        ("recorded:a,,b", "recorded[1]: must not be empty"),
        ("python:app", 'python: write "module:function"'),
    ],
)
def test_a_target_that_cannot_be_read(spec: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_target(spec)
    assert str(caught.value).startswith(f"--eval-target {spec}: {told}")


def _matches_schema(text: str) -> bool:
    return bool(jsonschema.Draft202012Validator(json_schema()).is_valid(tomllib.loads(text)))


def test_the_schema_is_a_schema_and_plain_json() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json.loads(json.dumps(json_schema())) == json_schema()


@pytest.mark.parametrize("path", sorted(_EXAMPLES.rglob("evalgate.toml")), ids=lambda path: path.parent.name)
def test_the_examples_match_the_schema(path: Path) -> None:
    assert load(path.parent).model_fields_set & {"suites", "judges"}
    assert _matches_schema(path.read_text("utf-8"))


def test_the_schema_takes_every_key() -> None:
    assert _matches_schema(_EVERY_KEY)
    assert _matches_schema(_SUITE + "suites.faq.target = { python = 'app:answer' }")


@pytest.mark.parametrize(
    "text", [text for text, _ in _REFUSED if "nan" not in text] + ["zzz = 1", _SUITE + "suites.faq.scorer = ['exact']"]
)
def test_the_schema_refuses_the_same_values_as_the_settings(text: str) -> None:
    assert not _matches_schema(text)


def _refuses(settings: dict[str, Any]) -> bool:
    try:
        Settings.model_validate(settings)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("key", ["golden", "tags", "recorded"])
@pytest.mark.parametrize("value", ["one", ["one", "two"]])
def test_one_name_or_a_list(key: str, value: Any) -> None:
    suite: dict[str, Any] = {"golden": value if key == "golden" else "g"}
    suite |= {"gates": [{"kind": "must-pass", "tags": value}]} if key == "tags" else {}
    suite |= {"target": {"recorded": value}} if key == "recorded" else {}
    table = {"suites": {"faq": suite}}
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(table)
    assert not _refuses(table)
