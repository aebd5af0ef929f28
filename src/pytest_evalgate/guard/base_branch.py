"""Base branch: its configuration, golden sets and baselines at the merge base, and the differences of this branch.

`find_base` finds the merge base, `BaseCheckout` extracts files of that commit, and `BaseBranch` compares. A branch
cannot loosen its own gate unseen: the base's baseline is used, and every other change is listed in the verdict.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pytest_evalgate import config, golden
from pytest_evalgate.config import DEFAULT_TIER, for_tier
from pytest_evalgate.errors import GoldenSetError, SettingsError, UserError
from pytest_evalgate.records.results import BASE_SUFFIX, GateChange
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import git
from pytest_evalgate.runs.plan import NO_CHANGES, BranchChanges, slice_values
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.config import Settings
    from pytest_evalgate.guard.golden_changes import GoldenChanges
    from pytest_evalgate.records.results import Baseline, Case, GoldenSet

OPTION = "--eval-base-ref"
BASE_VARIABLE = "GITHUB_BASE_REF"
_GIT = "git:"
_FOLDER = "base"


@dataclass(frozen=True, slots=True)
class FoundBase:
    """The base branch if it was found, else a note on why it could not be used."""

    branch: BaseBranch | None = None
    note: str | None = None


def find_base(
    requested_ref: str | None,
    settings: Settings,
    *,
    root: Path,
    state: Path,
    tier: str = DEFAULT_TIER,
    environ: Mapping[str, str] = os.environ,
) -> FoundBase:
    """Find the base that this branch is compared with.

    The shallow checkout of a pull request may not contain its base; then a note is reported and nothing fails. A base
    from the command line must exist.

    Args:
        requested_ref: The ref from the command line, if any.
        settings: Configuration of this branch, with all its tiers.
        root: Root folder.
        state: State folder.
        tier: The tier that runs.
        environ: Environment; GitHub sets ``GITHUB_BASE_REF`` for pull requests.

    Raises:
        SettingsError: the ref from the command line cannot be used.
    """
    ref = base_ref(requested_ref, environ)
    if ref is None:
        return FoundBase()
    try:
        tree = BaseCheckout.at(ref, root=root, folder=state / _FOLDER)
    except SettingsError as error:
        if requested_ref:
            raise
        return FoundBase(note=f"changes of this branch to its own gate are unknown: {error}")
    return FoundBase(BaseBranch(tree, root, settings, state, tier))


def base_ref(option: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the ref to compare with: the option, else the target branch of the pull request, else None."""
    if option:
        return option
    branch = environ.get(BASE_VARIABLE)
    return f"origin/{branch}" if branch else None


@dataclass(frozen=True, slots=True)
class BaseCheckout:
    """Files of the project ``root`` at ``commit``, extracted into ``folder`` on demand."""

    root: Path
    commit: str
    folder: Path

    @classmethod
    def at(cls, ref: str, *, root: Path, folder: Path) -> Self:
        """Return the checkout of the merge base of ``ref`` and HEAD.

        Args:
            ref: A branch, a tag or a commit.
            root: Root folder of the project.
            folder: Folder for the extracted files; it is created, and files in it are overwritten.

        Raises:
            SettingsError: there is no git repository, no such ref or no merge base; the message names the next step.
        """
        try:
            return cls(root, git.merge_base(root, ref), folder)
        except UserError as error:
            raise SettingsError(f"{OPTION} {ref}: {error}") from None

    def extract(self, path: str) -> Path:
        """Extract a file of the base and return its path; the path does not exist if the base has no such file.

        Args:
            path: The file, relative to the root folder; symbolic links are resolved in the working tree.

        Raises:
            SettingsError: the file is outside of the root folder, or cannot be read.
        """
        name = files.relative_name((self.root / path).resolve(), self.root.resolve())
        if Path(name).is_absolute():
            raise SettingsError(f"{self}: {path} is outside of {self.root}: move files that the gate reads into it")
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

    def baseline(self, suite: str, *, configured: str | None, state: Path) -> Baseline | None:
        """Read the baseline of a suite at the base; None if the base has none.

        Args:
            suite: Name of the suite.
            configured: Baseline configured at the base; ``git:REF`` is read at REF.
            state: State folder of the project.

        Raises:
            BaselineError: the baseline cannot be used.
        """
        file = baselines.file_of(configured, suite=suite, root=self.root, state=state)
        if configured is not None and configured.startswith(_GIT):
            return baselines.find(configured, suite=suite, file=file, root=self.root)
        name = files.relative_name(file, self.root)
        if not self.extract(name).exists():
            return None
        return baselines.find(f"{_GIT}{self.commit}", suite=suite, file=file, root=self.root)

    def __str__(self) -> str:
        """Return the name of the base for messages."""
        return f"at the merge base {self.commit[:12]}"


