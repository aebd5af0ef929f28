from __future__ import annotations

import ast
import json
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate import config
from pytest_evalgate.golden.record import parse_row
from pytest_evalgate.importing import ImportingError, read
from pytest_evalgate.importing.promptfoo import case_rows, read_config, source
from pytest_evalgate.records.cases import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.importing import Imported

BASE = {"prompts": ["{{q}}"], "providers": ["openai:gpt-4o-mini"]}
TEST = {"vars": {"q": "a"}, "assert": [{"type": "contains", "value": "b"}]}


def _import(folder: Path, **changed: Any) -> Imported:
    path = folder / "promptfooconfig.json"
    path.write_text(json.dumps({**BASE, "tests": [TEST], **changed}, indent=1), "utf-8")
    return read_config(path, project=folder, golden="golden/g.jsonl")


def _settings(found: Imported) -> config.Settings:
    return config.Settings.model_validate(tomllib.loads(dict(found.files)["evalgate.toml"]))


REFUSED = [
    ({"tests": "file://../outside.yaml"}, "outside.yaml leads to"),
    ({"tests": "file:///etc/passwd.yaml"}, "/etc/passwd.yaml leads to /etc/passwd.yaml, outside of"),
    ({"prompts": ["file://link.txt"]}, "outside of"),
    ({"prompts": ["file://../*.txt"]}, "../*.txt leads out of the folder"),
    ({"prompts": ["file://linked/*.txt"]}, "outside of"),
    ({"tests": [{"vars": {"q": "file://../secret.txt"}}]}, "outside of"),
    ({"tests": [{**TEST, "assert": [{"type": "equals", "value": "file://link.txt"}]}]}, "outside of"),
    ({"providers": ["file://../provider.yaml"]}, "outside of"),
    ({"providers": ["python:../bot.py"]}, "outside of"),
    ({"defaultTest": "file://../default.yaml"}, "outside of"),
    ({"providers": [{"id": "openai:gpt-4o", "config": {"tools": "file://../tools.json"}}]}, "outside of"),
    ({"tests": "file://missing.csv"}, "there is no file missing.csv"),
    ({"tests": "file://cases/*.yaml"}, "no file matches cases/*.yaml"),
    ({"tests": 3}, "tests must be a list, or the name of a file"),
    ({"tests": "file://bad.csv"}, "bad.csv:2: 3 cells, but the header has 2"),
    ({"tests": "file://twice.csv"}, 'twice.csv:1: two columns are called "q"'),
    ({"tests": "file://bad.jsonl"}, "bad.jsonl:2: not JSON"),
    ({"tests": "file://bad.yaml"}, 'bad.yaml:2: duplicate key "vars"'),
    ({"tests": [{"assert": [{"$ref": "#/assertionTemplates/no"}]}]}, 'there is no "#/assertionTemplates/no"'),
    ({"tests": [{"assert": [{"$ref": "other.yaml#/a"}]}]}, "is in another file"),
    ({"assertionTemplates": {"a": {"$ref": "#/assertionTemplates/a"}}}, "contains itself"),
    (
        {f"x{at}": {"a": {"$ref": f"#/x{at + 1}"}, "b": {"$ref": f"#/x{at + 1}"}} for at in range(30)}
        | {"x30": "end"},
        "its references expand to more than 500,000 values",
    ),
    ({"tests": [{"vars": {name: [str(at) for at in range(99)] for name in "qrs"}}]}, "more than 20,000 cases"),
    ({"tests": "file://made.py"}, "tests file://made.py: they are made by code"),
    ({"tests": []}, "promptfooconfig.json: contains no test that can be imported"),
    ({"defaultTest": ["x"]}, "defaultTest must be an object"),
]


