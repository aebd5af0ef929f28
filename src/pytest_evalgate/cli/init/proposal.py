"""The configuration that ``init`` writes for a project, with the reason of each part and the next commands."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from functools import cached_property
from importlib import resources
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from pytest_evalgate import config
from pytest_evalgate.app.python_project import PYTEST_INI
from pytest_evalgate.app.starter import (
    PROMOTE,
    RUN,
    StarterSuite,
    can_grade,
    python_target,
    starter_text,
    suite_name,
    with_distinct_names,
)
from pytest_evalgate.cli.init.placing import Template
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.app.starter import Step
    from pytest_evalgate.cli.init.detection import Detected, FoundGolden
    from pytest_evalgate.cli.init.endpoints import NamedEndpoint

GITHUB: Final = "pytest-evalgate init --github"
_EXAMPLE: Final = "golden/example.jsonl"
_PROMPT: Final = "prompts/answer.md"
_PROMPT_TEXT: Final = b"Answer the question in one or two sentences.\n\n{{ input }}\n"
_MOST_SUITES: Final = 5
_OPENAI_MODEL: Final = "gpt-4o-mini"


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
        files = self._of_suites if self._suites else self._starter
        if (ini := self.detected.missing_ini) is not None:
            files = (Template(PYTEST_INI, ini[0].encode(), about=ini[1]), *files)
        return files

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
            app = self.detected.application if self._without_target else None
            run = RUN if app is None else f"{RUN} --eval-target python:{app.spec}"
            return (("pytest-evalgate lint", "checks the golden sets"), *self._run_steps("runs the suites", run))
        if self._tool is not None:
            command = f"pytest-evalgate import {shlex.quote(self._tool)}"
            return ((command, "writes golden sets, prompts and evalgate.toml"), (RUN, "runs the suites"))
        if not self._suites:
            return self._run_steps("runs the five cases, which pass")
        first = tuple(
            (f"pytest-evalgate import {shlex.quote(path)} --to {shlex.quote(golden)}", "writes the golden set")
            for path, golden in self._imports.items()
        )
        first = (*self.detected.install_steps, *first)
        if self._calls_model:
            first = (*first, (f"{RUN} --eval-estimate", "what a run would send and cost"))
        return (*first, *self._run_steps("runs the cases and lists the misses"))

    @cached_property
    def _calls_model(self) -> bool:
        return any("model = " in suite.target for suite in self._suites)

    def _run_steps(self, about: str, run: str = RUN) -> tuple[Step, ...]:
        return (
            (run, about),
            PROMOTE,
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
            if (note := self.detected.path_note) is not None:
                yield note
        elif self._tool is None:
            for one in self.detected.importable:
                yield f"to import {one.path}: pytest-evalgate import {shlex.quote(one.path)}"
            for golden_set in self.detected.golden_sets:
                name = _name_of(golden_set.path)
                yield (
                    f"{golden_set.path}: no application was found for it: to run it, add [suites.{name}] with "
                    f'golden = "{golden_set.path}" and its target to {config.CONFIG_FILE}'
                )

    def _notes_on_configuration(self) -> Iterator[str]:
        """Yield the targets to add to an existing configuration."""
        if self.detected.settings is None:
            yield f"{self.detected.configuration} has mistakes: pytest-evalgate config lists them"
        prefix = "" if self.detected.configuration == config.CONFIG_FILE else "tool.evalgate."
        if (app := self.detected.application) is not None:
            for name in self._without_target:
                yield f"[{prefix}suites.{name}] has no target: add target = {python_target(app)[0]}"

    @cached_property
    def _without_target(self) -> tuple[str, ...]:
        """The configured suites that nothing runs: without a target, outputs in their rows, or a marked test."""
        settings = self.detected.settings
        if settings is None or self.detected.marked_tests:
            return ()
        outputs = {one.path for one in self.detected.golden_sets if one.has_outputs}
        suites = settings.suites.items()
        return tuple(name for name, suite in suites if suite.target is None and outputs.isdisjoint(suite.golden))

    @cached_property
    def _tool(self) -> str | None:
        """The configuration of another tool, which ``import`` translates as a whole."""
        return next((one.path for one in self.detected.importable if one.is_configuration), None)

    @cached_property
    def _imports(self) -> dict[str, str]:
        """The golden sets to import, by the file they come from. Without an application there is nothing to run."""
        if self.detected.golden_sets or self.detected.application is None:
            return {}
        paths = [one.path for one in self.detected.importable if not one.is_configuration][:_MOST_SUITES]
        return {path: f"golden/{_name_of(path)}.jsonl" for path in paths}

    @cached_property
    def _suites(self) -> tuple[StarterSuite, ...]:
        """The suites to write; none if no target was found, so that an example is written instead."""
        sets = [found for found in self.detected.golden_sets if can_grade(found.cases)]
        suites = [suite for found in sets[:_MOST_SUITES] if (suite := self._suite_of(found)) is not None]
        app = self.detected.application
        if not suites and app is not None:
            target, because = python_target(app)
            suites = [self._suite_to_import(path, golden) for path, golden in self._imports.items()] or [
                StarterSuite(_name_of(_EXAMPLE), _EXAMPLE, "one case per line: id, input, expected, tags")
            ]
            suites = [replace(suite, target=target, because=because) for suite in suites]
        return tuple(with_distinct_names(suites))

    def _suite_to_import(self, path: str, to: str) -> StarterSuite:
        """Return the suite of a golden set that the user makes from a file with the first of the next commands."""
        cases = self.detected.imported_cases(path, to)
        about = f"{count(len(cases), 'case')} from {path}" if cases else f"from {path}"
        return StarterSuite(_name_of(to), to, about, cases)

    def _suite_of(self, found: FoundGolden) -> StarterSuite | None:
        """Return the suite of a golden set; None if no target was found for it."""
        suite = StarterSuite(_name_of(found.path), found.path, count(len(found.cases), "case"), found.cases)
        recording = next(
            (one for one in self.detected.recordings if not one.ids.isdisjoint(case.id for case in found.cases)), None
        )
        endpoint, app = self._endpoint, self.detected.application
        if app is not None:
            target, because = python_target(app)
        elif suite.has_outputs:
            return suite
        elif recording is not None:
            target, because = f"{{ recorded = {json.dumps(recording.path)} }}", "recorded outputs, joined by id"
        elif endpoint is not None:
            prompt = json.dumps(self.detected.prompt or _PROMPT)
            target, because = f'{{ model = "candidate", prompt = {prompt} }}', "the model below"
        else:
            return None
        return replace(suite, target=target, because=because)

    @cached_property
    def _endpoint(self) -> NamedEndpoint | None:
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
        model = self._endpoint if self._calls_model else None
        return starter_text(self._suites, *([] if model is None else [_model_table(model) + "\n"]))

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


def _model_table(endpoint: NamedEndpoint) -> str:
    key = f'"{endpoint.key}"  # the name of the variable' if endpoint.key else '""  # none is sent'
    return (
        f"[models.candidate]\nmodel = {json.dumps(endpoint.model)}  # its name at the endpoint\n"
        f"base_url = {json.dumps(endpoint.base_url)}  # {endpoint.label}\napi_key_env = {key}\n"
    ).rstrip("\n")


def _name_of(path: str) -> str:
    return suite_name(PurePosixPath(path).stem)
