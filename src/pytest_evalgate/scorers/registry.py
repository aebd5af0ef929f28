"""Registry of the rules, built-in ones and those of plug-ins, by name, and the check of a rule's parameters.

A rule is a plain function ``(case, output, /, *, parameters)``. Its signature is its schema: a specification such as
``{kind = "contains", value = "30 days"}`` is checked by pydantic against the keyword-only parameters.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import warnings
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, Literal, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Graded, Output, Returned, Score
from pytest_evalgate.text.problems import explain
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_evalgate.protocols import Rule
    from pytest_evalgate.text.problems import Place

BuiltIn = Callable[Concatenate[Case, Output, ...], Graded | Score]
"""A built-in rule. One that finds spans returns a score without a name."""

RuleFunction = Callable[Concatenate[Case, Output, ...], Returned]
"""A rule of a plug-in. It may have its own keywords, which the protocol `Rule` does not accept."""


def negated(rule: BuiltIn) -> BuiltIn:
    """Return the rule that passes if ``rule`` misses. An unknown value stays unknown."""

    @functools.wraps(rule)
    def opposite(case: Case, output: Output, /, **params: Any) -> Graded | Score:
        graded = rule(case, output, **params)
        if isinstance(graded, Score):
            return replace(graded, value=None if graded.value is None else 1 - graded.value)
        value, reason = graded
        return None if value is None else 1 - value, reason

    return opposite


def ignoring_case(rule: BuiltIn) -> BuiltIn:
    """Return ``rule`` with ``ignore_case`` set, and without that parameter in its signature."""

    @functools.wraps(rule)
    def folded(case: Case, output: Output, /, **params: Any) -> Graded | Score:
        return rule(case, output, ignore_case=True, **params)

    signature = inspect.signature(rule)
    others = [parameter for parameter in signature.parameters.values() if parameter.name != "ignore_case"]
    vars(folded)["__signature__"] = signature.replace(parameters=others)
    return folded


_MODULES: Final = {
    "text": (
        "exact contains contains-any contains-all starts-with ends-with iexact icontains icontains-any icontains-all "
        "istarts-with iends-with one-of length word-count"
    ),
    "pattern": "regex",
    "number": "number",
    "structured": "json-valid json-fields",
    "json_schema": "json-schema contains-json",
    "sql_statements": "sql-valid sql-equal",
    "xml_document": "xml-valid",
    "likeness": "squad-em squad-f1 bleu chrf gleu ter",
    "rouge": "rouge-1 rouge-2 rouge-l rouge-lsum",
    "edit_distance": "levenshtein levenshtein-ratio",
    "retrieval": "precision-at-k recall-at-k ndcg-at-k mrr",
    "figures": "latency cost tokens",
    "refusal": "refusal",
    "private": "no-personal-data no-secret",
    "leaks": "canary",
    "tool_calls": "tool-calls",
    "steps": "steps",
}
"""The rules by module. A module is imported when a suite uses one of its rules: all of them take 60 ms."""

_HOMES: Final = {name: module for module, names in _MODULES.items() for name in names.split()}

MEASURES: Final = frozenset(
    [
        *_MODULES["retrieval"].split(),
        *_MODULES["rouge"].split(),
        *("squad-f1", "bleu", "chrf", "gleu", "ter", "levenshtein-ratio"),
    ]
)
"""Rules that measure quality. They rarely return 1.0, so their default threshold is 0.5."""

# a share has no negation, and that of an agent's steps would pass an agent that did nothing
_WITHOUT_NEGATION: Final = MEASURES | {"json-fields", "tool-calls", "steps"}


class _BuiltInRules(Mapping[str, BuiltIn]):
    """The built-in rules by name, each imported on first use."""

    def __init__(self) -> None:
        self._names = (*_HOMES, *(f"not-{name}" for name in _HOMES if name not in _WITHOUT_NEGATION))
        self._imported: dict[str, BuiltIn] = {}

    def __getitem__(self, name: str) -> BuiltIn:
        if name not in self._imported:
            if name not in self._names:
                raise KeyError(name)
            self._imported[name] = self._import(name)
        return self._imported[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _import(self, name: str) -> BuiltIn:
        if name.startswith("not-") and name != "not-number":
            return negated(self[name.removeprefix("not-")])
        home = _HOMES[name.removeprefix("not-")]
        if home == "text" and name.startswith("i"):
            return ignoring_case(self[name.removeprefix("i")])
        module = importlib.import_module(f"pytest_evalgate.scorers.{home}")
        rule: BuiltIn = getattr(module, name.replace("-", "_"))
        return rule


RULES: Final[Mapping[str, BuiltIn]] = _BuiltInRules()
"""The built-in rules by name. Every rule that returns 0 or 1 has a ``not-`` form."""

BUILDERS: Final[Mapping[str, str]] = {
    "similar": "similar",
    "moderation": "moderation",
    "same-as": "same_as",
    "set": "scorer_set",
}
"""Built-in scorers that need more than the case and the output, and the modules whose ``build`` makes them."""

_BUILT: Final = frozenset({*BUILDERS, *(f"not-{name}" for name in BUILDERS if name != "set")})


def is_built(kind: str) -> bool:
    """Return whether a kind is one of the `BUILDERS`, or its negation."""
    return kind in _BUILT


def known_kinds(rules: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names of all scorers: the built-in ones, and ``rules``."""
    return tuple(sorted({*RULES, *_BUILT, *rules}))