@dataclass
class BaseBranch:
    """Comparison of this branch with its base.

    Args:
        tree: Files at the merge base.
        root: Root folder.
        head: Configuration of this branch, with all its tiers.
        state: State folder.
        tier: The tier that runs.
    """

    tree: BaseCheckout
    root: Path
    head: Settings
    state: Path
    tier: str = DEFAULT_TIER
    _golden: dict[str, GoldenChanges] = field(default_factory=dict)

    @cached_property
    def settings(self) -> Settings:
        """Configuration of the base, with the values of the tier that runs.

        Raises:
            SettingsError: the configuration cannot be used.
        """
        return for_tier(self._all_tiers, self.tier)

    @property
    def default_tier(self) -> str:
        """Default tier of the base."""
        return self._all_tiers.default_tier

    @cached_property
    def _all_tiers(self) -> Settings:
        return self.tree.settings()

    def sides(self, name: str, sets: Sequence[GoldenSet]) -> BranchChanges:
        """Return the cases of a suite that this branch changed, and the base's versions of them, which still run.

        Raises:
            UserError: the golden sets of the base cannot be read.
        """
        suite = self.settings.suites.get(name)
        if suite is None:
            return NO_CHANGES
        from pytest_evalgate.guard.golden_changes import golden_changes  # noqa: PLC0415 - only if there is a base

        known = [path for golden_file in suite.golden if (path := self.tree.extract(golden_file)).exists()]
        before = self._load(known)
        found = self._golden[name] = golden_changes(before, sets, suite=suite, read=slice_values)
        return BranchChanges(found.changed, tuple(map(_as_base_case, found.base_cases)))

    def has_suite(self, name: str) -> bool:
        """Return whether the base has a suite of that name."""
        return name in self.settings.suites

    @cached_property
    def changes(self) -> tuple[GateChange, ...]:
        """Changes of this branch to the gate. Call `sides` for each suite first."""
        from pytest_evalgate.guard.settings_changes import acknowledge, settings_changes  # noqa: PLC0415 - the same

        found = [
            *settings_changes(self._all_tiers, self.head, self.tier),
            *self._judge_changes,
            *self._golden_changes,
            *self._baseline_changes,
        ]
        known = self.settings.acknowledged
        return tuple(map(_without_effect_if_unused, acknowledge(found, self.head.acknowledged, known=known)))

    def baseline(self, name: str, head: Baseline | None) -> Baseline | None:
        """Return the baseline to compare a suite with: that of the base, unless its change is acknowledged.

        Args:
            name: Name of the suite.
            head: Baseline in this checkout, used if the base has none.

        Raises:
            BaselineError: the baseline of the base cannot be used.
        """
        if not self.has_suite(name):
            return head
        if name in self.head.suites and f"suites.{name}.baseline" in self._acknowledged_places:
            return self._head_baseline(name)
        return self._base_baseline(name) or head

    @cached_property
    def _acknowledged_places(self) -> frozenset[str]:
        """Places of acknowledged changes, without the acknowledgements of earlier changes, which the base contains."""
        earlier = self.settings.acknowledged
        return frozenset(one.change for one in self.head.acknowledged if one not in earlier)

    def _head_baseline(self, name: str) -> Baseline | None:
        return own_baseline(self.head.suites[name].baseline, suite=name, root=self.root, state=self.state)

    def _base_baseline(self, name: str) -> Baseline | None:
        configured = self.settings.suites[name].baseline
        if configured is None and Path(files.relative_name(self.state, self.root)).is_absolute():
            return own_baseline(None, suite=name, root=self.root, state=self.state)  # outside of the repository
        return self.tree.baseline(name, configured=configured, state=self.state)

    def _load(self, paths: Sequence[Path]) -> tuple[GoldenSet, ...]:
        try:
            return golden.load(paths, root=self.tree.folder)
        except GoldenSetError as error:
            raise UserError("\n".join(f"{self.tree}: {problem}" for problem in error.problems)) from None

    @property
    def _judge_changes(self) -> Iterator[GateChange]:
        """Changes of judges whose tables are equal but whose files or models differ."""
        from pytest_evalgate.judges.build import parts_of_judge  # noqa: PLC0415 - few projects have one

        for name, judge in self.settings.judges.items():
            if self.head.judges.get(name) != judge:
                continue
            for file in filter(None, (judge.rubric, judge.few_shots)):
                self.tree.extract(file)
            before = parts_of_judge(name, self.settings, root=self.tree.folder)
            now = parts_of_judge(name, self.head, root=self.root)
            for part in before:
                if before[part] != now.get(part):
                    old, new = (value[:12] for value in (before[part], now.get(part, "")))
                    yield GateChange(f"judge's {part} changed", f"judges.{name}", old, new, "weaker")

    @property
    def _golden_changes(self) -> Iterator[GateChange]:
        return (change for found in self._golden.values() for change in found.changes)

    @property
    def _baseline_changes(self) -> Iterator[GateChange]:
        """Changes of the baselines of the suites that run; other baselines are not read."""
        from pytest_evalgate.guard.settings_changes import baseline_changes  # noqa: PLC0415 - the same

        for name in self._golden:
            if name in self.head.suites:
                yield from baseline_changes(self._base_baseline(name), self._head_baseline(name))


def _as_base_case(case: Case) -> Case:
    return replace(case, id=f"{case.id}{BASE_SUFFIX}", side="base")


def _without_effect_if_unused(change: GateChange) -> GateChange:
    """Return a weaker baseline change as neutral if it is not acknowledged: the changed baseline is not used then."""
    if not change.what.startswith("baseline") or change.effect != "weaker" or change.acknowledged is not None:
        return change
    return replace(change, now=f"{change.now} (not used: the base's own is)", effect="neutral")


def own_baseline(
    configured: str | None, *, suite: str, root: Path, state: Path, against: str | None = None
) -> Baseline | None:
    """Read the baseline of a suite in this checkout; None if there is none yet.

    Args:
        configured: Configured baseline: a file, or ``git:REF``.
        suite: Name of the suite.
        root: Root folder.
        state: State folder.
        against: Baseline to use instead.

    Raises:
        BaselineError: the baseline cannot be used.
    """
    file = baselines.file_of(configured, suite=suite, root=root, state=state)
    commit = configured if configured is not None and configured.startswith(_GIT) else None
    return baselines.find(against or commit, suite=suite, file=file, root=root)
