"""The base branch: what its configuration, golden sets and baselines say, and how this branch differs from them."""

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

_COMMIT = "git:"


def own_baseline(
    configured: str | None, *, suite: str, root: Path, state: Path, against: str | None = None
) -> Baseline | None:
    """Read the baseline of a suite; None where there is none yet.

    Args:
        configured: Where the suite's own is, as its settings say: a file, or ``git:REF``.
        suite: The suite.
        root: The root folder.
        state: The state folder.
        against: What to compare with instead.

    Raises:
        BaselineError: it cannot be used.

    """
    file = baselines.file_of(configured, suite=suite, root=root, state=state)
    commit = configured if configured is not None and configured.startswith(_COMMIT) else None
    return baselines.find(against or commit, suite=suite, file=file, root=root)


@dataclass
class BaseBranch:
    """Compares this branch with its base.

    Args:
        tree: Reads files as they stand at the merge base.
        root: The root folder.
        head: The configuration of this branch, with all its tiers.
        state: The state folder.
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
        """The configuration of the base, as the tier that runs has it.

        Raises:
            SettingsError: it cannot be used.

        """
        return for_tier(self._all_tiers, self.tier)

    @property
    def default_tier(self) -> str:
        """The tier that runs at the base where none is asked for."""
        return self._all_tiers.default_tier

    @cached_property
    def _all_tiers(self) -> Settings:
        return self.tree.settings()

    def sides(self, name: str, sets: Sequence[GoldenSet]) -> BranchChanges:
        """Say which cases of a suite this branch changed, and which of the base still run as they stood there.

        Raises:
            UserError: the golden sets of the base cannot be read.

        """
        suite = self.settings.suites.get(name)
        if suite is None:
            return NO_CHANGES
        from pytest_evalgate.guard.golden_changes import golden_changes  # noqa: PLC0415 - scipy

        known = [path for golden_file in suite.golden if (path := self.tree.extract(golden_file)).exists()]
        before = self._load(known)
        found = self._golden[name] = golden_changes(before, sets, suite=suite, read=slice_values)
        return BranchChanges(found.changed, tuple(map(_as_base_case, found.base_cases)))

    def has_suite(self, name: str) -> bool:
        """Tell whether the base has a suite of that name."""
        return name in self.settings.suites

    @cached_property
    def changes(self) -> tuple[GateChange, ...]:
        """Everything that this branch changed in the gate; the sides of all its suites have been asked for."""
        from pytest_evalgate.guard.settings_changes import acknowledge, settings_changes  # noqa: PLC0415 - scipy

        found = [
            *settings_changes(self._all_tiers, self.head, self.tier),
            *self._judge_changes,
            *self._golden_changes,
            *self._baseline_changes,
        ]
        known = self.settings.acknowledged
        return tuple(map(_without_effect_if_unused, acknowledge(found, self.head.acknowledged, known=known)))

    def baseline(self, name: str, head: Baseline | None) -> Baseline | None:
        """Return what a suite is compared with: nobody chooses that in a branch, unless somebody answers for it.

        Args:
            name: The suite.
            head: Its baseline in this checkout: it stands where the base has none.

        Raises:
            BaselineError: the one of the base cannot be used.

        """
        if not self.has_suite(name):
            return head
        if name in self.head.suites and f"suites.{name}.baseline" in self._acknowledged_places:
            return self._head_baseline(name)
        return self._base_baseline(name) or head

    @cached_property
    def _acknowledged_places(self) -> frozenset[str]:
        """Where somebody answers for a change; what the base holds too was said of an earlier one."""
        earlier = self.settings.acknowledged
        return frozenset(one.change for one in self.head.acknowledged if one not in earlier)

    def _head_baseline(self, name: str) -> Baseline | None:
        return own_baseline(self.head.suites[name].baseline, suite=name, root=self.root, state=self.state)

    def _base_baseline(self, name: str) -> Baseline | None:
        configured = self.settings.suites[name].baseline
        if configured is None and Path(files.relative_name(self.state, self.root)).is_absolute():
            return own_baseline(None, suite=name, root=self.root, state=self.state)  # no branch holds that folder
        return self.tree.baseline(name, configured=configured, state=self.state)

    def _load(self, paths: Sequence[Path]) -> tuple[GoldenSet, ...]:
        try:
            return golden.load(paths, root=self.tree.folder)
        except GoldenSetError as error:
            raise UserError("\n".join(f"{self.tree}: {problem}" for problem in error.problems)) from None

    @property
    def _judge_changes(self) -> Iterator[GateChange]:
        """List judges whose tables are as they were, and of which a file or the model behind the name is not."""
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
        """Compare the baselines of the suites whose sides were asked for: others are not read in this session."""
        from pytest_evalgate.guard.settings_changes import baseline_changes  # noqa: PLC0415 - scipy

        for name in self._golden:
            if name in self.head.suites:
                yield from baseline_changes(self._base_baseline(name), self._head_baseline(name))


def _as_base_case(case: Case) -> Case:
    return replace(case, id=f"{case.id}{BASE_SUFFIX}", side="base")


def _without_effect_if_unused(change: GateChange) -> GateChange:
    """A baseline that nobody answers for is not used: it weakens nothing."""
    if not change.what.startswith("baseline") or change.effect != "weaker" or change.acknowledged is not None:
        return change
    return replace(change, now=f"{change.now} (not used: the base's own is)", effect="neutral")


_FOLDER = "base"


@dataclass(frozen=True, slots=True)
class FoundBase:
    """The base branch, if there is one, and why there is none though one was told."""

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
    """Find what this branch is compared with.

    A pull request's own checkout may not reach back to its base: that is told in the report and fails nothing. A base
    that was asked for has to be there.

    Args:
        requested_ref: The ref that was asked for.
        settings: The configuration of this branch, with all its tiers.
        root: The root folder.
        state: The state folder.
        tier: The tier that runs.
        environ: Where a pull request tells its base.

    Raises:
        SettingsError: the ref that was asked for cannot be used.

    """
    ref = base_ref(requested_ref, environ)
    if ref is None:
        return FoundBase()

    try:
        tree = BaseCheckout.at(ref, root=root, folder=state / _FOLDER)
    except SettingsError as error:
        if requested_ref:
            raise
        return FoundBase(note=f"what this branch changed in the gate is not known: {error}")
    return FoundBase(BaseBranch(tree, root, settings, state, tier))


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
class BaseCheckout:
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

    def extract(self, path: str) -> Path:
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
        for name in (config.CONFIG_FILE, config.PYPROJECT_FILE):
            self.extract(name)
        try:
            return config.load(self.folder)
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
        if not self.extract(name).exists():
            return None
        return baselines.find(f"{_GIT}{self.commit}", suite=suite, file=file, root=self.root)

    def __str__(self) -> str:
        """Name the base in messages."""
        return f"at the merge base {self.commit[:12]}"
