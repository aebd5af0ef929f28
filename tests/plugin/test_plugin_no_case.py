"""Sessions without a case: each reason with the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.plugin.no_case import why_all_deselected, why_no_case
from pytest_evalgate.plugin.selection import select

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

_YAML = "suites:\n  support:  # ours\n    golden: golden/s.jsonl\n    scorers: [exact]\n    threshold: 0.5\n"
_SUITE = '[suites.faq]\ngolden = "golden/faq.jsonl"\n'


@pytest.mark.parametrize(
    ("written", "args", "said"),
    [
        ({}, (), "no configuration found; looked for evalgate.toml, and for [tool.evalgate] in pyproject.toml, in /"),
        ({}, (), "write a first one with: pytest-evalgate init"),
        ({"pyproject.toml": "[project]\n"}, (), "no configuration found"),
        (
            {"evals/deep/evalgate.toml": _SUITE},
            (),
            (
                "the configuration is in evals/deep; pytest's root folder is .; run it there: "
                "cd evals/deep && pytest --eval-gate --rootdir ."
            ),
        ),
        ({"evals/evalgate.toml": "[broken"}, (), "the configuration is in evals; "),
        ({"evals/pyproject.toml": "[tool.evalgate]\n"}, (), "the configuration is in evals; "),
        ({"evalgate.yaml": _YAML}, (), "evalgate.yaml is not read: the configuration is evalgate.toml, in TOML; "),
        (
            {"evalgate.yaml": _YAML},
            (),
            'line 3 becomes golden = "golden/s.jsonl" in [suites.support]; line 4 becomes scorers = [exact] in',
        ),
        ({"evalgate.yml": "api_key: sk-proj-1234567890abcdefghij\n"}, (), '"***" above all tables'),
        ({"evalgate.json": "{}"}, (), "evalgate.json is not read"),
        ({"evalgate.toml": "max_error_rate = 0.1\n"}, (), "evalgate.toml defines no suite; add [suites.NAME] with"),
        (
            {"pyproject.toml": "[tool.evalgate]\n"},
            (),
            "pyproject.toml defines no suite; add [tool.evalgate.suites.NAM",
        ),
        (
            {"evalgate.toml": _SUITE, "golden/faq.jsonl": '{"id": "a", "input": "a", "expected": "b"}\n'},
            ("golden",),
            "faq: no target, and no test is marked with it; set suites.faq.target, or mark a test: @pytest.mark.",
        ),
        (
            {"evalgate.toml": _SUITE, "unit/test_it.py": ""},
            ("unit",),
            (
                "unit: no golden set of a suite, and no test marked golden_set; run all suites with: "
                "pytest --eval-gate, or one with: pytest --eval-gate golden/faq.jsonl"
            ),
        ),
    ],
)
def test_the_reason_and_the_next_step(
    project: Project, written: dict[str, str], args: tuple[str, ...], said: str
) -> None:
    for name, text in written.items():
        project.write(name, text)
    config = project.pytester.parseconfig("-p", "no:xdist", *args)
    assembly = project.assembly()
    try:
        selection = select(config, assembly)
        config.args = [*args] or config.args
        assert said in why_no_case(config, assembly, selection)
    finally:
        assembly.wiring.close()


def test_a_configuration_above_the_root_folder_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("evalgate.toml", _SUITE)
    project.write("app/pytest.ini", "[pytest]\n")
    monkeypatch.chdir(project.path / "app")
    result = project.run()
    assert result.ret == 5
    result.stdout.fnmatch_lines(["*the configuration is in ..; *cd .. && pytest --eval-gate --rootdir .*"])


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("refnd", '-k refnd: refnd matches no case; did you mean "refund"?'),
        ("refund-1 and not lang:xx", "-k 'refund-1 and not lang:xx': lang:xx matches no case; did you mean"),
        ("zzz", "-k zzz: zzz matches no case; there are for example faq, refund, lang:en"),
        ("(refund-1) and OTHER and test_FAQ", None),
    ],
)
def test_a_word_of_k_that_matches_nothing_is_named(expression: str, said: str | None) -> None:
    found = why_all_deselected(expression, ["faq", "refund", "refund-1", "lang:en"], ["test_faq.py::test_other[a]"])
    assert (found or "").startswith(said or "")
    assert (found is None) is (said is None)


def test_k_is_explained_in_the_section(project: Project) -> None:
    project.suite({"refund-1": "yes", "refund-2": "yes"})
    result = project.run("-k", "refnd")
    assert result.ret == 5
    result.stdout.fnmatch_lines(['-k refnd: refnd matches no case; did you mean "refund-?"[?]'])


@pytest.mark.parametrize("arg", ["golden/fqa.jsonl", "golden/fqa.jsonl::refund-1", "goldn"])
def test_a_path_that_does_not_exist(project: Project, arg: str) -> None:
    project.suite({"refund-1": "yes"})
    result = project.run(arg)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"*{arg}: there is no such file or folder; did you mean *golden*"])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ("--eval-tier=smoke",),
            "--eval-tier has no effect without --eval-gate: pytest --eval-gate * --eval-tier=smoke",
        ),
        (
            ("golden/faq.jsonl",),
            "golden/faq.jsonl has no effect without --eval-gate: pytest --eval-gate * golden/faq*",
        ),
    ],
)
def test_the_option_that_was_forgotten_is_named(project: Project, args: tuple[str, ...], said: str) -> None:
    project.suite({"refund-1": "yes"})
    project.run(*args, gate=False).stdout.fnmatch_lines([f"evalgate: {said}"])


def test_a_configuration_that_is_a_device_is_an_empty_one(project: Project) -> None:
    (project.path / "evalgate.toml").unlink(missing_ok=True)
    (project.path / "evalgate.toml").symlink_to("/dev/null")
    result = project.run()
    assert result.ret == 5
    result.stdout.fnmatch_lines(["INVALID: no case was selected: evalgate.toml defines no suite;*"])
