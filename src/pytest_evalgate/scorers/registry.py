"""The parameters of a scorer: read from a specification, checked against the signature of its rule."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.results import Case, Graded, Output, Returned
from pytest_evalgate.scorers.likeness import bleu, chrf, rouge_l, squad_em, squad_f1
from pytest_evalgate.scorers.number import number
from pytest_evalgate.scorers.pattern import regex
from pytest_evalgate.scorers.retrieval import mrr, ndcg_at_k, precision_at_k, recall_at_k
from pytest_evalgate.scorers.structured import json_fields, json_valid
from pytest_evalgate.scorers.text import (
    contains,
    contains_all,
    contains_any,
    ends_with,
    exact,
    format_value,
    length,
    one_of,
    starts_with,
    word_count,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_evalgate.protocols import Rule


class SpecError(ValueError):
    """A scorer's specification that cannot be built; whoever knows its place adds that."""


class Entry(BaseModel):
    """What every specification may say.

    ``threshold`` is the value from which the scorer passes, ``weight`` its part in the weighted mean of a case,
    ``name`` what its scores are reported as.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None


RESERVED: Final = frozenset({"kind", "python", *Entry.model_fields})
"""Names that no parameter of a rule may have."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean "x"?`` where one of ``known`` is close to ``word``, else nothing."""
    close = " or ".join(f'"{one}"' for one in difflib.get_close_matches(word, list(known)))
    return f"; did you mean {close}?" if close else ""


def read_params(kind: str, rule: Rule, spec: Mapping[str, Any]) -> tuple[Entry, dict[str, Any]]:
    """Check ``spec`` and split it into what every scorer has and the keyword arguments of ``rule``.

    Raises:
        SpecError: a parameter is unknown, or its value is of no use; all problems are named.

    """
    function: Any = rule  # a function can be hashed, which the protocol does not say
    entry = validated(_model(kind, function), spec, kind)
    return entry, {name: getattr(entry, name) for name in parameters(rule)}


def validated(model: type[Entry], spec: Mapping[str, Any], kind: str) -> Entry:
    """Read ``spec`` into ``model``.

    Raises:
        SpecError: as `read_params`.

    """
    try:
        return model.model_validate(dict(spec))
    except ValidationError as error:
        problems = (_problem(kind, model, detail) for detail in error.errors(include_url=False))
        raise SpecError("; ".join(problems)) from error


def parameters(rule: Rule) -> dict[str, Any]:
    """Return the types of the keyword-only parameters of ``rule`` by name.

    Raises:
        SpecError: an annotation names what does not exist at run time.

    """
    written = {one.name: one.annotation for one in _keywords(rule)}
    function: Any = inspect.unwrap(rule)
    try:
        hints = get_type_hints(
            SimpleNamespace(__annotations__=written), globalns=function.__globals__, include_extras=True
        )
    except NameError as error:
        raise SpecError(
            f"the types of its parameters cannot be read: {error}; import what they name at run time"
        ) from error
    return {name: Any if hint is inspect.Parameter.empty else hint for name, hint in hints.items()}


def _keywords(rule: Rule) -> list[inspect.Parameter]:
    signature = inspect.signature(rule)
    return [one for one in signature.parameters.values() if one.kind is inspect.Parameter.KEYWORD_ONLY]


@functools.lru_cache(maxsize=256)  # a model takes half a millisecond, and every row of a golden set may have asserts
def _model(kind: str, rule: Rule) -> type[Entry]:
    hints = parameters(rule)
    defaults = {one.name: ... if one.default is inspect.Parameter.empty else one.default for one in _keywords(rule)}
    fields: dict[str, Any] = {name: (hint, defaults[name]) for name, hint in hints.items()}
    return create_model(kind, __base__=Entry, **fields)


def _problem(kind: str, model: type[Entry], detail: Any) -> str:
    name = str(detail["loc"][0])
    where = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        return f'unknown parameter "{name}" of {kind}{suggestion(name, model.model_fields)}'
    if detail["type"] == "missing":
        return f'"{where}" is missing'
    if detail["type"] == "value_error":  # raised by a validator of ours, which names what it is about
        return str(detail["ctx"]["error"])
    return f"{where} = {_given(detail['input'])}: {detail['msg']}"


