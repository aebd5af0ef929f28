"""From a specification, as it stands in the configuration, to a scorer."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import callables
from pytest_evalgate.errors import CallableError, SettingsError
from pytest_evalgate.scorers.params import Entry, SpecError, near, read_params, validated
from pytest_evalgate.scorers.registry import MEASURES, RULES
from pytest_evalgate.scorers.scorer import BuiltScorer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.data import Case, Output
    from pytest_evalgate.protocols import Rule
    from pytest_evalgate.scorers.scorer import WeighedScorer

    MakesJudge = Callable[[str, Entry], WeighedScorer]

_RULE_THRESHOLD: Final = 1.0
_GRADED_THRESHOLD: Final = 0.5


@dataclass(frozen=True, slots=True)
class Context:
    """What scorers are built with.

    ``rules`` are the rules by name, ``roots`` the folders below which the user's own code lies, ``place`` is what
    messages call the specification. ``judge`` makes the scorer of a judge that the configuration names.
    """

    rules: Mapping[str, Rule] = field(default_factory=lambda: RULES)
    roots: tuple[Path, ...] = ()
    place: str = "scorers"
    judge: MakesJudge | None = None


def build(spec: str | Mapping[str, Any], *, context: Context) -> WeighedScorer:
    """Build one scorer.

    Args:
        spec: the name of a rule, ``{kind = "...", ...}`` with the rule's parameters, ``{python = "pkg.mod:name"}``, or
            ``{judge = "NAME"}``; with ``threshold`` (default 1.0, and 0.5 for python and `MEASURES`), ``weight`` and
            ``name``.
        context: what it is built with.

    Raises:
        SettingsError: the specification cannot be used; names the place, the value and the next step.

    """
    try:
        return assemble(spec, context)
    except SpecError as error:
        raise SettingsError(f"{context.place}: {error}") from error


def build_all(specs: Iterable[str | Mapping[str, Any]], *, context: Context) -> tuple[WeighedScorer, ...]:
    """Build scorers with unique names: the second "contains" becomes "contains-2".

    Raises:
        SettingsError: as `build`; the place is that of the context and the index.

    """
    return uniquely_named(
        build(spec, context=replace(context, place=f"{context.place}[{index}]")) for index, spec in enumerate(specs)
    )


def assemble(spec: str | Mapping[str, Any], context: Context) -> WeighedScorer:
    """Build one scorer as `build` does; SpecError does not name the place."""
    given = {"kind": spec} if isinstance(spec, str) else dict(spec)
    if len({"kind", "python", "judge"} & given.keys()) != 1:
        raise SpecError(f'{sorted(given)}: a scorer needs either "kind", the name of a rule, "python", or "judge"')
    if "python" in given:
        return _python(given.pop("python"), given, context)
    if "judge" in given:
        return _judge(given.pop("judge"), given, context)
    return _rule(given.pop("kind"), given, context)


def uniquely_named(scorers: Iterable[WeighedScorer], taken: Iterable[str] = ()) -> tuple[WeighedScorer, ...]:
    """Number the scorers whose name is in ``taken`` or was there before."""
    names = set(taken)
    unique: list[WeighedScorer] = []
    for scorer in scorers:
        name, count = scorer.name, 1
        while name in names:
            count += 1
            name = f"{scorer.name}-{count}"
        names.add(name)
        unique.append(scorer if name == scorer.name else replace(scorer, name=name))  # type: ignore[type-var]
    return tuple(unique)


def _rule(kind: Any, given: Mapping[str, Any], context: Context) -> BuiltScorer:
    if not isinstance(kind, str) or kind not in context.rules:
        raise SpecError(f'unknown scorer "{kind}"{near(str(kind), context.rules) or _known(context.rules)}')
    rule = context.rules[kind]
    entry, params = read_params(kind, rule, given)
    threshold = _GRADED_THRESHOLD if kind in MEASURES else _RULE_THRESHOLD
    scorer = _scorer(kind, functools.partial(rule, **params), entry, threshold)
    return replace(scorer, waits=rule is not RULES.get(kind))


def _python(name: Any, given: Mapping[str, Any], context: Context) -> BuiltScorer:
    if not isinstance(name, str):
        raise SpecError(f'python = {name!r} is not a string of the form "package.module:function"')
    entry = validated(Entry, given, "python")
    return _scorer(name.rpartition(":")[2], _resolved(name, context.roots), entry, _GRADED_THRESHOLD)


def _resolved(spec: str, roots: Sequence[Path]) -> Callable[..., object]:
    """Import the function ``package.module:function`` and check that it takes a case and an output."""
    try:
        function = callables.resolve(spec, roots)
        signature = inspect.signature(function)
    except CallableError as error:
        raise SpecError(str(error)) from error
    except ValueError:  # some compiled functions have no signature
        return function
    try:
        signature.bind("case", "output")
    except TypeError as error:
        raise SpecError(f'python = "{spec}" takes {signature!s:.200}, not (case, output): {error}') from error
    return function


def _judge(name: Any, given: Mapping[str, Any], context: Context) -> WeighedScorer:
    if context.judge is None or not isinstance(name, str):
        raise SpecError(f"judge = {name!r}: name a table [judges.NAME] of the configuration")
    return context.judge(name, validated(Entry, given, "judge"))


def _scorer(name: str, function: Callable[[Case, Output], object], entry: Entry, threshold: float) -> BuiltScorer:
    chosen = threshold if entry.threshold is None else entry.threshold
    return BuiltScorer(entry.name or name, function, chosen, entry.weight)


def _known(rules: Mapping[str, Rule]) -> str:
    return f"; known are {', '.join(sorted(name for name in rules if not name.startswith('not-')))}, and not- forms"
