"""Connection of imported golden sets with the configuration: a new one is written, an existing one is never changed.

For an existing configuration, the lines to add are printed.
"""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate import config
from pytest_evalgate.app.python_project import PYTEST_INI
from pytest_evalgate.app.starter import (
    PROMOTE,
    RUN,
    StarterSuite,
    cases_of,
    python_target,
    starter_text,
    suite_name,
    with_distinct_names,
)
from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.markers import find_marked
from pytest_evalgate.importing import ImportingError
from pytest_evalgate.importing.imported import MADE_FROM
from pytest_evalgate.text import files
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.app.python_project import PythonProject
    from pytest_evalgate.app.starter import Step
    from pytest_evalgate.config import Settings
    from pytest_evalgate.importing import Imported

Outcome = Literal["wrote", "replaced", "unchanged", "would write", "would replace"]


@dataclass(frozen=True, slots=True)
class ToWrite:
    """A file to write, relative to the root folder. ``by_hand``: the text to add to a file that the user has."""

    path: str
    text: str
    about: str = ""
    by_hand: bool = False
    outcome: Outcome = "wrote"


@dataclass(frozen=True, slots=True)
class Connection:
    """The configuration of imported golden sets: what is written, and what the user has to do.

    Args:
        files: Files to write besides the golden sets, and lines to add by hand.
        hints: Lines to change by hand, and assumptions.
        steps: Commands that run the golden sets.
        waiting: Names of the suites whose target the user has to set.
    """

    files: tuple[ToWrite, ...] = ()
    hints: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    waiting: tuple[str, ...] = ()

    def __add__(self, other: Connection) -> Connection:
        """Combine two connections."""
        return Connection(
            (*self.files, *other.files),
            (*self.hints, *other.hints),
            (*self.steps, *other.steps),
            (*self.waiting, *other.waiting),
        )


