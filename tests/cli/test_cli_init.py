from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import forked

from pytest_evalgate import config
from pytest_evalgate.cli.init.parts import DEMO
from pytest_evalgate.cli.init.workflow import TIERS
from pytest_evalgate.cli.lint import lint_files
from pytest_evalgate.cli.main import build_parser
from pytest_evalgate.errors import SettingsError, UserError
from pytest_evalgate.runs import baseline as baselines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STARTER = ("evalgate.toml", "golden/example.jsonl", "outputs/example.jsonl")
_SIGNS = {"plus": "+", "minus": "-", "times": "*", "share": "//"}


@dataclass(frozen=True)
class Folder:
    """A working folder, and the verb."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def init(self, *arguments: str) -> tuple[int, str]:
        chosen = build_parser(["init"]).parse_args(["init", *arguments])
        code = chosen.run(chosen)
        return code, self.capsys.readouterr().out

    def json(self, *arguments: str) -> Any:
        return json.loads(self.init(*arguments, "--json")[1])

    def outcomes(self, *arguments: str) -> dict[str, str]:
        return {file["path"]: file["outcome"] for file in self.json(*arguments)["files"]}

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    @property
    def files(self) -> set[str]:
        return {file.relative_to(self.root).as_posix() for file in self.root.rglob("*") if file.is_file()}

    def pytest(self, command: str, **environment: str) -> tuple[int, str]:
        """Run a command of pytest as a shell in this folder would, with no other plugins and outside of any CI."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("EVALGATE", "GITHUB"))}
        inherited.pop("CI", None)
        words = [*shlex.split(command), "-p", "pytest_evalgate.plugin", "-p", "xdist.plugin"]
        variables = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "100", **environment}
        return forked.run(words, self.root, {**inherited, **variables})


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("OPENAI", "AZURE", "OLLAMA", "VLLM", "OPENROUTER"))]:
        monkeypatch.delenv(name)
    return Folder(tmp_path, capsys)


def _rows(path: Path) -> Iterator[Any]:
    return map(json.loads, path.read_text("utf-8").splitlines())


def _commands(out: str) -> list[str]:
    return [line.partition("  #")[0].strip() for line in out.partition("next:\n")[2].splitlines()]


def test_a_fresh_folder_gets_the_example_and_the_three_next_commands(folder: Folder) -> None:
    code, out = folder.init()
    assert code == 0
    assert folder.files == set(_STARTER)
    assert out.splitlines()[:4] == [
        "found      no application, golden set or API key, so an example with recorded outputs",
        *(f"wrote      {path}" for path in _STARTER),
    ]
    assert _commands(out) == [
        "pytest --eval-gate",
        'pytest-evalgate baseline promote --reason "first baseline"',
        "pytest-evalgate init --github",
    ]


def test_the_screen_fits_into_100_columns(folder: Folder) -> None:
    folder.write("evalgate.toml", "")
    _, out = folder.init("--demo", "--github", "--gitlab", "--pre-commit", "--shards", "2", "--tiers")
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (
            "demo",
            {
                "baselines/demo.json",
                "baselines/demo.outputs.jsonl",
                "evalgate.toml",
                "golden/demo.jsonl",
                "outputs/after.jsonl",
                "outputs/before.jsonl",
                "pytest.ini",
            },
        ),
        ("github", {".github/workflows/eval-gate.yml", ".github/workflows/eval-gate-comment.yml"}),
        ("gitlab", {".gitlab-ci.evalgate.yml"}),
        ("pre-commit", {".pre-commit-config.yaml"}),
    ],
)
def test_a_part_writes_its_files_and_no_others(folder: Folder, part: str, written: set[str]) -> None:
    assert folder.init(f"--{part}")[0] == 0
    assert folder.files == written


def test_parts_go_together(folder: Folder) -> None:
    assert set(folder.outcomes("--github", "--gitlab", "--github").values()) == {"wrote"}
    assert folder.files == set(folder.outcomes("--github", "--gitlab"))
    assert len(folder.files) == 3


def test_a_second_call_changes_nothing_and_exits_0(folder: Folder) -> None:
    folder.init()
    before = {path: (folder.root / path).stat().st_mtime_ns for path in _STARTER}
    code, out = folder.init()
    assert code == 0
    assert "found      the configuration in evalgate.toml: example; it stays as it is" in out.splitlines()
    assert folder.outcomes() == {}
    assert {path: (folder.root / path).stat().st_mtime_ns for path in _STARTER} == before