def _given(value: Any) -> str:
    try:
        return format_value(value)
    except (TypeError, ValueError):  # a date or NaN in a TOML file
        return repr(value)


BuiltIn = Callable[Concatenate[Case, Output, ...], Graded]
"""A rule of ours."""

RuleFunction = Callable[Concatenate[Case, Output, ...], Returned]
"""A rule with keywords of its own, which the type of `Rule` does not take."""


def negated(rule: BuiltIn) -> BuiltIn:
    """Make the rule that passes where ``rule`` misses; what ``rule`` could not tell, it cannot tell either."""

    @functools.wraps(rule)
    def opposite(case: Case, output: Output, /, **params: Any) -> Graded:
        value, reason = rule(case, output, **params)
        return None if value is None else 1 - value, reason

    return opposite


def ignoring_case(rule: BuiltIn) -> BuiltIn:
    """Make the form of ``rule`` that has ``ignore_case`` set, and no such parameter."""

    @functools.wraps(rule)
    def folded(case: Case, output: Output, /, **params: Any) -> Graded:
        return rule(case, output, ignore_case=True, **params)

    signature = inspect.signature(rule)
    kept = [one for one in signature.parameters.values() if one.name != "ignore_case"]
    vars(folded)["__signature__"] = signature.replace(parameters=kept)
    return folded


_TEXT: Final[dict[str, BuiltIn]] = {
    "exact": exact,
    "contains": contains,
    "contains-any": contains_any,
    "contains-all": contains_all,
    "starts-with": starts_with,
    "ends-with": ends_with,
}
_BINARY: Final[dict[str, BuiltIn]] = {
    **_TEXT,
    **{f"i{name}": ignoring_case(rule) for name, rule in _TEXT.items()},
    "one-of": one_of,
    "regex": regex,
    "number": number,
    "json-valid": json_valid,
    "length": length,
    "word-count": word_count,
    "squad-em": squad_em,
}
_MEASURES: Final[dict[str, BuiltIn]] = {
    "squad-f1": squad_f1,
    "bleu": bleu,
    "chrf": chrf,
    "rouge-l": rouge_l,
    "precision-at-k": precision_at_k,
    "recall-at-k": recall_at_k,
    "ndcg-at-k": ndcg_at_k,
    "mrr": mrr,
}
_GRADED: Final[dict[str, BuiltIn]] = {"json-fields": json_fields, **_MEASURES}  # "not" of a share means nothing

MEASURES: Final = frozenset(_MEASURES)
"""The rules that measure how good an output is, and hardly ever find it perfect: they pass from 0.5 on."""

RULES: Final[Mapping[str, BuiltIn]] = MappingProxyType(
    {**_BINARY, **{f"not-{name}": negated(rule) for name, rule in _BINARY.items()}, **_GRADED}
)
"""The built-in rules; every one that passes or misses has a ``not-`` form."""


def registry(extra: Mapping[str, RuleFunction]) -> Mapping[str, Rule]:
    """Add ``extra`` rules, as plug-ins bring them, to the built-in ones.

    Raises:
        SettingsError: one of them has the name of a built-in rule, or a parameter whose name is taken.

    """
    for name, rule in extra.items():
        if name in RULES:
            raise SettingsError(f'the rule "{name}" is built in and cannot be replaced: register it as another name')
        _require_usable(name, rule)
    return MappingProxyType({**RULES, **extra})


def _require_usable(name: str, rule: RuleFunction) -> None:
    if not inspect.isfunction(rule):
        raise SettingsError(f'the rule "{name}" is {type(rule).__name__}: a rule is a plain function')
    try:
        taken = RESERVED & parameters(rule).keys()
    except SpecError as error:
        raise SettingsError(f'the rule "{name}": {error}') from error
    if taken:
        raise SettingsError(f'the rule "{name}" has a parameter "{min(taken)}", which every scorer has: rename it')
