"""The configuration of an import: a suite for each prompt and provider, with their models and the judge, as TOML."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.importing.imported import MADE_FROM
from pytest_evalgate.importing.promptfoo.nunjucks import NunjucksError, render
from pytest_evalgate.importing.promptfoo.python_targets import FILE_NAME, PythonSuite, module_text
from pytest_evalgate.importing.promptfoo.toml_text import table_text, value_text
from pytest_evalgate.targets.http import has_placeholder, invalid_placeholders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.importing.promptfoo.case_rows import TestRow
    from pytest_evalgate.importing.promptfoo.prompt_files import ImportedPrompt
    from pytest_evalgate.importing.promptfoo.providers import Provider
    from pytest_evalgate.importing.promptfoo.source import ConfigSource

JUDGE: Final = "notes"
CRITERIA: Final = (
    "The output meets every note on this case; a note that says what must NOT be the case is met if it is not. "
    "If the case has no notes, the output passes."
)
_GRADER: Final = {"model": "gpt-4.1-2025-04-14"}
_FEW: Final = 20
_EVERY: Final = {"kind": "must-pass"}
_NO_DROP: Final = {"kind": "no-regression", "margin": 0.05}
_WHY_EVERY: Final = f"""\
# One missed case fails the build, as in promptfoo. From {_FEW} cases on, a proven drop is the better bar:
# gates = [{value_text(_NO_DROP)}]"""
_WHY_NO_DROP: Final = f"""\
# A proven drop below the baseline fails the build. One missed case does, as in promptfoo, with:
# gates = [{value_text(_EVERY)}]"""
_ADVISORY: Final = "# Only a judge without calibration grades these cases, so this suite never fails the build."


@dataclass(frozen=True, slots=True)
class PlannedSuite:
    """A suite: its name, the prompt and the provider of its target, and the files of its golden set."""

    name: str
    prompt: ImportedPrompt
    provider: Provider
    golden: tuple[str, ...]
    rows: tuple[TestRow, ...]


@dataclass(slots=True)
class Configuration:
    """The configuration under construction.

    ``run`` are the keys of the whole run, ``limits`` those of every model and application, ``suite_keys`` those of
    every suite. ``grader`` is the model of the judge; None if no case has notes. ``asked`` are the models that rules
    ask, by API.
    """

    title: str
    config: str
    suites: Sequence[PlannedSuite]
    run: Mapping[str, Any]
    limits: Mapping[str, Any]
    suite_keys: Mapping[str, Any]
    grader: Provider | None = None
    has_judge: bool = False
    asked: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    python: list[PythonSuite] = field(default_factory=list)

    def text(self) -> str:
        """Return the configuration, and collect the files that it names."""
        parts = ["\n".join(self._head()), *self._models(), *self._judge(), *map(self._suite, self.suites)]
        if self.python:
            self.files[FILE_NAME] = module_text(self.python, self.config)
        return "\n\n".join(part for part in parts if part) + "\n"

    def _head(self) -> Iterator[str]:
        yield f"{MADE_FROM}{self.config} by pytest-evalgate import. All keys: pytest-evalgate schema config"
        if self.title:
            yield f"# {self.title}"
        if self.run:
            yield ""
            yield table_text("x", self.run).partition("\n")[2]

    def _models(self) -> Iterator[str]:
        models = {suite.provider.slug: suite.provider for suite in self.suites if suite.provider.kind == "model"}
        for slug, provider in models.items():
            yield table_text(f"models.{slug}", {**provider.model, **self.limits})
        if self.has_judge and (self.grader is None or self.grader.slug not in models):
            table = {**(_GRADER if self.grader is None else self.grader.model)}
            yield "# The model of the judge.\n" + table_text("models.grader", table)

        for api, asked in self.asked.items():
            yield f"# Asked by the asserts of the cases.\n{table_text(f'models.{api}', {**asked, **self.limits})}"

    def _judge(self) -> Iterator[str]:
        if not self.has_judge:
            return
        models = {suite.provider.slug for suite in self.suites if suite.provider.kind == "model"}
        model = self.grader.slug if self.grader is not None and self.grader.slug in models else "grader"
        yield "\n".join(
            (
                '# Grades what llm-rubric and its like asked for: the "rubric" of each case. It only reports until',
                "# it is calibrated with labels of people:",
                f"# pytest-evalgate calibrate {JUDGE} --labels labels.jsonl",
                table_text(f"judges.{JUDGE}", {"model": model, "criteria": CRITERIA, "report_only": True}),
            )
        )

    def _suite(self, suite: PlannedSuite) -> str:
        table: dict[str, Any] = {"golden": list(suite.golden) if len(suite.golden) > 1 else suite.golden[0]}
        table["target"] = self._target(suite)
        table["scorers"] = [{"judge": JUDGE}] if self.has_judge else []
        table |= self.suite_keys
        table["baseline"] = f"baselines/{suite.name}.json"
        few = len(suite.rows) < _FEW
        table["gates"] = [_EVERY if few else _NO_DROP]
        text = table_text(f"suites.{suite.name}", table)
        text = text.replace("\nscorers = []", "\nscorers = []  # the cases have their own asserts", 1)
        text = text.replace("\ngates = ", f"\n{_WHY_EVERY if few else _WHY_NO_DROP}\ngates = ", 1)
        if not any(row.has_rule for row in suite.rows) and self.has_judge:
            text += f'\n{_ADVISORY}\nmode = "advisory"'
        return text

    def _target(self, suite: PlannedSuite) -> dict[str, Any] | None:
        provider, prompt = suite.provider, suite.prompt
        if provider.kind == "recorded":
            return None
        if provider.kind == "http":
            request = {**provider.target, **self.limits}
            return {"http": filled(request, variable_of(prompt, provider))}
        if provider.kind == "model":
            keys, made = prompt.target()
            self.files |= dict(made)
            return {"model": provider.slug, **keys, **provider.target}
        file, made = prompt.file()
        self.files |= dict(made)
        options = {"id": provider.target.get("id", "echo"), "config": dict(provider.settings)}
        python = PythonSuite(
            suite.name, file, provider.target.get("file", ""), provider.target.get("function", ""), options
        )
        self.python.append(python)
        limit = {key: value for key, value in self.limits.items() if key == "max_concurrency"}
        return {"python": python.spec, **limit}


