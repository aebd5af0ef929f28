"""Base branch: configuration, golden sets and baselines at the merge base, and the differences of this branch.

`find_base` finds the merge base, and `BaseBranch` compares with it. A branch cannot loosen its gate unnoticed: the
base's baseline and calibrations are used, and every other change is listed in the verdict.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import golden
from pytest_evalgate.config import DEFAULT_TIER, for_tier, owner_of, suite_named
from pytest_evalgate.errors import GoldenSetError, SettingsError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.guard.base_checkout import BASE_VARIABLE, OPTION, BaseCheckout
from pytest_evalgate.guard.directions import format_value
from pytest_evalgate.guard.target_changes import MODEL_ADDED, MODEL_CHANGED, TARGET_CHANGED, is_called
from pytest_evalgate.records.cases import BASE_SUFFIX
from pytest_evalgate.records.verdicts import GateChange
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs.plan import NO_CHANGES, BranchChanges, slice_values
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.wording import BASE_REPLACED, CONFIGURATION_MOVED, ENDPOINT_MOVED, TARGET_REPLACED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.config import Judge, Settings
    from pytest_evalgate.guard.file_changes import FileChanges
    from pytest_evalgate.guard.golden_changes import GoldenChanges
    from pytest_evalgate.guard.keys import KeyPolicy, Use
    from pytest_evalgate.records.cases import Case, GoldenSet
    from pytest_evalgate.records.verdicts import Baseline

_GIT = "git:"
_CASSETTES = "cassettes"
_COUNTS = ("human_pass", "judge_pass", "human_fail", "judge_fail", "threshold", "created", "finding", "checked")
_ENDPOINTS = frozenset({ENDPOINT_MOVED, TARGET_REPLACED, TARGET_CHANGED, MODEL_CHANGED, MODEL_ADDED})


@dataclass(frozen=True, slots=True)
class FoundBase:
    """Base branch if it was found, else the reason why the base of a pull request could not be read."""

    branch: BaseBranch | None = None
    problem: str | None = None


def find_base(  # noqa: PLR0913 - what is asked for, and where
    requested_ref: str | None,
    settings: Settings,
    *,
    root: Path,
    state: Path,
    tier: str = DEFAULT_TIER,
    environ: Mapping[str, str] = os.environ,
    in_addopts: bool = False,
) -> FoundBase:
    """Find the base that this branch is compared with.

    The checkout of a pull request may lack its base. Then the problem is reported first, and the gate of this branch
    decides. A base from the command line must exist.

    Args:
        requested_ref: The ref from the command line, if any.
        settings: Configuration of this branch, with all its tiers.
        root: Root folder.
        state: State folder.
        tier: The tier that runs.
        environ: Environment; GitHub sets ``GITHUB_BASE_REF`` for pull requests.
        in_addopts: Whether the ref is from a file of this branch. Such a ref does not replace the base of a pull
        request.

    Raises:
        SettingsError: the ref from the command line cannot be used.
    """
    target = environ.get(BASE_VARIABLE)
    if requested_ref and not (target and in_addopts):
        return FoundBase(BaseBranch(BaseCheckout.at(requested_ref, root=root), root, settings, state, tier))
    if not target:
        return FoundBase()
    try:
        tree = BaseCheckout.of_pull_request(root, environ)
    except SettingsError as error:
        return FoundBase(problem=str(error))
    return FoundBase(BaseBranch(tree, root, settings, state, tier, ref_in_addopts=requested_ref))


@dataclass
class BaseBranch:
    """Comparison of this branch with its base.

    Args:
        tree: Files at the merge base.
        root: Root folder.
        head: Configuration of this branch, with all its tiers.
        state: State folder.
        tier: The tier that runs.
        alone: Whether acknowledgements of this branch leave baselines and calibrations of the base in use.
        ref_in_addopts: The base that ``addopts`` of this branch names in place of the base of the pull request.
    """

    tree: BaseCheckout
    root: Path
    head: Settings
    state: Path
    tier: str = DEFAULT_TIER
    alone: bool = False
    ref_in_addopts: str | None = None
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
        suite = suite_named(self.settings, name)
        if suite is None:
            return NO_CHANGES
        from pytest_evalgate.guard.golden_changes import golden_changes  # noqa: PLC0415 - only if there is a base

        known = [path for golden_file in suite.golden if (path := self.tree.extract(golden_file)).exists()]
        before = self._load(known)
        found = self._golden[owner_of(name)] = golden_changes(before, sets, suite=suite, read=slice_values)
        return BranchChanges(found.changed, tuple(map(_as_base_case, found.base_cases)))

    def has_suite(self, name: str) -> bool:
        """Return whether the base has a suite of that name."""
        return name in self.settings.suites

    @cached_property
    def changes(self) -> tuple[GateChange, ...]:
        """Changes of this branch to the gate. Call `sides` for each suite first."""
        from pytest_evalgate.guard.settings_changes import acknowledge, settings_changes  # noqa: PLC0415 - the same

        found = [
            *self._base_changes,
            *map(self._with_withheld_key, settings_changes(self._all_tiers, self.head, self.tier)),
            *self._marked_changes,
            *self._judge_changes,
            *self._file_changes.changes(),
            *self._cassette_changes,
            *self._golden_changes,
            *self._baseline_changes,
        ]
        known = self.settings.acknowledged
        return tuple(map(_without_effect_if_unused, acknowledge(found, self.head.acknowledged, known=known)))

    @cached_property
    def moved_from(self) -> tuple[str, ...]:
        """Configurations of the base in other folders, which this branch replaced; relative to the repository."""
        return tuple(self.tree.configured_elsewhere(Path.cwd())) if self.head.suites else ()

    @cached_property
    def keys(self) -> KeyPolicy | None:
        """The endpoints that may get keys; None if the base has no configuration and therefore no endpoints."""
        from pytest_evalgate.guard.keys import KeyPolicy  # noqa: PLC0415 - only if there is a base

        return KeyPolicy.of(self.settings) if self.tree.is_configured or self.moved_from else None

    @cached_property
    def withheld_keys(self) -> tuple[Use, ...]:
        """The keys that this branch would send to endpoints that the base does not have."""
        return () if self.keys is None else self.keys.withheld(self.head)

    @property
    def key_notes(self) -> tuple[str, ...]:
        """One sentence for each key that is withheld."""
        return tuple(
            f"{use.place}: the key {use.variable} is not sent to {use.origin}, because the base branch does not send "
            "it there: merge the endpoint first, in a separate pull request, or run without a base"
            for use in self.withheld_keys
        )

    def close(self) -> None:
        """Remove the extracted files."""
        self.tree.close()

    def baseline(self, name: str, head: Baseline | None) -> Baseline | None:
        """Return the baseline to compare a suite with: that of the base, unless its change is acknowledged.

        Args:
            name: Name of the suite.
            head: Baseline in this checkout, used if the base has none.

        Raises:
            BaselineError: the baseline of the base cannot be used.
        """
        if suite_named(self.settings, name) is None:
            return head
        if suite_named(self.head, name) is not None and self._is_acknowledged(f"suites.{owner_of(name)}.baseline"):
            return self._head_baseline(name)
        return self._base_baseline(name) or head

    def judge_files(self, name: str) -> Path:
        """Return the folder with the calibration and the drift record of a judge.

        It contains those of the base, if the base has them and their change is not acknowledged.
        """
        judge = self.settings.judges.get(name)
        if judge is None or judge.calibration is None or self._is_acknowledged(f"judges.{name}.calibration"):
            return self.root
        from pytest_evalgate.judges.drift import drift_file  # noqa: PLC0415 - few projects have a judge

        if not self.tree.extract(judge.calibration).exists():
            return self.root
        self.tree.extract(drift_file(Path(judge.calibration)))
        return self.tree.folder

    def _is_acknowledged(self, place: str) -> bool:
        return not self.alone and place in self._acknowledged_places

    @cached_property
    def _acknowledged_places(self) -> frozenset[str]:
        """Places of acknowledged changes, without the acknowledgements of earlier changes, which the base contains."""
        earlier = self.settings.acknowledged
        return frozenset(one.change for one in self.head.acknowledged if one not in earlier)

    def _head_baseline(self, name: str) -> Baseline | None:
        configured = _baseline_of(self.head, name)
        return own_baseline(configured, suite=name, root=self.root, state=self.state)

    def _base_baseline(self, name: str) -> Baseline | None:
        configured = _baseline_of(self.settings, name)
        if configured is None and Path(files.relative_name(self.state, self.root)).is_absolute():
            return own_baseline(None, suite=name, root=self.root, state=self.state)  # outside of the repository
        return self.tree.baseline(name, configured=configured, state=self.state)

    def _load(self, paths: Sequence[Path]) -> tuple[GoldenSet, ...]:
        try:
            return golden.load(paths, root=self.tree.folder)
        except GoldenSetError as error:
            raise UserError("\n".join(f"{self.tree}: {problem}" for problem in error.problems)) from None

    @property
    def _base_changes(self) -> Iterator[GateChange]:
        """Changes of the base itself: a moved configuration, or another base ref."""
        if self.ref_in_addopts is not None and not self._is_this_base(self.ref_in_addopts):
            yield GateChange(BASE_REPLACED, f"{OPTION} in addopts", str(self.tree), self.ref_in_addopts, "weaker")
        for name in self.moved_from:
            yield GateChange(CONFIGURATION_MOVED, name, name, f"the configuration in {self.root}", "weaker")

    def _is_this_base(self, ref: str) -> bool:
        try:
            return BaseCheckout.at(ref, root=self.root).commit == self.tree.commit
        except SettingsError:
            return False

    def _with_withheld_key(self, change: GateChange) -> GateChange:
        """Return a change, with a note if it is of a model or a target whose key is withheld."""
        withheld = {use.place for use in self.withheld_keys}
        if change.what not in _ENDPOINTS or not any(f"{change.where}.".startswith(f"{place}.") for place in withheld):
            return change
        return replace(change, now=f"{change.now} (its key is withheld)")

    @cached_property
    def _file_changes(self) -> FileChanges:
        from pytest_evalgate.guard.file_changes import FileChanges  # noqa: PLC0415 - only if there is a base

        return FileChanges(self.tree.read, self.tree.find, self.root, self._all_tiers, self.head)

    @property
    def _cassette_changes(self) -> Iterator[GateChange]:
        folder = files.relative_name(self.state / _CASSETTES, self.root)
        if not Path(folder).is_absolute():
            names = [name for name in self.tree.names_in(folder) if name.endswith(".jsonl")]
            yield from self._file_changes.cassettes(folder, names)

    @property
    def _marked_changes(self) -> Iterator[GateChange]:
        """Changes of targets that a marked test of this branch replaces, as another function in the settings would.

        A module of the base whose test is marked with the suite has replaced the target before.
        """
        from pytest_evalgate.golden.markers import find_marked, marked_in, suite_of  # noqa: PLC0415 - the same

        golden_sets = {
            name: [(self.root / path).resolve() for path in suite.golden] for name, suite in self.head.suites.items()
        }
        replaced = {name: suite for name, suite in self.settings.suites.items() if is_called(suite)}
        for file in find_marked(self.root) if replaced else ():
            name_of = partial(suite_of, file.path, root=self.root, golden=golden_sets)
            before = {name_of(test) for test in marked_in(self.tree.read(file.path) or b"")}
            for name in dict.fromkeys(map(name_of, file.tests)):
                if name in replaced and name not in before:
                    old, now = format_value(replaced[name].target), files.relative_name(file.path, self.root)
                    yield GateChange(TARGET_REPLACED, f"suites.{name}.target", old, f"marked test in {now}", "weaker")

    @property
    def _judge_changes(self) -> Iterator[GateChange]:
        """Changes of the files and models of judges that both branches have."""
        for name, judge in self.settings.judges.items():
            if name in self.head.judges:
                yield from self._parts_changes(name, judge)
                yield from self._file_changes.of_judge(name, judge)
                yield from self._calibration_changes(name, judge)

    def _parts_changes(self, name: str, judge: Judge) -> Iterator[GateChange]:
        from pytest_evalgate.judges.build import parts_of_judge  # noqa: PLC0415 - few projects have one

        for file in filter(None, (judge.rubric, judge.few_shots)):
            self.tree.extract(file)
        before = parts_of_judge(name, self.settings, root=self.tree.folder)
        now = parts_of_judge(name, self.head, root=self.root)
        of_table = set() if self.head.judges[name] == judge else {"scale", "votes"}  # listed as keys of the judge
        for part in before:
            if before[part] != now.get(part) and part not in of_table:
                old, new = (value[:12] for value in (before[part], now.get(part, "")))
                yield GateChange(f"judge's {part} changed", f"judges.{name}", old, new, "weaker")

    def _calibration_changes(self, name: str, judge: Judge) -> Iterator[GateChange]:
        """Yield the changes of a judge's calibration and drift record. A forged one could qualify the judge."""
        from pytest_evalgate.guard.file_changes import same_text  # noqa: PLC0415 - the same
        from pytest_evalgate.judges.drift import drift_file  # noqa: PLC0415 - the same

        now = self.head.judges[name].calibration
        if judge.calibration is None or now is None:  # a change of the key is listed
            return
        for what, before_file, now_file in (
            ("calibration changed", judge.calibration, now),
            ("drift record changed", drift_file(Path(judge.calibration)), drift_file(Path(now))),
        ):
            old, new = self.tree.read(before_file), self._file_changes.read_head(str(now_file))
            if not same_text(old, new):
                yield GateChange(what, f"judges.{name}.calibration", _record(old), _record(new), "weaker")

    @property
    def _golden_changes(self) -> Iterator[GateChange]:
        return (change for found in self._golden.values() for change in found.changes)

    @property
    def _baseline_changes(self) -> Iterator[GateChange]:
        """Changes of the baselines of the suites that run; other baselines are not read."""
        from pytest_evalgate.guard.settings_changes import baseline_changes  # noqa: PLC0415 - the same

        for name in self._golden:
            if suite_named(self.head, name) is not None:
                yield from baseline_changes(self._base_baseline(name), self._head_baseline(name))


def _baseline_of(settings: Settings, name: str) -> str | None:
    """Return the configured baseline of a suite, which its candidates share."""
    suite = suite_named(settings, name)
    return None if suite is None else suite.baseline


def _record(data: bytes | None) -> str:
    """Return the counts of a calibration or a drift record on one line, with a digest of the whole."""
    try:
        value = jsonl.loads(data) if data is not None else None
    except ValueError:
        value = "not JSON"
    counts = {key: value[key] for key in _COUNTS if key in value} if isinstance(value, dict) else value
    digest = "" if data is None else f" {hashlib.sha256(data).hexdigest()[:12]}"
    return f"{format_value(counts)}{digest}"


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
