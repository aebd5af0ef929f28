"""What ``init`` finds in a project: packaging, pytest, golden sets, files to import, applications and endpoints.

Files are read as data; nothing of the project is imported or run.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_evalgate import config, golden, importing
from pytest_evalgate.app.python_project import PythonProject
from pytest_evalgate.app.starter import cases_of
from pytest_evalgate.cli.init.endpoints import find_endpoints
from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.markers import describe_place, find_marked
from pytest_evalgate.runs import git
from pytest_evalgate.text.files import read_head, relative_name
from pytest_evalgate.text.folders import walk_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.cli.init.endpoints import NamedEndpoint
    from pytest_evalgate.config import Settings
    from pytest_evalgate.records.cases import Case

_DEPTH: Final = 4
_MOST_FILES: Final = 5_000
_LARGEST: Final = 5_000_000
_MOST_GOLDEN: Final = 20
_OLDEST_PYTHON: Final = 11
_USUAL_PYTHON: Final = 12
_EXTRAS: Final = ("evals", "eval", "test", "tests", "testing", "dev")
_REQUIREMENTS: Final = ("requirements.txt", "requirements-dev.txt", "requirements-test.txt", "requirements_dev.txt")
_PROMPTS: Final = (".md", ".txt", ".j2", ".jinja")
_INPUT: Final = re.compile(rb"\{\{ *input\b")
_COLUMNS: Final = re.compile(
    r"\b(question|input|prompt|query|frage|utterance|expected|answer|reference|ground.?truth|antwort)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class FoundGolden:
    """A golden set: its path relative to the root folder, and its cases."""

    path: str
    cases: Sequence[Case]

    @property
    def has_outputs(self) -> bool:
        """Whether any of its rows contains a recorded output."""
        return any(case.output is not None for case in self.cases)


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file of recorded outputs: its path relative to the root folder, and its ids."""

    path: str
    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Importable:
    """A file of another format: its path relative to the root folder, and what it is."""

    path: str
    kind: str

    @property
    def is_configuration(self) -> bool:
        """Whether it configures another tool, so that importing it writes a configuration, too."""
        return self.kind == "promptfoo configuration"