def test_a_different_file_is_kept_and_the_others_are_written(folder: Folder) -> None:
    mine = folder.write("outputs/example.jsonl", "mine\n")
    code, out = folder.init()
    assert code == 4
    assert "kept       outputs/example.jsonl: a different file exists; --force replaces it" in out.splitlines()
    assert mine.read_text() == "mine\n"
    assert folder.files == set(_STARTER)


def test_force_replaces_a_different_file(folder: Folder) -> None:
    mine = folder.write("outputs/example.jsonl", "mine\n")
    folder.write("evalgate.toml", "# mine\n")
    assert folder.outcomes() == {}
    assert set(folder.outcomes("--force").values()) == {"replaced", "wrote"}
    assert mine.read_text("utf-8").startswith('{"id": "refund-days"')


def test_a_configuration_that_does_not_parse_is_kept(folder: Folder) -> None:
    folder.write("evalgate.toml", "[broken")
    code, out = folder.init()
    assert code == 0
    assert "evalgate.toml has mistakes: pytest-evalgate config lists them" in out
    assert folder.files == {"evalgate.toml"}


@pytest.mark.parametrize("option", ["--force", "--demo"])
def test_no_second_configuration_is_written_beside_that_of_pyproject(folder: Folder, option: str) -> None:
    folder.write("pyproject.toml", "[tool.evalgate]\n")
    assert folder.outcomes() == {}
    with pytest.raises(SettingsError, match=r"pyproject\.toml: contains \[tool\.evalgate\]"):
        folder.init(option)
    assert folder.files == {"pyproject.toml"}


def test_ci_files_are_written_beside_a_configuration_in_pyproject(folder: Folder) -> None:
    folder.write("pyproject.toml", "[tool.evalgate]\n")
    assert folder.init("--gitlab")[0] == 0


def test_an_existing_pre_commit_configuration_is_never_replaced(folder: Folder) -> None:
    mine = folder.write(".pre-commit-config.yaml", "repos: []\n")
    for arguments in ([], ["--force"]):
        code, out = folder.init("--pre-commit", *arguments)
        assert code == 0
        assert ".pre-commit-config.yaml: your file stays unchanged; add the lines below to it" in out
        assert "entry: pytest --eval-gate\n" in out
        assert mine.read_text() == "repos: []\n"


def test_json_contains_outcomes_texts_and_steps(folder: Folder) -> None:
    folder.write(".pre-commit-config.yaml", "repos: []\n")
    found = folder.json("--pre-commit", "--gitlab")
    gitlab, hooks = found["files"]
    assert (hooks["outcome"], gitlab["outcome"], gitlab["text"]) == ("by hand", "wrote", None)
    assert hooks["text"].startswith("repos:\n")
    assert [step["command"] for step in found["next"]] == [
        "git add .gitlab-ci.evalgate.yml",
        "pre-commit install -t pre-commit -t pre-push",
    ]


