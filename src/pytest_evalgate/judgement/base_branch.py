"""The base branch: what its configuration, golden sets and baselines say, and how this branch differs from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import files, golden
from pytest_evalgate.data import BASE_SUFFIX, GateChange
from pytest_evalgate.errors import GoldenSetError, UserError
from pytest_evalgate.judgement.own_baseline import own_baseline
from pytest_evalgate.runs.plan import ALONE, Sides, slice_values
from pytest_evalgate.settings import DEFAULT_TIER, for_tier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import Baseline, Case, GoldenSet
    from pytest_evalgate.gates.golden_changes import GoldenChanges
    from pytest_evalgate.runs.base import BaseTree
    from pytest_evalgate.settings import Settings


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

    tree: BaseTree
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
        return for_tier(self._written, self.tier)

    @property
    def default_tier(self) -> str:
        """The tier that runs at the base where none is asked for."""
        return self._written.default_tier

    @cached_property
    def _written(self) -> Settings:
        return self.tree.settings()

    def sides(self, name: str, sets: Sequence[GoldenSet]) -> Sides:
        """Say which cases of a suite this branch changed, and which of the base still run as they stood there.

        Raises:
            UserError: the golden sets of the base cannot be read.

        """
        suite = self.settings.suites.get(name)
        if suite is None:
            return ALONE
        from pytest_evalgate.gates.golden_changes import golden_changes  # noqa: PLC0415 - scipy

        known = [path for golden_file in suite.golden if (path := self.tree.bring(golden_file)).exists()]
        before = self._load(known)
        found = self._golden[name] = golden_changes(before, sets, suite=suite, read=slice_values)
        return Sides(found.changed, tuple(map(_as_it_stood, found.still_run)))

    def knows(self, name: str) -> bool:
        """Tell whether the base has a suite of that name."""
        return name in self.settings.suites

    @cached_property
    def changes(self) -> tuple[GateChange, ...]:
        """Everything that this branch changed in the gate; the sides of all its suites have been asked for."""
        from pytest_evalgate.gates.weakening import acknowledge, settings_changes  # noqa: PLC0415 - scipy

        found = [
            *settings_changes(self._written, self.head, self.tier),
            *self._judge_changes,
            *self._golden_changes,
            *self._baseline_changes,
        ]
        known = self.settings.acknowledged
        return tuple(map(_settled, acknowledge(found, self.head.acknowledged, known=known)))

    def baseline(self, name: str, head: Baseline | None) -> Baseline | None:
        """Return what a suite is compared with: nobody chooses that in a branch, unless somebody answers for it.

        Args:
            name: The suite.
            head: Its baseline in this checkout: it stands where the base has none.

        Raises:
            BaselineError: the one of the base cannot be used.

        """
        if not self.knows(name):
            return head
        if name in self.head.suites and f"suites.{name}.baseline" in self._answered:
            return self._here(name)
        return self._there(name) or head

    @cached_property
    def _answered(self) -> frozenset[str]:
        """Where somebody answers for a change; what the base holds too was said of an earlier one."""
        earlier = self.settings.acknowledged
        return frozenset(one.change for one in self.head.acknowledged if one not in earlier)

    def _here(self, name: str) -> Baseline | None:
        return own_baseline(self.head.suites[name].baseline, suite=name, root=self.root, state=self.state)

    def _there(self, name: str) -> Baseline | None:
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
        from pytest_evalgate.judging.configured import parts_of_judge  # noqa: PLC0415 - few projects have one

        for name, judge in self.settings.judges.items():
            if self.head.judges.get(name) != judge:
                continue
            for file in filter(None, (judge.rubric, judge.few_shots)):
                self.tree.bring(file)
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
        from pytest_evalgate.gates.baseline_changes import baseline_changes  # noqa: PLC0415 - scipy

        for name in self._golden:
            if name in self.head.suites:
                yield from baseline_changes(self._there(name), self._here(name))


def _as_it_stood(case: Case) -> Case:
    return replace(case, id=f"{case.id}{BASE_SUFFIX}", side="base")


def _settled(change: GateChange) -> GateChange:
    """A baseline that nobody answers for is not used: it weakens nothing."""
    if not change.what.startswith("baseline") or change.effect != "weaker" or change.acknowledged is not None:
        return change
    return replace(change, now=f"{change.now} (not used: the base's own is)", effect="neutral")
