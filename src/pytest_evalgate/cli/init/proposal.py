"""The configuration that ``init`` writes for a project, with the reason of each part and the next commands."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from pytest_evalgate import config
from pytest_evalgate.cli.init.placing import Template
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.cli.init.application import Application
    from pytest_evalgate.cli.init.detection import Detected, FoundGolden
    from pytest_evalgate.cli.init.endpoints import Endpoint
    from pytest_evalgate.records.results import Case

Step = tuple[str, str]
"""A command to run next, and its purpose."""

PROMOTE: Final = 'pytest-evalgate baseline promote --reason "first baseline"'
GITHUB: Final = "pytest-evalgate init --github"
_HEAD: Final = "# Configuration of pytest --eval-gate. All keys: docs/configuration.md, or pytest-evalgate schema\n"
_RECORD: Final = """
# Until the first baseline is promoted, a run is recorded and compared with nothing, also in CI. The verdict says so.
on_missing_baseline = "record"
"""
_EXAMPLE: Final = "golden/example.jsonl"
_PROMPT: Final = "prompts/answer.md"
_PROMPT_TEXT: Final = b"Answer the question in one or two sentences.\n\n{{ input }}\n"
_MOST_SUITES: Final = 5
_OPENAI_MODEL: Final = "gpt-4o-mini"


@dataclass(frozen=True, slots=True)
class PlannedSuite:
    """A suite to write.

    Args:
        name: Its name.
        golden: Path of its golden set.
        about: What the golden set contains.
        target: Its target, in TOML; empty if the rows of the golden set contain outputs.
        because: Where the target was found.
        scorer: Its scorer, in TOML.
        slices: Tag keys by which its results are broken down.
    """

    name: str
    golden: str
    about: str
    target: str
    because: str
    scorer: str = '"icontains"'
    slices: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield the lines of its table."""
        yield f"[suites.{self.name}]"
        yield f"golden = {json.dumps(self.golden)}  # {self.about}"
        yield f"target = {self.target}  # {self.because}" if self.target else f"# {self.because}"
        yield f"scorers = [{self.scorer}]  # {_SCORERS[self.scorer]}"
        if self.slices:
            yield f"slices = {json.dumps(list(self.slices))}  # pass rates for each value of these tags"
        yield f'baseline = "baselines/{self.name}.json"  # written by pytest-evalgate baseline promote; commit it'
        yield 'gates = [{ kind = "no-regression", margin = 0.05 }]  # fails on a proven drop'


_SCORERS: Final = {
    '"icontains"': "a case passes if its output contains the expected text",
    '"icontains-any"': "a case passes if its output contains one of the expected texts",
    '"exact"': "a case passes if its output is the expected value",
    '{ kind = "length", min = 1 }': "an output; the cases have their own checks",
}


