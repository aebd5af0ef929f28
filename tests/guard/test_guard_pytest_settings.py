from __future__ import annotations

import pytest

from pytest_evalgate.guard.pytest_settings import PytestSettings, pytest_changes, read_settings


def _read(**files: str) -> PytestSettings:
    given = {name.replace("_", "."): text.encode() for name, text in files.items()}
    return read_settings(given.get)


@pytest.mark.parametrize(
    ("files", "file", "addopts"),
    [
        ({"pytest_ini": "[pytest]\naddopts = -q"}, "pytest.ini", "-q"),
        ({"pytest_ini": "[pytest]\naddopts =\n    -q\n    -x"}, "pytest.ini", "\n-q\n-x"),
        ({"pytest_ini": "", "tox_ini": "[pytest]\naddopts = -q"}, "pytest.ini", None),
        ({"tox_ini": "[pytest]\naddopts = -q"}, "tox.ini", "-q"),
        ({"tox_ini": "[tox]\naddopts = -q", "setup_cfg": "[tool:pytest]\naddopts = -x"}, "setup.cfg", "-x"),
        ({"pyproject_toml": "[tool.pytest.ini_options]\naddopts = '-q'"}, "pyproject.toml", "-q"),
        ({"pyproject_toml": "[tool.pytest]\naddopts = ['-q']"}, "pyproject.toml", ["-q"]),
        ({"pyproject_toml": "[tool.other]"}, "pytest.ini", None),
        ({}, "pytest.ini", None),
    ],
)
def test_the_file_that_pytest_uses(files: dict[str, str], file: str, addopts: object) -> None:
    found = _read(**files)
    assert (found.file, found.values.get("addopts")) == (file, addopts)


@pytest.mark.parametrize(
    ("before", "now", "effect"),
    [
        ("addopts = -q", "addopts = -q -x", "neutral"),
        ("addopts = -q", "addopts = -q --eval-trials 1", "weaker"),
        ("addopts = --eval-trials 3", "addopts = -q", "weaker"),
        ("addopts = --eval-trials=3", "addopts = --eval-trials=1", "weaker"),
        ("", "addopts = -p no:evalgate", "weaker"),
        ("", "addopts = -k easy", "weaker"),
        ("", "addopts = --deselect golden/faq.jsonl::a", "weaker"),
        ("", "addopts = '--eval-target=recorded:x", "weaker"),
        ("", "addopts = @options", "weaker"),
        ("addopts = -q @options", "addopts = -q", "weaker"),
        ("", "env = EVALGATE_TRIALS=1", "weaker"),
        ("", "env =\n    D:GITHUB_BASE_REF=", "weaker"),
        ("", "env = LANG=C", "neutral"),
        ("testpaths = tests", "testpaths = other", "neutral"),
        ("addopts = -q", "addopts = -q\nmarkers = x", None),
    ],
)
def test_a_setting_that_chooses_what_runs_is_weaker(before: str, now: str, effect: str | None) -> None:
    found = list(pytest_changes(_read(pytest_ini=f"[pytest]\n{before}"), _read(pytest_ini=f"[pytest]\n{now}")))
    assert [change.effect for change in found] == ([] if effect is None else [effect])


def test_a_file_that_comes_first_hides_the_options_of_the_base() -> None:
    base = "[tool.pytest.ini_options]\naddopts = '--eval-trials 5'"
    [change] = pytest_changes(_read(pyproject_toml=base), _read(pyproject_toml=base, pytest_ini=""))
    assert (change.where, change.before, change.now, change.effect) == (
        "pyproject.toml addopts",
        "--eval-trials 5",
        "none",
        "weaker",
    )


@pytest.mark.parametrize(
    ("before", "now", "effect"),
    [
        ({"options": "-q"}, {"options": "-q\n--eval-trials\n1"}, "weaker"),
        ({"options": "--eval-trials=3"}, {}, "weaker"),
        ({"options": "-q"}, {"options": "-q\n-x"}, "neutral"),
        ({"options": "@more", "more": "-q"}, {"options": "@more", "more": "-k\neasy"}, "weaker"),
        ({"options": "@options\n-q"}, {"options": "@options\n-q"}, None),
    ],
)
def test_files_of_options_are_read(before: dict[str, str], now: dict[str, str], effect: str | None) -> None:
    ini = "[pytest]\naddopts = @./options @../outside"
    found = list(pytest_changes(_read(pytest_ini=ini, **before), _read(pytest_ini=ini, **now)))
    assert [change.effect for change in found] == ([] if effect is None else [effect])


def test_import_folders_are_relative_to_the_root_folder() -> None:
    assert _read(pytest_ini="[pytest]\npythonpath = . src/ ./lib ../other").import_folders == ["", "src", "lib"]
