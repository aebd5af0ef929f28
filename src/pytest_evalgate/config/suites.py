"""Suites with their tiers, and the whole settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pytest_evalgate.config.gates import BudgetGate, Gate, MustPassGate, SliceGate, gate_list
from pytest_evalgate.config.metrics import Metric, MetricGate, metric_list, unique_titles
from pytest_evalgate.config.requirements import Release, TierRan
from pytest_evalgate.config.safety import ParityGate
from pytest_evalgate.config.tables import (
    Amount,
    FileNames,
    Judge,
    Model,
    Notify,
    Report,
    Seconds,
    Share,
    Table,
    Telemetry,
    TextForm,
)
from pytest_evalgate.config.targets import ModelTarget, SomeTarget, TargetTable
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.calls import LIST_KINDS
from pytest_evalgate.text.problems import InvalidKey
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_evalgate.text.problems import Place

DEFAULT_TIER: Final = "default"
"""The tier that always exists. Suites that do not define it run unchanged in it."""

_NAME_ADVICE: Final = "use letters, digits, '-', '_' and '.', beginning with a letter or digit, at most 64"
TierName = Annotated[str, TextForm(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", _NAME_ADVICE)]
Aggregate = Annotated[
    str,
    TextForm(
        r"^(mean|majority|pass(@|\^)[1-9][0-9]{0,2})$",
        'write "mean", "majority", "pass@K" (one of K trials passes) or "pass^K" (all K pass), such as "pass@3"',
    ),
]
Trials = Annotated[int, Field(strict=True, ge=1, le=1000)]


def _some_gates(gates: tuple[Gate, ...] | None) -> tuple[Gate, ...] | None:
    if gates == ():
        raise ValueError(
            "an empty list does not switch the gates off: name at least one, or remove the key for the default gate, "
            'no-regression; a suite with mode = "advisory" only reports'
        )
    return gates


def _scorer_spec(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise ValueError('a scorer is a name, such as "exact", or a table, such as { kind = "contains", value = "x" }')  # noqa: TRY004 - pydantic takes ValueError
    return value


ScorerSpec = Annotated[
    str | dict[str, Any], BeforeValidator(_scorer_spec, json_schema_input_type=str | dict[str, Any])
]
_MetricList = tuple[Metric, ...]
Metrics = Annotated[_MetricList, BeforeValidator(metric_list, json_schema_input_type=_MetricList)]
_GateList = tuple[Gate, ...] | None
Gates = Annotated[_GateList, BeforeValidator(gate_list, json_schema_input_type=_GateList), AfterValidator(_some_gates)]


class Tier(Table):
    """The settings of a suite that differ in one tier, such as a quick one for each commit.

    ``sample`` is the number of cases that are drawn from the golden sets; without it, all cases run. ``trials`` and
    ``gates`` replace those of the suite.
    """

    sample: int | None = Field(default=None, strict=True, ge=1)
    trials: Trials | None = None
    gates: Gates = None

    @property
    def overrides(self) -> dict[str, Any]:
        """The keys of the suite that the tier replaces, with their values."""
        values = {"trials": self.trials, "gates": self.gates}
        return {key: value for key, value in values.items() if value is not None}


def owner_of(name: str) -> str:
    """Return the suite of a candidate: ``support`` for ``support[mini]``; any other name is its own."""
    return name.partition("[")[0] if name.endswith("]") else name


def suite_named(settings: Settings, name: str) -> Suite | None:
    """Return a suite, or for a candidate that is not configured its suite; None if there is none.

    The candidates of a suite differ in their targets, and the gates do not depend on these.
    """
    owner = owner_of(name)
    same = (suite for other, suite in settings.suites.items() if owner_of(other) == owner)
    return settings.suites.get(name) or settings.suites.get(owner) or next(same, None)


def with_candidates(settings: Settings) -> Settings:
    """Return the settings with a suite for each of the ``targets`` of a suite, such as ``support[mini]``.

    The candidates of a suite that has a ``target`` as well are advisory: they are compared with it, and it gates.
    """
    if not any(suite.targets for suite in settings.suites.values()):
        return settings
    suites: dict[str, Suite] = {}
    for name, suite in settings.suites.items():
        alone = suite.model_copy(update={"targets": {}})
        if suite.target is not None or not suite.targets:
            suites[name] = alone
        mode = suite.mode if suite.target is None else "advisory"
        for label, target in suite.targets.items():
            suites[f"{name}[{label}]"] = alone.model_copy(update={"target": target, "mode": mode})
    return settings.model_copy(update={"suites": suites})


def chosen_tier(settings: Settings, requested_tier: str | None) -> str:
    """Return the tier to run: the requested one, else the default.

    Raises:
        SettingsError: No suite defines the requested tier.
    """
    if requested_tier and requested_tier not in known_tiers(settings):
        raise SettingsError(f"--eval-tier {requested_tier}: {unknown_tier_message(settings, requested_tier)}")
    return requested_tier or settings.default_tier


def known_tiers(settings: Settings) -> tuple[str, ...]:
    """Return the names of the tiers that suites define, and of the default tier."""
    defined = {name for suite in settings.suites.values() for name in suite.tiers}
    return tuple(sorted({*defined, DEFAULT_TIER}))


def unknown_tier_message(settings: Settings, name: str) -> str:
    """Return the message for a tier that no suite defines."""
    known = ", ".join(known_tiers(settings))
    return f'no suite defines the tier "{name}"; known are: {known}. Define it in [suites.NAME.tiers.{name}]'


def for_tier(settings: Settings, tier: str) -> Settings:
    """Return the settings for one tier: its trials and gates replace those of the suites, and it is the default tier.

    Suites that do not define the tier are unchanged. The function is idempotent.
    """
    suites = {name: suite_in_tier(suite, tier) for name, suite in settings.suites.items()}
    return settings.model_copy(update={"default_tier": tier, "suites": suites})


def suite_in_tier(suite: Suite, tier: str) -> Suite:
    """Return a suite with the settings of a tier, which becomes its only tier."""
    if not suite.tiers:
        return suite
    chosen = suite.tiers.get(tier)
    if chosen is None:
        return suite.model_copy(update={"tiers": {}})
    return suite.model_copy(update={**chosen.overrides, "tiers": {tier: chosen}})


def sample_of(suite: Suite) -> int | None:
    """Return the sample size of a suite from `for_tier`; None if all its cases run."""
    return next((tier.sample for tier in suite.tiers.values()), None)


def always_planned(suite: Suite) -> frozenset[str]:
    """Return the tags of the cases that every sample includes: those of must-pass gates."""
    return frozenset(tag for gate in suite.gates or () if isinstance(gate, MustPassGate) for tag in gate.tags)


def place_of(suite: Suite, key: str) -> str:
    """Return the path of the key that configures ``key`` of a suite from `for_tier`: in the suite or in its tier."""
    written = (name for name, tier in suite.tiers.items() if getattr(tier, key) is not None)
    return next((f"tiers.{name}.{key}" for name in written), key)


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


WantedValues = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    Field(min_length=1),
    BeforeValidator(_one_or_many, json_schema_input_type=str | list[str]),
]
"""Values of a field, or patterns with ``*``."""


class Suite(Table):
    """A golden set with its target, scorers and gates.

    ``golden`` is a file or a list of files; with ``split``, only rows of that split run. A suite without a ``target``
    belongs to tests marked ``golden_set``, or its golden set contains recorded outputs. ``targets`` are candidates to
    compare: each runs as a separate suite, and if there is a ``target``, they only report. With ``scorers = []``,
    each case is graded by its asserts alone. A case passes if its scores reach ``threshold``; ``aggregate`` combines
    its ``trials``.
    ``judge_always`` asks judges even if other scorers have already decided. ``strip_reasoning =
    false`` grades a model's reasoning, such as ``<think>`` blocks, as part of the output. ``allow_empty = true``
    grades empty outputs, which otherwise are misses unless the case expects an empty text.

    ``slices`` are tag keys or dotted paths by which results are broken down. ``cluster`` names what dependent cases
    have in common, such as a conversation. ``metrics`` are figures over all cases together. ``stop = "certainty"``
    ends the suite once its verdict cannot change. ``baseline`` is a file or ``git:REF``. ``run_labels`` is a file of
    people's labels of outputs of a run and its baseline, as ``label sample --against`` writes it. ``coverage`` names
    the values that cases must have, and ``max_age_days`` their greatest age: ``lint`` checks both. An ``advisory``
    suite is reported and never fails the build. ``tiers`` change settings for some runs.
    ``owner`` and ``description`` are stored, and shown with results and in alerts.
    """

    golden: FileNames
    owner: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    description: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    split: str | None = None
    target: TargetTable = None
    targets: dict[TierName, SomeTarget] = Field(default_factory=dict)
    scorers: tuple[ScorerSpec, ...] = ("exact",)
    threshold: Share | None = None
    judge_always: bool = False
    strip_reasoning: bool = True
    allow_empty: bool = False
    trials: Trials | None = None
    aggregate: Aggregate = "mean"
    slices: tuple[str, ...] = ()
    cluster: str | None = None
    coverage: dict[str, WantedValues] = Field(default_factory=dict)
    max_age_days: int | None = Field(default=None, strict=True, ge=1)
    metrics: Metrics = ()
    stop: Literal["certainty", "never"] = "certainty"
    baseline: str | None = None
    run_labels: str | None = None
    gates: Gates = None
    mode: Literal["blocking", "advisory"] = "blocking"
    tiers: dict[TierName, Tier] = Field(default_factory=dict)

    @property
    def has_default_scorers(self) -> bool:
        """Whether the suite names no scorers."""
        return "scorers" not in self.model_fields_set

    @property
    def judges(self) -> tuple[str, ...]:
        """The names of the judges among the scorers."""
        return tuple(str(spec["judge"]) for spec in self.scorers if isinstance(spec, dict) and "judge" in spec)

    @model_validator(mode="after")
    def _check_metrics(self) -> Self:
        unique_titles(self.metrics)
        variants: list[Suite] = [self, *(suite_in_tier(self, name) for name in self.tiers)]
        for gate in (gate for variant in variants for gate in variant.gates or ()):
            if isinstance(gate, MetricGate) and (problem := gate.problem(self.metrics)) is not None:
                raise InvalidKey(("gates",), f"a metric gate: {problem}")
        return self

    @model_validator(mode="after")
    def _check_slice_names(self) -> Self:
        variants: list[Suite] = [self, *(suite_in_tier(self, name) for name in self.tiers)]
        for gate in (gate for variant in variants for gate in variant.gates or ()):
            for key, by in _slice_keys_of(gate):
                if by not in self.slices:
                    near = did_you_mean(by, self.slices)
                    known = ", ".join(f'"{name}"' for name in self.slices)
                    message = f'a {gate.kind} gate is {key} "{by}", which is not in slices = [{known}]{near}'
                    raise InvalidKey(("gates",), message)
        return self


def _slice_keys_of(gate: Gate) -> Iterator[tuple[str, str]]:
    """Yield the slice keys that a gate names, each with its word in messages."""
    if isinstance(gate, SliceGate | ParityGate):
        yield "by", gate.by
    if isinstance(gate, ParityGate) and gate.label is not None:
        yield "with label", gate.label


def _defined(kind: str, name: str, known: Iterable[str]) -> str:
    names = ", ".join(known)
    return f"; the {kind}s are: {names}" if names else f": add a table [{kind}s.{name}]"


class Acknowledgement(Table):
    """A weakening of the gate that has been approved.

    ``change`` is its place, as the report prints it. ``reason`` and ``owner`` are shown in reports.
    """

    change: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    owner: Annotated[str, Field(min_length=1)]


class Settings(Table):
    """The whole configuration.

    ``max_error_rate`` is the share of cases of a suite that may have no output. ``max_duration_s`` stops a run that
    takes longer; a suite that then lacks outputs is ``incomplete``. ``budget_usd`` refuses or stops a run that costs
    more. ``cache_auth = "required"`` refuses to run without a secret that signs the cache. ``xdist = "pin"`` sends all
    calls from one worker. ``on_rerun = "pool"`` (default in CI) decides a rerun of one commit on the trials of all its
    attempts, "count" only counts them. ``history`` is the file that counts attempts.
    ``notify`` are the webhooks that receive events. ``store`` keeps the results of all runs in a SQLite file, or in
    the PostgreSQL database that the variable ``store_env`` names; the texts of inputs and outputs only with
    ``store_texts``. ``telemetry`` is a collector for spans and metrics; None sends none. ``acknowledged`` lists
    approved weakenings. ``release`` has the requirements of a release.
    """

    default_tier: TierName = DEFAULT_TIER
    on_inconclusive: Literal["warn", "fail"] = "warn"
    on_missing_baseline: Literal["fail", "record"] | None = None
    on_rerun: Literal["pool", "count"] | None = None
    max_error_rate: float = Field(default=0.0, strict=True, ge=0, le=1, allow_inf_nan=False)
    max_duration_s: Seconds = 3600.0
    budget_usd: Amount | None = None
    cache_auth: Literal["auto", "required"] = "auto"
    xdist: Literal["pin", "spread"] = "pin"
    history: str | None = None
    notify: tuple[Notify, ...] = ()
    store: Literal["sqlite", "off"] = "sqlite"
    store_env: Annotated[str, Field(min_length=1)] | None = None
    store_texts: bool = False
    telemetry: Telemetry | None = None
    acknowledged: tuple[Acknowledgement, ...] = ()
    report: Report = Report()
    release: Release = Release()
    models: dict[str, Model] = Field(default_factory=dict)
    judges: dict[str, Judge] = Field(default_factory=dict)
    suites: dict[str, Suite] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        for name in (*self.suites, *self.judges):
            if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name.startswith("."):
                kind = "suites" if name in self.suites else "judges"
                raise InvalidKey((kind, name), f"name {name!r}: use letters, digits, '-', '_' and '.'")
        return self

    @model_validator(mode="after")
    def _check_default_tier(self) -> Self:
        if self.default_tier not in known_tiers(self):
            raise InvalidKey(("default_tier",), unknown_tier_message(self, self.default_tier))
        return self

    @model_validator(mode="after")
    def _check_events(self) -> Self:
        """Refuse events that can never happen with this configuration."""
        never = {}
        if not any(judge.calibration for judge in self.judges.values()):
            never["drift"] = 'no judge has a calibration to check: set judges.NAME.calibration, or remove "drift"'
        if self.budget_usd is None and not any(map(self._limits_cost, self.suites.values())):
            never["cost"] = (
                'nothing limits the cost: set budget_usd, add a gate { kind = "budget", max_cost_usd = 2.0 }, '
                'or remove "cost"'
            )
        for number, notify in enumerate(self.notify):
            for event in notify.on:
                if event in never:
                    raise InvalidKey(("notify", number, "on"), f'"{event}" can never happen: {never[event]}')
        return self

    def _limits_cost(self, suite: Suite) -> bool:
        gates = (gate for name in ("", *suite.tiers) for gate in suite_in_tier(suite, name).gates or ())
        return any(isinstance(gate, BudgetGate) and gate.max_cost_usd is not None for gate in gates)

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        for kind, place, name in self._references():
            known = self.models if kind == "model" else self.judges
            if name not in known:
                near = did_you_mean(name, known) or _defined(kind, name, known)
                raise InvalidKey(place, f'no {kind} is named "{name}"{near}')
            if kind == "model" and (api := self.models[name].api) in LIST_KINDS:
                raise InvalidKey(place, f'models.{name}.api is "{api}", so it writes no text: name another model')
        return self

    def _references(self) -> Iterator[tuple[str, Place, str]]:
        for name, suite in self.suites.items():
            if isinstance(suite.target, ModelTarget):
                yield "model", ("suites", name, "target", "model"), suite.target.model
            for label, target in suite.targets.items():
                if isinstance(target, ModelTarget):
                    yield "model", ("suites", name, "targets", label, "model"), target.model
            yield from (("judge", ("suites", name, "scorers"), judge) for judge in suite.judges)
        yield from (("model", ("judges", name, "model"), judge.model) for name, judge in self.judges.items())

    @model_validator(mode="after")
    def _check_requirements(self) -> Self:
        for number, one in enumerate(self.release.requires):
            for key, known in (("suite", self.suites), ("judge", self.judges)):
                name = getattr(one, key, None)
                if name is not None and name not in known and not (key == "suite" and name.partition("@")[0] in known):
                    near = did_you_mean(name, known) or _defined(key, name, known)
                    raise InvalidKey(("release", "requires", number, key), f'no {key} is named "{name}"{near}')
            if isinstance(one, TierRan) and one.tier not in known_tiers(self):
                place = ("release", "requires", number, "tier")
                raise InvalidKey(place, unknown_tier_message(self, one.tier))
        return self

    @model_validator(mode="after")
    def _check_traced_models(self) -> Self:
        for name in () if self.telemetry is None else self.telemetry.models:
            if name not in self.models:
                near = did_you_mean(name, self.models) or _defined("model", name, self.models)
                raise InvalidKey(("telemetry", "models"), f'no model is named "{name}"{near}')
        return self