@dataclass(frozen=True)
class Proposal:
    """What to write for a project; nothing if it is configured already, unless the configuration is replaced."""

    detected: Detected
    replaces: bool = False

    @property
    def _is_configured(self) -> bool:
        return self.detected.configuration is not None and not self.replaces

    @cached_property
    def templates(self) -> tuple[Template, ...]:
        """The files to write."""
        if self._is_configured or self._tool is not None:
            return ()
        return (*self._root_file, *(self._of_suites if self._suites else self._starter))

    @property
    def _root_file(self) -> tuple[Template, ...]:
        app, about = self._application, "makes this folder the root folder of pytest"
        if app is not None and not self.detected.is_importable(app) and self.detected.pytest_file is None:
            text, about = f"[pytest]\npythonpath = {app.root}\n", f"makes {app.root} importable"
        elif self.detected.is_root:
            return ()
        else:
            text = "[pytest]\n"
        return (Template("pytest.ini", text.encode(), about=about),)

    @property
    def _of_suites(self) -> tuple[Template, ...]:
        about = f"{count(len(self._suites), 'suite')}: {', '.join(suite.name for suite in self._suites)}"
        found = [Template(config.CONFIG_FILE, self._text.encode(), about=about)]
        if any(suite.golden == _EXAMPLE for suite in self._suites):
            text = "example cases: replace them by questions of your users"
            found.append(replace(self._starter_file(_EXAMPLE), about=text))
        if self._calls_model and self.detected.prompt is None:
            found.append(Template(_PROMPT, _PROMPT_TEXT, about="the prompt; {{ input }} is the question of a case"))
        return tuple(found)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The next commands."""
        if self._is_configured:
            return (("pytest-evalgate lint", "checks the golden sets"), *self._run_steps("runs the suites"))
        if self._tool is not None:
            command = f"pytest-evalgate import {shlex.quote(self._tool)}"
            return ((command, "writes golden sets, prompts and evalgate.toml"), (_RUN, "runs the suites"))
        if not self._suites:
            return self._run_steps("runs the five cases, which pass")
        first = tuple(
            (f"pytest-evalgate import {shlex.quote(path)} --to {shlex.quote(golden)}", "writes the golden set")
            for path, golden in self._imports.items()
        )
        app, estimate = self._application, "what a run would send and cost"
        is_ready = (
            app is None
            or self.detected.is_importable(app)
            or any(template.path == "pytest.ini" for template in self.templates)
        )
        if app is not None and not is_ready and self.detected.is_packaged:
            first = (("pip install -e .", f"makes {app.spec.partition(':')[0]} importable"), *first)
        if self._calls_model:
            first = (*first, ("pytest --eval-gate --eval-estimate", estimate))
        return (*first, *self._run_steps("runs the cases and lists the misses"))

    @cached_property
    def _calls_model(self) -> bool:
        return any("model = " in suite.target for suite in self._suites)

    def _run_steps(self, about: str) -> tuple[Step, ...]:
        return (
            (_RUN, about),
            (PROMOTE, "later runs are compared with it"),
            (GITHUB, "adds the gate to pull requests"),
        )

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What the user has to know or to do by hand, beyond the next commands."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        if self._is_configured:
            yield from self._notes_on_configuration()
        elif self._suites:
            app, found = self._application, self.detected
            if app is not None and not found.is_importable(app) and found.pytest_file and not found.is_packaged:
                yield f"{app.spec} cannot be imported yet: set pythonpath = {app.root} in {found.pytest_file}"
        elif self._tool is None:
            for one in self.detected.importable:
                yield f"to import {one.path}: pytest-evalgate import {shlex.quote(one.path)}"
            for golden_set in self.detected.golden_sets:
                name = suite_name(golden_set.path)
                yield (
                    f"{golden_set.path}: no application was found for it: to run it, add [suites.{name}] with "
                    f'golden = "{golden_set.path}" and its target to {config.CONFIG_FILE}'
                )

    def _notes_on_configuration(self) -> Iterator[str]:
        """Yield the targets to add to an existing configuration."""
        settings = self.detected.settings
        if settings is None:
            yield f"{self.detected.configuration} has mistakes: pytest-evalgate config lists them"
            return
        prefix = "" if self.detected.configuration == config.CONFIG_FILE else "tool.evalgate."
        outputs = {one.path for one in self.detected.golden_sets if one.has_outputs}
        for name, suite in settings.suites.items():
            has_rows = any(path in outputs for path in suite.golden)
            if suite.target is None and not has_rows and not self.detected.marked_tests and self._application:
                target = _python_target(self._application)
                yield f"[{prefix}suites.{name}] has no target: add target = {target}"

    @cached_property
    def _application(self) -> Application | None:
        return next(iter(self.detected.applications), None)

    @cached_property
    def _tool(self) -> str | None:
        """The configuration of another tool, which ``import`` translates as a whole."""
        return next((one.path for one in self.detected.importable if one.is_configuration), None)

    @cached_property
    def _imports(self) -> dict[str, str]:
        """The golden sets to import, by the file they come from. Without an application there is nothing to run."""
        if self.detected.golden_sets or self._application is None:
            return {}
        paths = [one.path for one in self.detected.importable if not one.is_configuration][:_MOST_SUITES]
        return {path: f"golden/{suite_name(path)}.jsonl" for path in paths}

    @cached_property
    def _suites(self) -> tuple[PlannedSuite, ...]:
        """The suites to write; none if no target was found, so that an example is written instead."""
        sets = [found for found in self.detected.golden_sets if choose_scorer(found.cases) is not None]
        suites = [suite for found in sets[:_MOST_SUITES] if (suite := self._suite_of(found)) is not None]
        app = self._application
        if not suites and app is not None:
            target, because = _python_target(app), f"{app.file}:{app.line}"
            goldens = {golden: f"from {path}" for path, golden in self._imports.items()}
            goldens = goldens or {_EXAMPLE: "one case per line: id, input, expected, tags"}
            suites = [PlannedSuite(suite_name(path), path, about, target, because) for path, about in goldens.items()]
        return tuple(_with_distinct_names(suites))

    def _suite_of(self, found: FoundGolden) -> PlannedSuite | None:
        """Return the suite of a golden set; None if no target was found for it."""
        recording = next(
            (one for one in self.detected.recordings if not one.ids.isdisjoint(case.id for case in found.cases)), None
        )
        endpoint, app = self._endpoint, self._application
        if app is not None:
            target, because = _python_target(app), f"{app.file}:{app.line}"
        elif found.has_outputs:
            target, because = "", "no target: the outputs in the rows of the golden set are graded"
        elif recording is not None:
            target, because = f"{{ recorded = {json.dumps(recording.path)} }}", "recorded outputs, joined by id"
        elif endpoint is not None:
            prompt = json.dumps(self.detected.prompt or _PROMPT)
            target, because = f'{{ model = "candidate", prompt = {prompt} }}', "the model below"
        else:
            return None
        scorer = choose_scorer(found.cases) or ""
        about = count(len(found.cases), "case")
        return PlannedSuite(
            suite_name(found.path), found.path, about, target, because, scorer, choose_slices(found.cases)
        )

    @cached_property
    def _endpoint(self) -> Endpoint | None:
        """The endpoint whose model is known."""
        for one in self.detected.endpoints:
            if one.model is not None:
                return one
            if one.label == "OpenAI":
                return replace(one, model=_OPENAI_MODEL)
        return None

    @cached_property
    def _text(self) -> str:
        """The text of the configuration."""
        tables = ["\n".join(suite.lines()) for suite in self._suites]
        if self._calls_model and self._endpoint is not None:
            tables.append(_model_table(self._endpoint))
        return "\n".join((_HEAD.rstrip("\n"), _RECORD.rstrip("\n"), "", "\n\n".join(tables), ""))

    @cached_property
    def _starter(self) -> tuple[Template, ...]:
        """The example with recorded outputs; the endpoint of the environment fills in its comment about models."""
        found = self.detected.endpoints
        files = [self._starter_file(name) for name in (config.CONFIG_FILE, _EXAMPLE, "outputs/example.jsonl")]
        if not found:
            return tuple(files)
        table = _model_table(replace(found[0], model=found[0].model or "NAME"))
        commented = "".join(f"# {line}\n" for line in table.splitlines())
        data = re.sub(rb"# \[models\.candidate\]\n(#.*\n)*", commented.encode(), files[0].data)
        return (replace(files[0], data=data), *files[1:])

    @staticmethod
    def _starter_file(name: str) -> Template:
        top = resources.files("pytest_evalgate.cli").joinpath("templates", "starter")
        return Template(name, top.joinpath(name).read_bytes())


_RUN: Final = "pytest --eval-gate"


def _python_target(app: Application) -> str:
    env = f", env = {json.dumps(list(app.keys))}" if app.keys else ""
    return f'{{ python = "{app.spec}"{env} }}'


def _model_table(endpoint: Endpoint) -> str:
    key = f'"{endpoint.key}"  # the name of the variable' if endpoint.key else '""  # none is sent'
    return (
        f"[models.candidate]\nmodel = {json.dumps(endpoint.model)}  # its name at the endpoint\n"
        f"base_url = {json.dumps(endpoint.base_url)}  # {endpoint.label}\napi_key_env = {key}\n"
    ).rstrip("\n")


def suite_name(path: str) -> str:
    """Return the name of a file as the name of a suite."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", PurePosixPath(path).stem).strip("-_").lower()[:64] or "suite"


