"""The scorers that a case brings itself, in its ``asserts``."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import callables
from pytest_evalgate.errors import CallableError, GoldenSetError, LineProblem, SettingsError
from pytest_evalgate.scorers.registry import MEASURES, RULES, Entry, SpecError, read_params, suggestion, validated
from pytest_evalgate.scorers.scorer import BuiltScorer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.protocols import Rule
    from pytest_evalgate.records.results import Case, Output
    from pytest_evalgate.scorers.scorer import WeightedScorer

    JudgeFactory = Callable[[str, Entry], WeightedScorer]

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
    judge: JudgeFactory | None = None


def build(spec: str | Mapping[str, Any], *, context: Context) -> WeightedScorer:
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


def build_all(specs: Iterable[str | Mapping[str, Any]], *, context: Context) -> tuple[WeightedScorer, ...]:
    """Build scorers with unique names: the second "contains" becomes "contains-2".

    Raises:
        SettingsError: as `build`; the place is that of the context and the index.

    """
    return uniquely_named(
        build(spec, context=replace(context, place=f"{context.place}[{index}]")) for index, spec in enumerate(specs)
    )


def assemble(spec: str | Mapping[str, Any], context: Context) -> WeightedScorer:
    """Build one scorer as `build` does; SpecError does not name the place."""
    given = {"kind": spec} if isinstance(spec, str) else dict(spec)
    if len({"kind", "python", "judge"} & given.keys()) != 1:
        raise SpecError(f'{sorted(given)}: a scorer needs either "kind", the name of a rule, "python", or "judge"')
    if "python" in given:
        return _python(given.pop("python"), given, context)
    if "judge" in given:
        return _judge(given.pop("judge"), given, context)
    return _rule(given.pop("kind"), given, context)


def uniquely_named(scorers: Iterable[WeightedScorer], taken: Iterable[str] = ()) -> tuple[WeightedScorer, ...]:
    """Number the scorers whose name is in ``taken`` or was there before."""
    names = set(taken)
    unique: list[WeightedScorer] = []
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
        raise SpecError(f'unknown scorer "{kind}"{suggestion(str(kind), context.rules) or _known(context.rules)}')
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


def _judge(name: Any, given: Mapping[str, Any], context: Context) -> WeightedScorer:
    if context.judge is None or not isinstance(name, str):
        raise SpecError(f"judge = {name!r}: name a table [judges.NAME] of the configuration")
    return context.judge(name, validated(Entry, given, "judge"))


def _scorer(name: str, function: Callable[[Case, Output], object], entry: Entry, threshold: float) -> BuiltScorer:
    chosen = threshold if entry.threshold is None else entry.threshold
    return BuiltScorer(entry.name or name, function, chosen, entry.weight)


def _known(rules: Mapping[str, Rule]) -> str:
    return f"; known are {', '.join(sorted(name for name in rules if not name.startswith('not-')))}, and not- forms"


_CODE: Final = ("python", "javascript", "ruby", "webhook")
_KIND_ALIASES: Final = {"equals": "exact", "iequals": "iexact", "is-json": "json-valid"}
_FIELD_ALIASES: Final = {"metric": "name"}
_VALUE_IS: Final = {"regex": "pattern", "contains-any": "values", "contains-all": "values", "one-of": "values"}


def case_scorers(case: Case, *, context: Context, taken: Iterable[str] = ()) -> tuple[WeightedScorer, ...]:
    """Build the scorers of ``case.asserts``; their names differ from each other and from those in ``taken``.

    Raises:
        GoldenSetError: as `check_asserts` says, which is to be asked before anything runs.

    """
    built = list(_built(case, context))
    if problems := [one for one in built if isinstance(one, LineProblem)]:
        raise GoldenSetError(problems)
    return uniquely_named((one for one in built if not isinstance(one, LineProblem)), taken)


def check_asserts(cases: Iterable[Case], *, context: Context) -> list[LineProblem]:
    """Return what is wrong with the asserts of ``cases``: the place of the case, ``asserts[0]``, and why."""
    return [one for case in cases for one in _built(case, context) if isinstance(one, LineProblem)]


def _built(case: Case, context: Context) -> Iterator[WeightedScorer | LineProblem]:
    for index, entry in enumerate(case.asserts):
        try:
            yield assemble(_spec(entry), context)
        except SpecError as error:
            yield LineProblem(case.place.file, case.place.line, f"asserts[{index}]", str(error))


def _spec(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read an assert: ours with ``kind``, or one with ``type``, ``value`` and ``metric`` as promptfoo writes it."""
    kind = entry.get("kind", entry.get("type"))
    if "python" in entry or kind in _CODE:
        raise SpecError(
            "a golden set is data and names no code: move it to the scorers of the suite, as { python = ... }"
        )
    if "judge" in entry:
        raise SpecError("a golden set is data and asks no model: move it to the scorers of the suite")
    if "type" not in entry:
        return entry
    if "kind" in entry:
        raise SpecError('"kind" and "type" mean the same: keep one of them')
    return _translated(str(kind), {key: value for key, value in entry.items() if key != "type"})


def _translated(kind: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    negation = "not-" if kind.startswith("not-") else ""
    plain = kind.removeprefix("not-")
    words = _FIELD_ALIASES | ({"value": _VALUE_IS[base]} if (base := plain.removeprefix("i")) in _VALUE_IS else {})
    return {"kind": negation + _KIND_ALIASES.get(plain, plain)} | {words.get(key, key): v for key, v in fields.items()}