@dataclass(frozen=True)
class Connector:
    """Connector of golden sets with the configuration of ``project``."""

    project: PythonProject
    force: bool = False

    def connect(self, sources: Sequence[Imported], contents: Mapping[str, Sequence[Imported]]) -> Connection:
        """Return the files, hints and commands; ``contents`` are the sources of each golden set.

        Raises:
            ImportingError: Two sources have further files of the same name.
        """
        root = self.project.root
        extra = [ToWrite(path, text) for source in sources for path, text in source.files]
        if twice := [path for path, number in Counter(one.path for one in extra).items() if number > 1]:
            raise ImportingError([(path, "two sources would write it: import them one by one") for path in twice])
        is_made = any(one.path == config.CONFIG_FILE for one in extra)
        if not config.is_configured(root):
            made = Connection(tuple(extra), steps=_STEPS_OF_TOOL) if is_made else self._new(contents, extra)
            ini = self.project.missing_ini
            return made if ini is None else replace(made, files=(*made.files, ToWrite(PYTEST_INI, *ini)))
        if is_made:
            files_ = [self._beside(one) if one.path == config.CONFIG_FILE else one for one in extra]
            return Connection(tuple(files_), steps=_STEPS_OF_TOOL)
        return self._existing(contents, extra)

    def _beside(self, one: ToWrite) -> ToWrite:
        return _beside_existing(one, self.project.root, force=self.force)

    def _suites(self, contents: Mapping[str, Sequence[Imported]]) -> list[StarterSuite]:
        """Return a suite for each golden set, with the application of the project as its target."""
        app, root = self.project.application, self.project.root
        target, because = ("", "") if app is None else python_target(app)
        suites = []
        for golden, parts in contents.items():
            cases = cases_of(case for part in parts for case in part.cases)
            origin = ", ".join(files.relative_name(part.source, root) for part in parts)
            about = f"{count(len(cases), 'case')} from {origin}"
            suites.append(StarterSuite(suite_name(Path(golden).stem), golden, about, cases, target, because))
        return suites

    def _new(self, contents: Mapping[str, Sequence[Imported]], extra: Sequence[ToWrite]) -> Connection:
        """Return the configuration of a project that has none."""
        suites = list(with_distinct_names(self._suites(contents)))
        waiting = tuple(suite.name for suite in suites if not suite.is_ready)
        is_graded = suites[0].has_outputs and not suites[0].target
        about = "grades the recorded outputs" if is_graded else "runs the cases and lists the misses"
        if waiting:
            ready = (suite for suite in suites if suite.is_ready)
            steps = tuple(step for suite in ready for step in self._runs(suite, needs_target=False).steps)
        else:
            steps = (*self.project.install_steps, (RUN, about), PROMOTE)
        written = ToWrite(config.CONFIG_FILE, starter_text(suites), "a suite for each golden set")
        return Connection((*extra, written), tuple(self._assumptions(suites)), steps, waiting)

    def _existing(self, contents: Mapping[str, Sequence[Imported]], extra: Sequence[ToWrite]) -> Connection:
        """Return the lines to add to an existing configuration, and the commands that run without them."""
        root = self.project.root
        name = config.CONFIG_FILE if (root / config.CONFIG_FILE).exists() else config.PYPROJECT_FILE
        prefix = "" if name == config.CONFIG_FILE else "tool.evalgate."
        settings = _configured(root)
        configured = {} if settings is None else settings.suites
        found = Connection(tuple(extra))
        if settings is None:
            found += Connection(hints=(f"{name} has mistakes: pytest-evalgate config lists them",))
        names = set(configured)
        keys = {golden: key for key, suite in configured.items() for golden in suite.golden}
        for suite in self._suites(contents):
            sources = (files.relative_name(part.source, root) for part in contents[suite.golden])
            key = next((keys[path] for path in (suite.golden, *sources) if path in keys), None)
            if key is None:
                [added] = with_distinct_names([suite], names)
                names.add(added.name)
                found += Connection((ToWrite(name, added.text(prefix), by_hand=True),))
                found += self._runs(added, needs_target=not suite.has_outputs or bool(suite.target))
                continue
            if suite.golden not in keys:
                found += Connection(hints=(f'in {name}, write: suites.{key}.golden = "{suite.golden}"',))
            if configured[key].target is not None or self._is_marked:
                found += Connection(steps=((RUN, "runs the suites"),))
                continue
            if suite.target and not suite.has_outputs:
                hint = f"in {name}, add to [{prefix}suites.{key}]: target = {suite.target}"
                found += Connection(hints=(hint,))
            found += self._runs(replace(suite, name=key), needs_target=not suite.has_outputs)
        steps = tuple(dict.fromkeys(found.steps))
        return replace(found, steps=(*self.project.install_steps, *steps)) if steps else found

    def _runs(self, suite: StarterSuite, *, needs_target: bool) -> Connection:
        """Return the command that runs a golden set under any configuration, if there is one."""
        command, app = f"{RUN} {shlex.quote(from_here(self.project.root, suite.golden))}", self.project.application
        if needs_target and app is not None:
            step = (f"{command} --eval-target python:{app.spec}", "runs the cases and lists the misses")
            return Connection(hints=tuple(self._assumptions([suite])), steps=(step,))
        if needs_target:
            return Connection(waiting=(suite.name,))
        return Connection(steps=((command, "grades the recorded outputs"),))

    @cached_property
    def _is_marked(self) -> bool:
        """Whether the project has a marked test, which may be the target of a suite."""
        return next(find_marked(self.project.root), None) is not None

    def _assumptions(self, suites: Sequence[StarterSuite]) -> Iterator[str]:
        """Yield the target that suites were given, and what has to be set before it can be imported."""
        app = self.project.application
        names = ", ".join(suite.name for suite in suites if suite.target)
        if app is None or not names:
            return
        found = f"{app.signature} at {app.file}:{app.line}"
        yield f"assumed: suite {names} calls {found}; if that is wrong, edit its target"
        if (note := self.project.path_note) is not None:
            yield note


_STEPS_OF_TOOL: Final[tuple[Step, ...]] = (
    (f"{RUN} --eval-estimate", "prints the calls and their cost, and sends nothing"),
    (RUN, "runs all suites"),
    PROMOTE,
)


def from_here(root: Path, path: str) -> str:
    """Return the path of a file of the root folder, relative to the working folder, as commands need it."""
    return Path(os.path.relpath(root / path)).as_posix()


def _beside_existing(one: ToWrite, root: Path, *, force: bool) -> ToWrite:
    """Return the configuration of a tool: to be added by hand, unless it replaces the one of an earlier import."""
    path = root / config.CONFIG_FILE
    if not path.exists():
        text = _TABLE.sub("[tool.evalgate.", one.text)
        return ToWrite(config.PYPROJECT_FILE, text, by_hand=True)
    before = files.read_bytes(path)
    is_ours = before.startswith(MADE_FROM.encode())
    return one if before == one.text.encode() or (is_ours and force) else replace(one, by_hand=True)


_TABLE: Final = re.compile(r"^\[(?=(?:models|judges|suites|report)\b)", re.MULTILINE)


def _configured(root: Path) -> Settings | None:
    """Return the configuration; None if it has mistakes."""
    try:
        return config.load(root)
    except UserError:
        return None
