from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.config import Settings
from pytest_evalgate.guard.file_changes import FileChanges, same_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PYTHON = {"golden": "golden/g.jsonl", "scorers": [{"python": "graders:polite"}]}


def _changes(root: Path, before: dict[str, str], now: dict[str, str], suite: Mapping[str, object]) -> list[str]:
    for name, text in now.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8", newline="")
    given = {name: text.encode() for name, text in before.items()}
    settings = Settings.model_validate({"suites": {"s": suite}})

    def find(*names: str) -> list[str]:
        return [name for name in given if name.rpartition("/")[2] in names]

    changes = FileChanges(given.get, find, root, settings, settings).changes()
    return [f"{change.effect} {change.what} {change.where}: {change.now.partition(' ')[0]}" for change in changes]


@pytest.mark.parametrize("file", ["graders.py", "src/graders.py", "graders/__init__.py", "packages/rules/graders.py"])
@pytest.mark.parametrize("now", ["return 1.0", None])
def test_the_code_of_a_scorer_is_found_wherever_it_is(tmp_path: Path, file: str, now: str | None) -> None:
    found = _changes(tmp_path, {file: "return 0.5"}, {} if now is None else {file: now}, _PYTHON)
    assert found == [f"weaker code of a scorer changed suites.s.scorers: {'none' if now is None else file}"]


@pytest.mark.parametrize("now", ["{}", None])
def test_the_schema_of_a_scorer_is_compared(tmp_path: Path, now: str | None) -> None:
    suite = {"golden": "golden/g.jsonl", "scorers": [{"kind": "json-schema", "schema": "order.json"}]}
    here = {} if now is None else {"order.json": now}
    [found] = _changes(tmp_path, {"order.json": '{"type": "object"}'}, here, suite)
    file = "none" if now is None else "order.json"
    assert found == f"weaker schema of a scorer changed suites.s.scorers: {file}"
    inline = {"golden": "golden/g.jsonl", "scorers": [{"kind": "json-schema", "schema": {"type": "object"}}]}
    assert _changes(tmp_path, {}, {}, inline) == []


def test_a_module_that_the_base_installs_is_not_listed(tmp_path: Path) -> None:
    assert _changes(tmp_path, {}, {}, _PYTHON) == []


def test_a_module_that_hides_an_installed_one_is_listed(tmp_path: Path) -> None:
    assert _changes(tmp_path, {}, {"graders.py": ""}, _PYTHON) == [
        "weaker code of a scorer changed suites.s.scorers: graders.py"
    ]


@pytest.mark.parametrize(
    ("scorer", "effect"), [("exact", "neutral"), ("ours", "weaker"), ({"kind": "ours", "limit": 3}, "weaker")]
)
@pytest.mark.parametrize("file", ["conftest.py", "golden/conftest.py", "tests/conftest.py"])
def test_a_conftest_decides_if_a_scorer_is_from_a_hook(tmp_path: Path, file: str, scorer: object, effect: str) -> None:
    suite = {"golden": "golden/g.jsonl", "scorers": [scorer]}
    assert _changes(tmp_path, {file: "a"}, {file: "b"}, suite) == [
        f"{effect} conftest changed {file}: " + "3e23e8160039"
    ]


def test_the_ends_of_lines_do_not_matter(tmp_path: Path) -> None:
    assert _changes(tmp_path, {"graders.py": "a\nb\n"}, {"graders.py": "a\r\nb\r\n"}, _PYTHON) == []


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [(None, None, True), (None, b"", False), (b"", None, False), (b"a\r\nb", b"a\nb", True), (b"a", b"b", False)],
)
def test_equal_texts(before: bytes | None, now: bytes | None, *, same: bool) -> None:
    assert same_text(before, now) is same


def test_paths_outside_of_the_root_folder_are_left_alone(tmp_path: Path) -> None:
    target = {"command": ["../run", "/bin/echo", "--flag", "run.py"]}
    suite = {"golden": str(tmp_path / "g.jsonl"), "target": target}
    files = {"pytest.ini": "[pytest]\npythonpath = ../lib\n", "run.py": "a"}
    assert _changes(tmp_path, files, {**files, "run.py": "b"}, suite) == [
        "neutral code of the target changed suites.s.target: run.py"
    ]