@dataclass(frozen=True)
class Detected(PythonProject):
    """The project in ``root``, with the environment ``environ``. Every property is computed once, on first use."""

    environ: Mapping[str, str]

    @cached_property
    def configuration(self) -> str | None:
        """The file with the configuration; None if there is none."""
        try:
            names = [name for name in (config.CONFIG_FILE, config.PYPROJECT_FILE) if (self.root / name).is_file()]
            found = config.is_configured(self.root)
        except UserError:  # it cannot be parsed
            return config.CONFIG_FILE if (self.root / config.CONFIG_FILE).exists() else None
        return names[0] if found else None

    @cached_property
    def settings(self) -> Settings | None:
        """The configuration; None if there is none, or it has mistakes."""
        try:
            return config.load(self.root) if self.configuration else None
        except UserError:
            return None

    @cached_property
    def project(self) -> str | None:
        """The name of the distribution."""
        name = self.table("project").get("name")
        return name if isinstance(name, str) else None

    @cached_property
    def prompt(self) -> str | None:
        """A file with a prompt in which the input of a case has its place."""
        texts = (path for path in self._files if path.parent.name == "prompts" and path.suffix in _PROMPTS)
        return next((relative_name(path, self.root) for path in texts if _INPUT.search(read_head(path))), None)

    @cached_property
    def testpaths(self) -> tuple[str, ...]:
        """The folders of ``testpaths``."""
        return self.pytest_setting("testpaths")

    @cached_property
    def install(self) -> str:
        """The command that installs this package and the project."""
        project = self.table("project")
        if self.is_packaged:
            extras = project.get("optional-dependencies", {})
            extra = next((name for name in _EXTRAS if name in extras), None)
            return f'pip install pytest-evalgate -e ".[{extra}]"' if extra else "pip install pytest-evalgate -e ."
        lists = [f"-r {name}" for name in _REQUIREMENTS if (self.root / name).is_file()]
        return " ".join(["pip install pytest-evalgate", *lists])

    @cached_property
    def python(self) -> str:
        """The version of Python for CI: 3.12, or the oldest that the project accepts."""
        wanted = str(self.table("project").get("requires-python", ""))
        oldest = re.search(r"(?:>=|~=|==)\s*3\.(\d+)", wanted)
        newest = re.search(r"<\s*3\.(\d+)", wanted)
        minor = max(_USUAL_PYTHON, int(oldest[1]) if oldest else 0)
        if newest and minor >= int(newest[1]):
            minor = max(_OLDEST_PYTHON, int(newest[1]) - 1)
        return f"3.{minor}"

    @cached_property
    def marked_tests(self) -> tuple[str, ...]:
        """The places of marked tests."""
        found = find_marked(self.root)
        return tuple(describe_place(file.path, test, self.root) for file in found for test in file.tests)

    @cached_property
    def endpoints(self) -> tuple[NamedEndpoint, ...]:
        """The endpoints that the environment names."""
        return find_endpoints(self.environ)

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        return tuple(walk_files(self.root, depth=_DEPTH, most=_MOST_FILES))

    @cached_property
    def golden_sets(self) -> tuple[FoundGolden, ...]:
        """The golden sets that can be read as they are."""
        return tuple(found for found in self._rows if isinstance(found, FoundGolden))

    @cached_property
    def recordings(self) -> tuple[RecordedFile, ...]:
        """The files of recorded outputs."""
        return tuple(found for found in self._rows if isinstance(found, RecordedFile))

    @cached_property
    def _rows(self) -> tuple[FoundGolden | RecordedFile, ...]:
        paths = [path for path in self._files if path.suffix.lower() in (".jsonl", ".ndjson")]
        found = (_read_rows(path, self.root) for path in paths[: 2 * _MOST_GOLDEN])
        return tuple(one for one in found if one is not None)[:_MOST_GOLDEN]

    @cached_property
    def importable(self) -> tuple[Importable, ...]:
        """The files that ``pytest-evalgate import`` may turn into golden sets."""
        kinds = ((path, _kind(path)) for path in self._files)
        return tuple(Importable(relative_name(path, self.root), kind) for path, kind in kinds if kind)[:_MOST_GOLDEN]

    def imported_cases(self, path: str, to: str) -> tuple[Case, ...]:
        """Return the cases that ``import`` writes for a file; none if it is large, or ``import`` refuses it."""
        source = self.root / path
        try:
            if source.stat().st_size > _LARGEST:
                return ()
            return cases_of(importing.read(source, importing.ImportOptions(golden=to), root=self.root).cases)
        except (OSError, UserError):
            return ()

    @cached_property
    def branch(self) -> str:
        """The default branch of the repository."""
        head = _git(self.root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD")
        current = _git(self.root, "symbolic-ref", "--short", "HEAD")
        name = head.partition("/")[2] or (current if current in ("main", "master", "trunk") else "main")
        return name if re.fullmatch(r"[\w./-]+", name) else "main"

    @cached_property
    def subfolder(self) -> str:
        """This folder, relative to the top of the git repository; empty at the top, and outside of a repository."""
        return _git(self.root, "rev-parse", "--show-prefix").rstrip("/")


def _git(root: Path, *arguments: str) -> str:
    try:
        return git.output(root, *arguments)
    except UserError:  # git is missing
        return ""


def _read_rows(path: Path, root: Path) -> FoundGolden | RecordedFile | None:
    """Read a file of rows: a golden set, or recorded outputs; None if it is neither."""
    try:
        if path.stat().st_size > _LARGEST:
            return None
    except OSError:
        return None
    name = relative_name(path, root)
    read = golden.read_file(path, name)
    if read.problems or len(read.golden) == 0:
        return None
    if any(case.question for case in read.golden):
        return FoundGolden(name, tuple(read.golden))
    has_outputs = all(case.output is not None for case in read.golden)
    return RecordedFile(name, frozenset(case.id for case in read.golden)) if has_outputs else None


def _kind(path: Path) -> str | None:
    """Return what a file of another format is; None if it does not look like a golden set."""
    name, suffix = path.name.lower(), path.suffix.lower()
    if re.fullmatch(r"promptfooconfig\.(ya?ml|json)", name):
        return "promptfoo configuration"
    if suffix in (".csv", ".tsv"):
        header = read_head(path).decode("utf-8-sig", "replace").partition("\n")[0]
        return "table" if len(set(map(str.lower, _COLUMNS.findall(header.replace("_", " "))))) > 0 else None
    if suffix == ".xlsx" and not name.startswith("~$"):
        return "workbook"
    if suffix == ".json":
        head = read_head(path)
        is_list = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{")
        has_fields = b'"input"' in head and (b'"expected_output"' in head or b'"actual_output"' in head)
        return "dataset of deepeval" if is_list and has_fields else None
    return None
