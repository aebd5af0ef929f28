"""Files of the project at the merge base, read from git objects and extracted into a private temporary folder.

A folder of the project is not safe: the branch could contain links through which files are overwritten.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import tempfile
import weakref
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from pytest_evalgate import config
from pytest_evalgate.errors import SettingsError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import git
from pytest_evalgate.runs.git_tree import CommitTree
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_evalgate.config import Settings
    from pytest_evalgate.records.verdicts import Baseline

OPTION = "--eval-base-ref"
BASE_VARIABLE = "GITHUB_BASE_REF"
_GIT = "git:"
_HEAD: Final = re.compile(r"git:(HEAD|@)(?=[~^]|$)")


@dataclass
class BaseCheckout:
    """Files of the project ``root`` at ``commit``, extracted on demand."""

    root: Path
    commit: str
    _tree: CommitTree = field(init=False)
    _remove: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        """Create the reader of the commit; files are extracted later."""
        self._tree = CommitTree(self.root, self.commit)

    @classmethod
    def at(cls, ref: str, *, root: Path) -> Self:
        """Return the checkout of the merge base of ``ref`` and HEAD.

        Args:
            ref: A branch, a tag or a commit; ``origin/BRANCH`` may be the target branch of a pull request on GitHub.
            root: Root folder of the project.

        Raises:
            SettingsError: there is no git repository, no such ref or no merge base; the message names the next step.
        """
        target = os.environ.get(BASE_VARIABLE)
        if target and ref.removeprefix("refs/remotes/") == f"origin/{target}":
            return cls.of_pull_request(root, os.environ)
        try:
            return cls(root, git.merge_base(root, ref))
        except UserError as error:
            raise SettingsError(f"{OPTION} {ref}: {error}") from None

    @classmethod
    def of_pull_request(cls, root: Path, environ: Mapping[str, str]) -> Self:
        """Return the checkout of the merge base with the target branch of a pull request on GitHub.

        Raises:
            SettingsError: it is not in this clone; the message names the next step.
        """
        branch = environ.get(BASE_VARIABLE, "")
        try:
            return cls(root, git.pull_request_base(root, branch, environ))
        except UserError as error:
            raise SettingsError(f"origin/{branch}: {error}") from None

    @cached_property
    def folder(self) -> Path:
        """The folder of the extracted files, which is removed with this object."""
        folder = Path(tempfile.mkdtemp(prefix="evalgate-base-")).resolve()
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def close(self) -> None:
        """Remove the extracted files."""
        if self._remove is not None:
            self._remove()

    def name(self, path: str | Path) -> str:
        """Return a path relative to the root folder, without following links.

        Raises:
            SettingsError: it is outside of the root folder.
        """
        name = Path(os.path.normpath(self.root / path))
        if not name.is_relative_to(self.root):
            raise SettingsError(f"{self}: {path} is outside of {self.root}: move files that the gate reads into it")
        return name.relative_to(self.root).as_posix()

    def read(self, path: str | Path) -> bytes | None:
        """Return the content of a file at the base; None if the base has no such file.

        Raises:
            SettingsError: the file is outside of the root folder, or cannot be read.
        """
        name = self.name(path)
        try:
            return self._tree.read(name)
        except UserError as error:
            raise SettingsError(f"{self}: {name}: {error}") from None

    def extract(self, path: str | Path) -> Path:
        """Extract a file of the base and return its path; the path does not exist if the base has no such file.

        Raises:
            SettingsError: the file is outside of the root folder, or cannot be read.
        """
        data = self.read(path)
        here = self.folder / self.name(path)
        if data is None:
            here.unlink(missing_ok=True)
        else:
            files.write_atomically(here, data)
        return here

    def names_in(self, folder: str | Path) -> list[str]:
        """Return the names of the entries of a folder at the base; none if the base has no such folder."""
        try:
            return self._tree.names_in(self.name(folder))
        except UserError as error:
            raise SettingsError(f"{self}: {folder}: {error}") from None

    def find(self, *names: str) -> list[str]:
        """Return the files of the base below the root folder that have one of these names, relative to it."""
        start = f"{self._tree.prefix}/" if self._tree.prefix else ""
        return [name.removeprefix(start) for name in self._tree.names(*names) if name.startswith(start)]

    def settings(self) -> Settings:
        """Read the configuration of the base; without one, return the defaults.

        Raises:
            SettingsError: the configuration cannot be used; each problem names the commit.
        """
        for name in (config.CONFIG_FILE, config.PYPROJECT_FILE):
            self.extract(name)
        try:
            return config.load(self.folder)
        except SettingsError as error:
            raise SettingsError("\n".join(f"{self}: {line}" for line in str(error).splitlines())) from None

    def configured_elsewhere(self, cwd: Path) -> Iterator[str]:
        """Yield the configurations of the base that this branch does not use: removed ones, and one nearer to ``cwd``.

        A branch could move the root folder of pytest to a folder for which the base has no gates.
        """
        top = self._tree.top
        here = self._tree.prefix
        inside = cwd.relative_to(top).as_posix() if cwd.is_relative_to(top) else None
        for name in self._tree.names(config.CONFIG_FILE, config.PYPROJECT_FILE):
            folder = posixpath.dirname(name)
            if folder == here:
                continue
            is_above_cwd = inside is not None and (not folder or f"{inside}/".startswith(f"{folder}/"))
            is_below_root = not here or folder.startswith(f"{here}/")
            left = (is_above_cwd and is_below_root) or (not self.is_configured and (is_above_cwd or _gone(top, name)))
            if left and self._is_configuration(name):
                yield name

    @cached_property
    def is_configured(self) -> bool:
        """Whether the base has a configuration in the root folder."""
        files_here = (posixpath.join(self._tree.prefix, name) for name in (config.CONFIG_FILE, config.PYPROJECT_FILE))
        return any(map(self._is_configuration, files_here))

    def _is_configuration(self, name: str) -> bool:
        """Return whether a file, relative to the top folder of the repository, configures evalgate."""
        try:
            data = self._tree.read_from_top(name)
        except UserError as error:
            raise SettingsError(f"{self}: {name}: {error}") from None
        return data is not None and (not name.endswith(config.PYPROJECT_FILE) or b"evalgate" in data)

    def baseline(self, suite: str, *, configured: str | None, state: Path) -> Baseline | None:
        """Read the baseline of a suite at the base; None if the base has none.

        Args:
            suite: Name of the suite.
            configured: Baseline configured at the base; ``git:REF`` is read at REF.
            state: State folder of the project.

        Raises:
            BaselineError: the baseline cannot be used.
        """
        default = baselines.file_of(None, suite=suite, root=self.root, state=state)
        if configured is not None and configured.startswith(_GIT):
            spec = _HEAD.sub(f"{_GIT}{self.commit}", configured)  # HEAD of the base, not of this branch
            return baselines.find(spec, suite=suite, file=default, root=self.root)
        name = self.name(default if configured is None else configured)
        if self.read(name) is None:
            return None
        return baselines.find(f"{_GIT}{self.commit}", suite=suite, file=self.root / name, root=self.root)

    def __str__(self) -> str:
        """Return the name of the base for messages."""
        return f"at the merge base {self.commit[:12]}"


def _gone(top: Path, name: str) -> bool:
    """Return whether a file was removed, or a folder in its path was replaced by a link."""
    place = top
    for part in name.split("/"):
        place /= part
        if place.is_symlink() or not place.exists():
            return True
    return False