def test_nothing_is_written_through_a_link_out_of_the_folder(folder: Folder, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (folder.root / "outputs").symlink_to(outside)
    with pytest.raises(UserError, match=r"outputs/example\.jsonl: .* outside of "):
        folder.init("--force")
    assert not any(outside.iterdir())
    assert not (folder.root / "evalgate.toml").exists()


def test_a_folder_in_place_of_a_file_is_an_error(folder: Folder) -> None:
    (folder.root / "outputs/example.jsonl").mkdir(parents=True)
    with pytest.raises(UserError, match=r"outputs/example\.jsonl: cannot be read: .*; move it away first"):
        folder.init()
    assert folder.files == set()


def test_the_example_has_the_tiers_of_the_workflows(folder: Folder) -> None:
    folder.init()
    assert sorted(config.load(folder.root).suites["example"].tiers) == sorted(TIERS)
    folder.init("--github", "--tiers")
    workflow = (folder.root / ".github/workflows/eval-gate.yml").read_text("utf-8")
    options = re.search(r"options: \[(.*)\]", workflow)
    assert options is not None
    assert options[1].split(", ") == list(TIERS)


def test_the_example_passes_the_hook_before_a_push(folder: Folder) -> None:
    folder.init()
    folder.init("--pre-commit")
    hook = re.search(r"entry: (pytest .*)", (folder.root / ".pre-commit-config.yaml").read_text("utf-8"))
    assert hook is not None
    assert hook[1] == "pytest --eval-gate --eval-tier smoke"
    code, out = folder.pytest(f"{hook[1]} -q")
    assert code == 0, out
    assert "evalgate: PASS  1 of 1 gate" in out


@pytest.mark.parametrize("arguments", [("--shards", "2"), ("--tiers",), ("--demo", "--tiers")])
def test_shards_and_tiers_belong_to_a_ci_system(folder: Folder, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match="--shards and --tiers belong to --github and --gitlab"):
        folder.init(*arguments)


def test_the_demo_fails_and_its_own_next_command_passes(folder: Folder) -> None:
    folder.init("--demo")
    (failing, _), (passing, _), _ = DEMO.steps
    code, out = folder.pytest(f"{failing} -q")
    assert code == 1
    assert re.search(r"^evalgate: FAIL  demo -15\.0 pp.* 11 worse, 2 better", out, re.MULTILINE), out
    code, out = folder.pytest(f"{passing} -q")
    assert code == 0
    assert "evalgate: PASS  1 of 1 gate" in out


def test_the_sums_of_the_demo_are_right(folder: Folder) -> None:
    folder.init("--demo")
    cases = list(_rows(folder.root / "golden" / "demo.jsonl"))
    assert len(cases) == len({case["id"] for case in cases}) == len({case["input"] for case in cases}) == 60
    for case in cases:
        first, second = map(int, re.findall(r"\d+", case["input"]))
        sign = _SIGNS[case["tags"][0].removeprefix("op:")]
        result = {"+": first + second, "-": first - second, "*": first * second, "//": first / second}[sign]
        assert float(case["expected"]) == result


def test_the_baseline_of_the_demo_is_the_run_of_its_first_target(folder: Folder) -> None:
    folder.init("--demo")
    expected = {case["id"]: case["expected"] for case in _rows(folder.root / "golden" / "demo.jsonl")}
    right = {
        row["id"]: (1.0,) if row["output"].endswith(f"Answer: {expected[row['id']]}") else (0.0,)
        for row in _rows(folder.root / "outputs" / "before.jsonl")
    }
    found = baselines.find(None, suite="demo", file=folder.root / "baselines" / "demo.json", root=folder.root)
    assert found is not None
    assert {case_id: case.values for case_id, case in found.cases.items()} == right


def test_the_files_to_commit_are_those_that_exist(folder: Folder) -> None:
    assert folder.json("--github")["next"][0]["command"] == "git add .github"
    folder.init()
    assert folder.json("--github")["next"][0]["command"] == "git add .github evalgate.toml golden"


def test_a_data_card_is_written_beside_its_set_and_linted(folder: Folder) -> None:
    folder.write("golden/faq.jsonl", '{"id": "a", "input": "x", "expected": "y", "tags": ["lang:de"]}\n')
    folder.write("golden/faq.plan.json", "{}")
    code, out = folder.init("--card", "golden/faq.jsonl")
    assert code == 0
    assert "golden/faq.card.toml" in out
    assert "  pytest-evalgate lint golden/faq.jsonl  # checks the texts of the cards, and the cases" in out
    text = (folder.root / "golden/faq.card.toml").read_text("utf-8")
    assert 'selection = "drawn by pytest-evalgate sample: faq.plan.json"' in text
    assert 'lang = { "de" = 1 }' in text.replace('"lang"', "lang")
    assert folder.outcomes("--card", "golden/faq.jsonl") == {"golden/faq.card.toml": "unchanged"}
    report = lint_files([folder.root / "golden/faq.jsonl"])
    assert [str(one) for one in report.findings if one.kind == "data-card"] == [
        (
            "golden/faq.card.toml: data-card: empty: source, labelling, licence, personal_data, intended_use, "
            "known_gaps: fill them in"
        )
    ]
    with pytest.raises(SettingsError, match=r"--card: there is no file golden/no\.jsonl"):
        folder.init("--card", "golden/no.jsonl")