@pytest.mark.parametrize(("changed", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    (tmp_path / "secret.txt").write_text("secret", "utf-8")
    (tmp_path / "outside.yaml").write_text("[]", "utf-8")
    folder = tmp_path / "evals"
    folder.mkdir()
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "bad.csv").write_text("q,__expected\na,b,c\n", "utf-8")
    (folder / "twice.csv").write_text("q,q\na,b\n", "utf-8")
    (folder / "bad.jsonl").write_text('{"vars": {"q": "a"}}\n{bad\n', "utf-8")
    (folder / "bad.yaml").write_text("- vars: {q: a}\n  vars: {q: b}\n", "utf-8")
    with pytest.raises(ImportingError) as caught:
        _import(folder, **changed)
    assert message in str(caught.value)
    assert ":" in str(caught.value).partition(" ")[0]


def test_keys_are_never_copied(tmp_path: Path) -> None:
    key = "sk-proj-" + "a1B2" * 12
    headers = {"Authorization": f"Bearer {key}", "X-Token": "Bearer {{env.CHAT_KEY}}", "X-Plain": "{{env.PLAIN}}"}
    request = {"url": "http://127.0.0.1:1/chat", "headers": headers, "body": {"q": "{{prompt}}"}}
    found = _import(
        tmp_path,
        providers=[
            {"id": "openai:gpt-4o", "config": {"apiKey": key, "temperature": 1}},
            {"id": "https", "config": {**request, "transformResponse": "json.text"}},
        ],
    )
    assert key not in repr(found)
    [suite] = [suite for name, suite in _settings(found).suites.items() if "chat" in name]
    assert isinstance(suite.target, config.HttpTarget)
    assert suite.target.http.headers_env == {
        "Authorization": "AUTHORIZATION_HEADER",
        "X-Token": "CHAT_KEY_HEADER",
        "X-Plain": "PLAIN",
    }
    assert [left.what for left in found.left_out] == ["apiKey", "header Authorization"]
    assert 'export CHAT_KEY_HEADER="Bearer $CHAT_KEY"' in " ".join(found.notes)


@pytest.mark.parametrize(
    ("response", "output"),
    [
        ("json.choices[0].message.content", "choices.0.message.content"),
        ("JSON.stringify(json)", None),
        ("json", None),
    ],
)
def test_the_output_of_a_reply_is_a_path(tmp_path: Path, response: str, output: str | None) -> None:
    settings = {"url": "http://127.0.0.1:1/chat", "body": {"q": "{{prompt}}"}, "transformResponse": response}
    found = _import(tmp_path, providers=[{"id": "http", "config": settings}])
    [suite] = _settings(found).suites.values()
    assert isinstance(suite.target, config.HttpTarget)
    assert suite.target.http.output == output
    assert suite.target.http.body == {"q": "{{ vars.q }}"}


def test_code_in_a_request_leaves_the_provider_out(tmp_path: Path) -> None:
    settings = {"url": "http://127.0.0.1:1/chat", "body": {"q": "{{prompt}}"}}
    found = _import(
        tmp_path,
        providers=[
            {"id": "http", "config": {**settings, "transformResponse": "json.rows.map(r => r.a)"}},
            {"id": "http", "config": {**settings, "body": {"q": "{{ prompt | upper }}"}}},
            {"id": "http", "config": {**settings, "body": {"q": "the same"}}},
            {"id": "http", "config": {"request": "POST / HTTP/1.1"}},
        ],
    )
    assert "evalgate.toml" not in dict(found.files)
    assert len(found.left_out) == 4
    assert any("no suite is written" in note for note in found.notes)


def test_a_variable_that_no_prompt_reads_is_kept_beside_the_question(tmp_path: Path) -> None:
    found = _import(
        tmp_path, tests=[{"vars": {"q": "a", "wanted": "b"}, "assert": [{"type": "equals", "value": "{{wanted}}"}]}]
    )
    [case] = found.cases
    assert case.row["vars"] == {"q": "a"}
    assert (case.row["expected"], case.row["metadata"]) == ("b", {"vars": {"wanted": "b"}})


def test_a_variable_that_a_test_lacks_is_empty(tmp_path: Path) -> None:
    found = _import(tmp_path, prompts=["{{q}} {{more}}"], tests=[TEST])
    assert found.cases[0].row["vars"] == {"q": "a", "more": ""}


def test_ids_are_descriptions_or_questions_and_unique(tmp_path: Path) -> None:
    tests = [{"description": "same", "vars": {"q": str(at)}} for at in range(3)]
    tests += [
        {"vars": {"q": "Was kostet das, bitte schön?"}},
        {"description": "a::b", "vars": {"q": "x"}},
        {"vars": {}},
    ]
    found = _import(tmp_path, tests=tests)
    ids = [case.row["id"] for case in found.cases]
    assert ids == ["same", "same-2", "same-3", "was-kostet-das-bitte-schon", "a-b", "case"]


def test_a_case_without_asserts_passes_with_any_answer(tmp_path: Path) -> None:
    found = _import(tmp_path, tests=[{"vars": {"q": "a"}}])
    assert found.cases[0].row["asserts"] == [{"kind": "length", "min": 1, "name": "answered"}]


def test_a_suite_that_only_a_judge_grades_is_advisory(tmp_path: Path) -> None:
    found = _import(tmp_path, tests=[{"vars": {"q": "a"}, "assert": [{"type": "llm-rubric", "value": "is kind"}]}])
    settings = _settings(found)
    [suite] = settings.suites.values()
    assert (suite.mode, suite.judges, settings.judges["notes"].report_only) == ("advisory", ("notes",), True)


def test_recorded_outputs_are_graded_if_all_tests_have_one(tmp_path: Path) -> None:
    recorded = {**TEST, "providerOutput": "b is right"}
    found = _import(tmp_path, tests=[recorded, recorded])
    assert [case.row["output"] for case in found.cases] == ["b is right"] * 2
    [suite] = _settings(found).suites.values()
    assert suite.target is None
    found = _import(tmp_path, tests=[recorded, TEST])
    assert ["output" in case.row for case in found.cases] == [False, False]
    assert [left.what for left in found.left_out] == ["providerOutput"]
    assert all(suite.target is not None for suite in _settings(found).suites.values())


def test_a_configuration_without_tests_asks_its_prompts_once(tmp_path: Path) -> None:
    path = tmp_path / "promptfooconfig.yaml"
    path.write_text("prompts: [Say hi]\nproviders: [openai:gpt-4o-mini]\n", "utf-8")
    found = read(path, root=tmp_path)
    assert [case.row["input"] for case in found.cases] == [None]


def test_the_format_is_recognised_by_its_keys(tmp_path: Path) -> None:
    (tmp_path / "any-name.yml").write_text(json.dumps({**BASE, "tests": [TEST]}), "utf-8")
    (tmp_path / "other.json").write_text(json.dumps({**BASE, "tests": [TEST]}), "utf-8")
    (tmp_path / "cases.json").write_text(json.dumps({"tests": [{"input": "a", "expected": "b"}]}), "utf-8")
    formats = [read(tmp_path / name, root=tmp_path).format for name in ("any-name.yml", "other.json", "cases.json")]
    assert formats == ["promptfoo", "promptfoo", "json"]


def test_a_configuration_in_a_folder_below_names_its_files_from_the_project(tmp_path: Path) -> None:
    folder = tmp_path / "evals" / "support"
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "a.md").write_text("Ask {{q}}\n", "utf-8")
    path = folder / "promptfooconfig.yaml"
    path.write_text(json.dumps({**BASE, "prompts": ["file://prompts/a.md"], "tests": [TEST]}), "utf-8")
    found = read_config(path, project=tmp_path, golden="golden/g.jsonl")
    [(name, suite)] = _settings(found).suites.items()
    assert isinstance(suite.target, config.ModelTarget)
    assert (name, suite.target.prompt) == ("support", "evals/support/prompts/a.md")
    assert found.cases[0].place == "evals/support/promptfooconfig.yaml:1"


