"""README and docs are true: blocks load, commands and options exist, figures come out."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import doctest
import importlib
import importlib.util
import itertools
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_evalgate import config as config_
from pytest_evalgate import golden
from pytest_evalgate.cli import main
from pytest_evalgate.golden.lint import KINDS
from pytest_evalgate.plugin.options import FLAGS, VALUES
from pytest_evalgate.records.verdicts import Verdict
from pytest_evalgate.scorers import RULES
from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT: Final = Path(__file__).parents[1]
_EXAMPLES: Final = sorted((_ROOT / "examples").glob("*/README.md"))
_PAGES: Final = [_ROOT / "README.md", *_EXAMPLES, *sorted((_ROOT / "docs").rglob("*.md"))]
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SHELL: Final = {"", "console", "bash", "sh"}
_PINNED: Final = re.compile(r"uses: [\w./-]+@([0-9a-f]{40} # v\d[\d.]*|COMMIT .*)$")
_SHORT_OPTIONS: Final = {"-q", "-v", "-vv", "-k", "-n", "-x", "-m"}


def _text(page: Path) -> str:
    return page.read_text("utf-8")


def _blocks(*languages: str) -> list[Any]:
    """Return every fenced block in one of these languages, named by its page."""
    found = [(page, match[2]) for page in _PAGES for match in _FENCE.finditer(_text(page)) if match[1] in languages]
    return [pytest.param(block, id=f"{_name(page)}-{index}") for index, (page, block) in enumerate(found)]


def _name(page: Path) -> str:
    return page.relative_to(_ROOT).as_posix()


def _commands(page: Path) -> Iterator[list[str]]:
    """Return the commands of a page, as words: after a ``$``, else lines that begin with one of ours."""
    for match in _FENCE.finditer(_text(page)):
        if match[1] in _SHELL:
            prompt = "$ " if re.search(r"^\$ ", match[2], re.MULTILINE) else ""
            lines = match[2].replace("\\\n", " ").split("\n")
            for line in lines:
                if line.startswith(prompt) and line.startswith(("$ ", "pytest ", "pytest-evalgate ")):
                    yield from _simple(line.removeprefix("$ "))


def _simple(line: str) -> Iterator[list[str]]:
    """Split what a shell would run: ``a && b; c || d`` are four commands."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set(";&|"):
            yield list(itertools.takewhile(lambda word: not word.startswith(">"), words))
            words = []
        else:
            words.append(word)


@pytest.mark.parametrize("block", _blocks("toml"))
def test_configuration_loads(block: str, tmp_path: Path) -> None:
    (tmp_path / "evalgate.toml").write_text(block, "utf-8")
    settings = config_.load(tmp_path)
    assert settings.suites or settings.models or settings.notify or settings.telemetry


@pytest.mark.parametrize("page", [page for page in _PAGES if ">>> " in _text(page)], ids=_name)
def test_python_says_what_the_page_says(page: Path) -> None:
    text = "".join(match[2] for match in _FENCE.finditer(_text(page)) if ">>> " in match[2])
    told: list[str] = []
    failed = doctest.DocTestRunner(verbose=False).run(
        doctest.DocTestParser().get_doctest(text, {}, _name(page), None, 0), out=told.append
    )
    assert not failed.failed, "".join(told)


@pytest.mark.parametrize("block", _blocks("python"))
def test_python_compiles_and_names_of_ours_are_there(block: str) -> None:
    if ">>> " in block:
        return
    imports = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if (node.module or "").startswith("pytest_evalgate")]
    named = [(str(node.module), name.name) for node in ours for name in node.names]
    assert [name for module, name in named if not hasattr(importlib.import_module(module), name)] == []


@pytest.mark.parametrize("block", _blocks("jsonl"))
def test_golden_sets_load(block: str, tmp_path: Path) -> None:
    (tmp_path / "golden.jsonl").write_text(block, "utf-8")
    (loaded,) = golden.load([tmp_path / "golden.jsonl"], root=tmp_path)
    cases = list(loaded)
    assert len(cases) == len(block.splitlines())
    assert all(case.expected is not None or case.expected_any or case.asserts for case in cases)


@pytest.mark.parametrize("block", _blocks("yaml"))
def test_every_action_is_pinned(block: str) -> None:
    uses = [line.strip().removeprefix("- ") for line in block.splitlines() if "uses:" in line and "local:" not in line]
    assert [line for line in uses if not _PINNED.match(line)] == []
    assert "pull_request_target" not in block