def _with_distinct_names(suites: Sequence[PlannedSuite]) -> Iterator[PlannedSuite]:
    taken: Counter[str] = Counter()
    for suite in suites:
        taken[suite.name] += 1
        number = taken[suite.name]
        yield suite if number == 1 else replace(suite, name=f"{suite.name}-{number}")


def choose_scorer(cases: Sequence[Case]) -> str | None:
    """Return the scorer that can grade every case, in TOML; None if some have neither an expected value nor checks."""
    graded = [case for case in cases if case.skip is None]
    if any(not _wanted(case) and not case.asserts for case in graded):
        return None
    if any(not _wanted(case) for case in graded):
        return '{ kind = "length", min = 1 }'
    if not all(isinstance(value, str) for case in graded for value in _wanted(case)):
        return '"exact"'
    return '"icontains-any"' if any(case.expected_any for case in graded) else '"icontains"'


def _wanted(case: Case) -> tuple[object, ...]:
    return (case.expected,) if case.expected not in (None, "") else case.expected_any


_MOST_VALUES: Final = 12


def choose_slices(cases: Sequence[Case]) -> tuple[str, ...]:
    """Return up to three keys of tags ``key:value`` that nearly all cases have, with few values."""
    values: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        for tag in case.tags:
            key, colon, value = tag.partition(":")
            if colon and re.fullmatch(r"[\w-]+", key):
                values[key].append(value)
    found = [
        jsonl.escape_text(key)
        for key, all_values in values.items()
        if 1 < len(set(all_values)) <= _MOST_VALUES and 5 * len(all_values) >= 4 * len(cases)
    ]
    return tuple(found[:3])