def test_a_written_prompt_never_has_the_name_of_a_file_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "a.md").write_text("{{q}} === {% if q === 'x' %}x{% endif %}\n", "utf-8")
    (tmp_path / "prompts" / "b.json").write_text('[{"role": "user", "content": "{{q}}"}]', "utf-8")
    found = _import(tmp_path, prompts=["file://prompts/*"])
    assert sorted(path for path, _ in found.files if path != "evalgate.toml") == [
        "prompts/a-imported.md",
        "prompts/b-imported.json",
    ]


def test_a_value_of_another_kind_is_left_out_and_never_ignored(tmp_path: Path) -> None:
    (tmp_path / "asserts.yaml").write_text("- {type: contains, value: from a file}\n", "utf-8")
    tests = [
        {"vars": {"q": "a"}, "assert": 3, "options": ["x"]},
        {"vars": 3, "assert": ["contains: b"]},
        {"vars": {"q": "b"}, "assert": "file://asserts.yaml"},
    ]
    found = _import(tmp_path, tests=tests, scenarios={"config": []})
    assert [left.what for left in found.left_out] == [
        "assert of a test",
        "options of a test",
        "vars of a test",
        "an assert",
        "scenarios",
    ]
    assert found.cases[2].row["asserts"] == [{"kind": "contains", "value": "from a file"}]


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "long.txt").write_text("x" * 5000, "utf-8")
    tests = [{"vars": {"q": "file://long.txt", "n": [str(at) for at in range(50)]}}]
    assert len(_import(tmp_path, tests=tests).cases) == 50
    with monkeypatch.context() as patch:
        patch.setattr(case_rows, "_MOST_CHARACTERS", 100_000)
        with pytest.raises(ImportingError, match="the cases have more than 100,000 characters"):
            _import(tmp_path, tests=tests)
    monkeypatch.setattr(source, "_MOST_BYTES", 4000)
    with pytest.raises(ImportingError, match="all files together are larger than 4,000 bytes"):
        _import(tmp_path, tests=tests)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["", "a", "{{q}}", "{% if %}", "file://x.yaml", "1.5"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["id", "type", "value", "vars", "assert", "config", "label", "raw"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
_WHOLE: dict[str, Any] = {
    "description": "d",
    "prompts": ["{{q}}", {"raw": "{{q}}!", "label": "b"}],
    "providers": [
        "openai:gpt-4o",
        {"id": "https", "config": {"url": "http://h/", "body": {"p": "{{prompt}}"}}},
        "echo",
    ],
    "defaultTest": {"vars": {"a": "1"}, "options": {"transform": "output.x"}, "assert": [{"type": "is-json"}]},
    "tests": [
        {
            "vars": {"q": ["a", "b"]},
            "assert": [{"type": "assert-set", "assert": [{"type": "equals", "value": "x", "weight": 2}]}],
            "options": {"prefix": "p", "repeat": 2},
            "threshold": 0.5,
            "metadata": {"k": "v"},
            "prompts": ["b"],
        }
    ],
    "scenarios": [{"config": [{"vars": {"a": "2"}}], "tests": [{"vars": {"q": "c"}}]}],
    "evaluateOptions": {"repeat": 2, "delay": 100},
    "env": {"X": "y"},
    "outputPath": ["a.html"],
}


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from _paths(member, (*path, key))


@pytest.mark.parametrize(("repeat", "trials"), [(3, 3), (1, 1), (0, None), ("3", None), (2000, None)])
def test_the_repeat_of_a_test_is_the_number_of_its_trials(tmp_path: Path, repeat: Any, trials: int | None) -> None:
    tests = [{"vars": {"q": "a"}, "options": {"repeat": repeat}}, {"vars": {"q": "b"}}]
    file = tmp_path / "promptfooconfig.json"
    file.write_text(json.dumps({"prompts": ["{{q}}"], "providers": ["echo"], "tests": tests}), "utf-8")
    found = read_config(file, project=tmp_path, golden="golden/g.jsonl")
    assert [case.row.get("trials") for case in found.cases] == [trials, None]
    assert ("option repeat" in [left.what for left in found.left_out]) is (trials is None)


@given(st.sampled_from([path for path in _paths(_WHOLE) if path]), _JSON)
def test_any_value_anywhere_is_imported_or_refused(path: tuple[Any, ...], value: Any) -> None:
    document = json.loads(json.dumps(_WHOLE))
    part = document
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "promptfooconfig.json"
        file.write_text(json.dumps(document), "utf-8")
        try:
            found = read_config(file, project=Path(folder), golden="golden/g.jsonl")
        except ImportingError:
            return
    for case in found.cases:
        assert parse_row(case.row, Place("g.jsonl", 1)).problems == ()


def test_texts_of_a_configuration_cannot_leave_their_comments(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text("def call_api(prompt, options, context):\n    return {'output': 'x'}\n", "utf-8")
    path = tmp_path / 'a"""\nraise SystemExit(3)\n.json'
    document = {
        **BASE,
        "description": "d\u0085[models.x]\u2028\r[y]\x1b[31m",
        "providers": ["python:bot.py"],
        "tests": [TEST],
    }
    path.write_text(json.dumps(document), "utf-8")
    found = read_config(path, project=tmp_path, golden="golden/g.jsonl")
    assert set(tomllib.loads(dict(found.files)["evalgate.toml"])) == {"suites"}
    tree = ast.parse(dict(found.files)["evalgate_targets.py"])
    assert not [node for node in tree.body if isinstance(node, ast.Raise)]
