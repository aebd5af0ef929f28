"""Python module with a target for each Python provider: it renders the prompt and calls the provider's function."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MODULE: Final = "evalgate_targets"
FILE_NAME: Final = f"{MODULE}.py"


@dataclass(frozen=True, slots=True)
class PythonSuite:
    """A suite whose target is a function: its prompt file, and the provider; without a ``file``, an echo."""

    suite: str
    prompt: str
    file: str = ""
    function: str = ""
    options: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """Name of the function in the module."""
        made = re.sub(r"\W", "_", self.suite)
        return made if made.isidentifier() else f"suite_{made}"

    @property
    def spec(self) -> str:
        """The function as a target names it."""
        return f"{MODULE}:{self.name}"


def module_text(suites: Sequence[PythonSuite], config: str) -> str:
    """Return the text of the module; ``config`` is the file that it was made from."""
    functions = "\n\n".join(_function(suite) for suite in suites)
    return _HEAD.replace("CONFIG", re.sub(r"[^\w ./-]", "_", config)) + "\n\n" + functions


def _function(suite: PythonSuite) -> str:
    head = f'def {suite.name}(case):\n    """Return the output of suite {suite.suite}."""\n'
    prompt = f"_prompt({suite.prompt!r}, case)"
    if not suite.file:
        return f"{head}    return {prompt}\n"
    options = json.loads(json.dumps(suite.options or {}))
    return f"{head}    return _call({suite.file!r}, {suite.function!r}, {prompt}, {options!r}, case)\n"


_HEAD: Final = '''"""Targets for pytest --eval-gate, made from the providers in CONFIG."""

import functools
import importlib.util
import inspect
import json
import sys
from pathlib import Path

from jinja2 import ChainableUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

_FOLDER = Path(__file__).parent


def _written(value):
    if value is None or isinstance(value, ChainableUndefined):
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_TEMPLATES = ImmutableSandboxedEnvironment(undefined=ChainableUndefined, finalize=_written)


def _prompt(file, case):
    """Return a prompt with the values of the case; a list of messages as JSON."""
    text = (_FOLDER / file).read_text("utf-8")
    values = {**case.vars, "input": case.input, "vars": dict(case.vars), "case": {"metadata": dict(case.metadata)}}

    def fill(value):
        if isinstance(value, str):
            return _TEMPLATES.from_string(value).render(values)
        if isinstance(value, dict):
            return {key: fill(member) for key, member in value.items()}
        return [fill(member) for member in value] if isinstance(value, list) else value

    return json.dumps(fill(json.loads(text)), ensure_ascii=False) if file.endswith(".json") else fill(text)


@functools.lru_cache
def _module(file):
    """Import the provider's file by its path, which need not be a package."""
    path = _FOLDER / file
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(f"provider_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _call(file, function, prompt, options, case):
    """Call ``function(prompt, options, context)`` of a provider, and return its output."""
    context = {"vars": dict(case.vars), "prompt": {"raw": prompt, "label": file}}
    answer = getattr(_module(file), function)(prompt, options, context)
    return _awaited(answer) if inspect.isawaitable(answer) else _output(answer)


async def _awaited(answer):
    return _output(await answer)


def _output(answer):
    if not isinstance(answer, dict):
        return answer
    if answer.get("error"):
        raise RuntimeError(answer["error"])
    output = answer.get("output", "")
    return output if isinstance(output, (str, dict)) else json.dumps(output, ensure_ascii=False)
'''