def registry(extra: Mapping[str, RuleFunction]) -> Mapping[str, Rule]:
    """Return the built-in rules together with ``extra`` ones of plug-ins.

    Raises:
        SettingsError: An extra rule has the name of a built-in rule or a reserved parameter, or is not a function.
    """
    for name, rule in extra.items():
        if name in RULES or is_built(name):
            raise SettingsError(f'the rule "{name}" is built in and cannot be replaced: register it as another name')
        if not inspect.isfunction(rule):
            raise SettingsError(f'the rule "{name}" is {type(rule).__name__}, not a function: register a function')
        try:
            taken = RESERVED & parameters(rule).keys()
        except SpecError as error:
            raise SettingsError(f'the rule "{name}": {error}') from error
        if taken:
            raise SettingsError(f'the rule "{name}" has a parameter "{min(taken)}", which every scorer has: rename it')
    return ChainMap(dict(extra), RULES)  # type: ignore[arg-type]  # only its first mapping is ever written to


class SpecError(ValueError):
    """A scorer's specification that cannot be used. The caller adds its place to the message."""


class ScorerOptions(BaseModel):
    """Options that every specification accepts.

    ``threshold`` is the smallest value that passes, ``weight`` the weight in the weighted mean of a case, ``name`` the
    name in reports. ``field`` is the path of the part of the output to grade, such as ``answer.text`` (see `part`).
    With ``severity = "warn"`` a miss is reported and decides nothing.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    field: Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$", max_length=200)] | None = None
    severity: Literal["fail", "warn"] = "fail"

    @property
    def counts(self) -> bool:
        """Whether the scores decide cases."""
        return self.severity == "fail"


_Options = TypeVar("_Options", bound=ScorerOptions)

RESERVED: Final = frozenset({"kind", "python", *ScorerOptions.model_fields})
"""Names that no parameter of a rule may have."""


def read_params(
    kind: str, rule: Rule, spec: Mapping[str, Any], root: Path | None = None
) -> tuple[ScorerOptions, dict[str, Any]]:
    """Check ``spec`` and split it into the options of every scorer and the keyword arguments of ``rule``.

    ``root`` is the folder of the files that ``spec`` may name; None if it may name none.

    Raises:
        SpecError: Parameters are unknown, missing or have unusable values; the message lists all of them.
    """
    function: Any = rule  # lru_cache needs it hashable: functions are, but the protocol does not promise it
    options = read_options(_model(kind, function), spec, kind, root)
    return options, {name: getattr(options, name) for name in parameters(rule)}


def read_options(model: type[_Options], spec: Mapping[str, Any], kind: str, root: Path | None = None) -> _Options:
    """Validate ``spec`` as ``model``; raise SpecError as `read_params` does."""
    try:
        options = model.model_validate(dict(spec), context={"root": root})
    except ValidationError as error:
        known = [name for name in model.model_fields if name != "kind"]

        def suggest(place: Place) -> str:
            return did_you_mean(str(place[-1]), known) or f"; the keys are: {', '.join(known)}"

        def example(place: Place) -> str:
            field = model.model_fields.get(str(place[0]))
            return f": write {place[-1]} = " + ("5" if field is not None and field.annotation is int else '"..."')

        problems = explain(error, spec, unknown=suggest, missing=example)
        raise SpecError(f"{kind}: {'; '.join(map(str, problems))}") from None
    if not options.counts and options.weight is not None:
        raise SpecError(f'{kind}: weight: with severity = "warn" it decides nothing: remove one of the two')
    return options


@functools.lru_cache(maxsize=256)  # a model takes half a millisecond, and every row of a golden set may have asserts
def _model(kind: str, rule: Rule) -> type[ScorerOptions]:
    empty = inspect.Parameter.empty
    defaults = {keyword.name: ... if keyword.default is empty else keyword.default for keyword in _keywords(rule)}
    fields: dict[str, Any] = {name: (hint, defaults[name]) for name, hint in parameters(rule).items()}
    with warnings.catch_warnings(action="ignore"):  # a parameter "schema" hides a deprecated method of pydantic
        return create_model(kind, __base__=ScorerOptions, **fields)


def parameters(rule: Rule) -> dict[str, Any]:
    """Return the types of the keyword-only parameters of ``rule`` by name.

    Raises:
        SpecError: An annotation uses a name that does not exist at run time.
    """
    annotations = {keyword.name: keyword.annotation for keyword in _keywords(rule)}
    function: Any = inspect.unwrap(rule)
    try:
        hints = get_type_hints(
            SimpleNamespace(__annotations__=annotations), globalns=function.__globals__, include_extras=True
        )
    except NameError as error:
        raise SpecError(
            f"the types of its parameters cannot be read: {error}; import that name outside of TYPE_CHECKING"
        ) from error
    return {name: Any if hint is inspect.Parameter.empty else hint for name, hint in hints.items()}


def _keywords(rule: Rule) -> list[inspect.Parameter]:
    return [one for one in inspect.signature(rule).parameters.values() if one.kind is inspect.Parameter.KEYWORD_ONLY]
