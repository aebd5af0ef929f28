"""The project as it stands at the merge base: what a branch may not choose for itself is read from there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pytest_evalgate import files, settings
from pytest_evalgate.errors import SettingsError, UserError
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import git

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.data import Baseline
    from pytest_evalgate.settings import Settings

OPTION = "--eval-base-ref"
BASE_VARIABLE = "GITHUB_BASE_REF"
_GIT = "git:"


def base_ref(option: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the ref to compare with: the option's, else the branch that a pull request goes to, else None."""
    if option:
        return option
    branch = environ.get(BASE_VARIABLE)
    return f"origin/{branch}" if branch else None


@dataclass(frozen=True, slots=True)
class BaseTree:
    """Brings files of the project at ``root`` as they stand at ``commit`` into ``folder``, where loaders read them."""

    root: Path
    commit: str
    folder: Path

    @classmethod
    def at(cls, ref: str, *, root: Path, folder: Path) -> Self:
        """Find the merge base of ``ref`` and the commit that is checked out.

        Args:
            ref: A branch, a tag or a commit.
            root: The root folder of the project.
            folder: Where files of the base may be put; it is made, and what stands in it is written over.

        Raises:
            SettingsError: there is no git repository, no such ref, or no merge base; says what to do.

        """
        try:
            return cls(root, git.merge_base(root, ref), folder)
        except UserError as error:
            raise SettingsError(f"{OPTION} {ref}: {error}") from None

    def bring(self, path: str) -> Path:
        """Put a file of the base into the folder, and return where it is; there is no file where the base has none.

        Args:
            path: The file, relative to the root folder; symbolic links are resolved as they stand now.

        Raises:
            SettingsError: it lies outside of the root folder, or cannot be read.

        """
        name = files.relative_name((self.root / path).resolve(), self.root.resolve())
        if Path(name).is_absolute():
            raise SettingsError(f"{self}: {path} lies outside of {self.root}: keep what the gate rests on in it")
        here = self.folder / name
        try:
            data = git.file_at(self.root, self.commit, name)
        except UserError as error:
            raise SettingsError(f"{self}: {name}: {error}") from None
        if data is None:
            here.unlink(missing_ok=True)
        else:
            files.write_atomically(here, data)
        return here

    def settings(self) -> Settings:
        """Read the configuration of the base; defaults where it had none.

        Raises:
            SettingsError: it cannot be used; each problem names the commit.

        """
        for name in (settings.CONFIG_FILE, settings.PYPROJECT_FILE):
            self.bring(name)
        try:
            return settings.load(self.folder)
        except SettingsError as error:
            raise SettingsError("\n".join(f"{self}: {line}" for line in str(error).splitlines())) from None

    def baseline(self, suite: str, *, configured: str | None, state: Path) -> Baseline | None:
        """Read the baseline of a suite; None where the base had none yet.

        Args:
            suite: The suite.
            configured: Its baseline as the base configures it; one at another commit is read there.
            state: The state folder of the project.

        Raises:
            BaselineError: it cannot be used.

        """
        file = baselines.file_of(configured, suite=suite, root=self.root, state=state)
        if configured is not None and configured.startswith(_GIT):
            return baselines.find(configured, suite=suite, file=file, root=self.root)
        name = files.relative_name(file, self.root)
        if not self.bring(name).exists():
            return None
        return baselines.find(f"{_GIT}{self.commit}", suite=suite, file=file, root=self.root)

    def __str__(self) -> str:
        """Name the base in messages."""
        return f"at the merge base {self.commit[:12]}"
