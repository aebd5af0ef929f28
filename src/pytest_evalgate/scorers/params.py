"""The parameters of a scorer: read from a specification, checked against the signature of its rule."""

from __future__ import annotations

import difflib
import functools
import inspect
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from pytest_evalgate.scorers.wanted import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


def near(word: str, known: Iterable[str]) -> str:
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
        return f'unknown parameter "{name}" of {kind}{near(name, model.model_fields)}'
    if detail["type"] == "missing":
        return f'"{where}" is missing'
    if detail["type"] == "value_error":  # raised by a validator of ours, which names what it is about
        return str(detail["ctx"]["error"])
    return f"{where} = {_given(detail['input'])}: {detail['msg']}"


def _given(value: Any) -> str:
    try:
        return shown(value)
    except (TypeError, ValueError):  # a date or NaN in a TOML file
        return repr(value)