class _Parsed(Exception):  # noqa: N818 - no error
    """A command line that the parser of ``pytest-evalgate`` takes."""


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_commands_of_ours_are_taken(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parse = argparse.ArgumentParser.parse_args

    def parse_only(self: argparse.ArgumentParser, arguments: Any = None, namespace: Any = None) -> Any:
        parse(self, arguments, namespace)
        raise _Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    refused = []
    for words in _commands(page):
        if words[:1] == ["pytest-evalgate"]:
            try:
                main(words[1:])
            except SystemExit:
                refused.append(" ".join(words))
            except _Parsed:
                pass
    assert refused == []


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_options_of_pytest_exist(page: Path, request: pytest.FixtureRequest) -> None:
    known = _options_of_pytest(request.config)
    given = [word.partition("=")[0] for words in _commands(page) if words[:1] == ["pytest"] for word in words]
    assert sorted({word for word in given if word.startswith("-")} - known - _SHORT_OPTIONS) == []


@pytest.mark.parametrize("page", [*_PAGES, _ROOT / "CONTRIBUTING.md"], ids=_name)
def test_what_a_page_makes_can_be_made(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", _text(_ROOT / "Makefile"), re.MULTILINE))
    assert sorted(set(re.findall(r"(?:^|`)make ([a-z]+)", _text(page), re.MULTILINE)) - targets) == []


def _options_of_pytest(config: pytest.Config) -> set[str]:
    parser: argparse.ArgumentParser = config._parser.optparser
    return {option for action in parser._actions for option in action.option_strings}


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"(?<![\w-])--(?:no-)?eval-[a-z-]+", _text(page)))
    assert sorted(named - FLAGS.keys() - VALUES.keys()) == []


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_every_verb_that_a_page_names_exists(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    verbs = set(re.findall(r"^    ([a-z]+)\s", capsys.readouterr().out, re.MULTILINE))
    assert sorted(set(re.findall(r"`pytest-evalgate ([a-z]+)", _text(page))) - verbs) == []


def test_every_field_of_the_verdict_is_described() -> None:
    described = tomllib.loads((_ROOT / "docs" / "verdict_fields.toml").read_text("utf-8"))
    fields = {
        record.__name__: {field.name for field in dataclasses.fields(record)}
        for record in _reference()._records(Verdict)
    }
    assert {name: set(texts) for name, texts in described.items()} == fields


def test_every_kind_of_finding_is_described() -> None:
    sources = [_ROOT / "src" / "pytest_evalgate" / path for path in ("golden/lint.py", "cli/lint.py")]
    text = "".join(source.read_text("utf-8") for source in sources)
    kinds = re.findall(r'Finding\([^"]*"([\w-]+)", "', text)
    assert len(kinds) > 10
    assert sorted(set(kinds) - KINDS.keys()) == []


def test_every_scorer_is_described() -> None:
    text = _text(_ROOT / "docs" / "scorers.md")
    plain = [name for name in RULES if not name.startswith(("not-", "i"))]
    assert [name for name in plain if f"`{name}`" not in text] == []


def _power(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["power", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)[0]


def test_the_tables_of_sizes_are_what_power_prints(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = _text(_ROOT / "docs" / "planning.md")
    for cases in (50, 100, 200, 500, 1000):
        plan = _power(capsys, "--cases", str(cases))
        drops = [f"{column['smallest_drop_points']['steady']:.1f}" for column in plan["columns"]]
        assert f"| {cases:,} | {' | '.join(drops)} | {min(plan['found_percent'].values()):.0f}% |\n" in text
    for drop in (2, 3, 5, 10):
        plan = _power(capsys, "--cases", "200", "--drop", str(drop))
        needed = [f"{column['cases_needed']['steady']:,}" for column in plan["columns"]]
        assert f"| {drop} | {' | '.join(needed)} |\n" in text
    plan = _power(capsys, "--cases", "200", "--discordance", "0.2")
    assert f"needs {plan['columns'][0]['cases_needed']['steady']} cases instead of" in " ".join(text.split())


def test_the_table_of_intervals_is_that_of_the_gates() -> None:
    text = _text(_ROOT / "docs" / "concepts.md")
    for n in (20, 50, 100, 500):
        passes = round(0.9 * n)
        interval, least = wilson_interval(passes, n), clopper_pearson_lower_one_sided(passes, n)
        assert f"| {n:,} | {100 * interval.lower:.1f}-{100 * interval.upper:.1f} | {100 * least:.1f} |\n" in text


def _reference() -> Any:
    path = _ROOT / "docs" / "make_reference.py"
    spec = importlib.util.spec_from_file_location("make_reference", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_the_reference_is_current() -> None:
    stored = {page.name: _text(page) for page in (_ROOT / "docs" / "reference").glob("*.md")}
    assert "Measured by `benchmarks/peers.py`" in stored.pop("how-fast.md")
    assert stored == _reference().pages(), "python docs/make_reference.py writes it"
