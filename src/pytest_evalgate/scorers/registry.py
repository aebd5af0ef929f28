"""The rules by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Concatenate, Final

from pytest_evalgate.data import Case, Graded, Output, Returned
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.scorers.length import length, word_count
from pytest_evalgate.scorers.likeness import bleu, chrf, rouge_l
from pytest_evalgate.scorers.number import number
from pytest_evalgate.scorers.params import RESERVED, SpecError, parameters
from pytest_evalgate.scorers.regex import regex
from pytest_evalgate.scorers.retrieved import mrr, ndcg_at_k, precision_at_k, recall_at_k
from pytest_evalgate.scorers.squad import squad_em, squad_f1
from pytest_evalgate.scorers.structured import json_fields, json_valid
from pytest_evalgate.scorers.text import (
    contains,
    contains_all,
    contains_any,
    ends_with,
    exact,
    one_of,
    starts_with,
)

if TYPE_CHECKING:
    from pytest_evalgate.protocols import Rule

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