_PROMPT: Final = re.compile(r"\{\{\s*prompt\s*(?:\|\s*(?:safe|dump|string)\s*)*\}\}")
_NAME: Final = re.compile(r"\{\{\s*([A-Za-z_][\w.]*)\s*\}\}")
_ONLY: Final = re.compile(r"\A\s*\{\{\s*([A-Za-z_]\w*)\s*\}\}\s*\Z")


def variable_of(prompt: ImportedPrompt, provider: Provider) -> str:
    """Return the variable that an HTTP request sends as the prompt: its only one, or the rendered prompt."""
    if "prompt" in prompt.names and _ONLY.match(prompt.text):
        return "prompt"
    only = None if prompt.messages else _ONLY.match(prompt.text)
    if only is not None:
        return only[1]
    return (
        "prompt" if provider.kind == "http" and prompt.slug == "prompt" else f"prompt_{prompt.slug.replace('-', '_')}"
    )


def needs_rendered(prompt: ImportedPrompt, provider: Provider) -> bool:
    """Return whether each case must contain the rendered prompt, because an HTTP request has no templates."""
    sent = bool(_PROMPT.search(str(provider.target)))
    return provider.kind == "http" and sent and (bool(prompt.messages) or not _ONLY.match(prompt.text))


def rendered(prompt: ImportedPrompt, variables: Mapping[str, Any], source: ConfigSource) -> Any:
    """Return the prompt with the variables of a case; a list of messages if it is one."""
    if not prompt.messages:
        return render(prompt.text, variables, source.env)
    return [_filled_in(dict(message), variables, source) for message in prompt.messages]


def _filled_in(value: Any, variables: Mapping[str, Any], source: ConfigSource) -> Any:
    if isinstance(value, str):
        return render(value, variables, source.env)
    if isinstance(value, dict):
        return {key: _filled_in(member, variables, source) for key, member in value.items()}
    return [_filled_in(member, variables, source) for member in value] if isinstance(value, list) else value


def filled(value: Any, variable: str) -> Any:
    """Return a part of a request with our placeholders: ``{{ prompt }}`` becomes the variable of the case."""
    if isinstance(value, str):
        text = _PROMPT.sub("{{ prompt }}", value)
        return _NAME.sub(lambda found: f"{{{{ vars.{variable if found[1] == 'prompt' else found[1]} }}}}", text)
    if isinstance(value, dict):
        return {key: filled(member, variable) for key, member in value.items()}
    return [filled(member, variable) for member in value] if isinstance(value, list) else value


def names_in_request(provider: Provider) -> frozenset[str]:
    """Return the variables that a request reads by itself, without those of the prompt."""
    found = {name.partition(".")[0] for name in _NAME.findall(str(provider.target))}
    return frozenset(found - {"prompt"})


def check_http(provider: Provider) -> None:
    """Raise NunjucksError if the request has placeholders that are more than names, or none."""
    template = [provider.target["url"], provider.target.get("body")]
    made = filled(template, "prompt")
    for text in invalid_placeholders(made):
        raise NunjucksError(f"{text[:100]}: a request has names between braces, and no expressions")
    if not has_placeholder(made):
        raise NunjucksError("every case would send the same request: put {{prompt}} into the url or the body")
