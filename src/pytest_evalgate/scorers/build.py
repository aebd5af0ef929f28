"""Construction of scorers from specifications: those of a suite, and those in the ``asserts`` of a case."""

from __future__ import annotations

import functools
import importlib
import inspect
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import callables
from pytest_evalgate.errors import CallableError, GoldenSetError, LineProblem, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.results import NOTE
from pytest_evalgate.scorers.notes import NOTE_KIND, ask_for_notes, name_problem, note_judges, note_scorer
from pytest_evalgate.scorers.registry import (
    BUILDERS,
    MEASURES,
    RULES,
    ScorerOptions,
    SpecError,
    is_built,
    known_kinds,
    read_options,
    read_params,
)
from pytest_evalgate.scorers.scorer import BuiltScorer, applies_to
from pytest_evalgate.text.wording import did_you_mean
from pytest_evalgate.usercode import UserCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.protocols import Rule
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Output
    from pytest_evalgate.scorers.scorer import NoteJudge, WeightedScorer
    from pytest_evalgate.scorers.suite_sources import ModelSource, Originals

    JudgeFactory = Callable[[str, ScorerOptions], WeightedScorer]

_RULE_THRESHOLD: Final = 1.0
_GRADED_THRESHOLD: Final = 0.5


@dataclass(frozen=True, slots=True)
class Context:
    """Context of the construction of scorers.

    ``rules`` are by name, ``roots`` are the folders of the user's own code, ``place`` is the name of the specification
    in messages, ``judge`` builds the scorer of a configured judge, and ``code`` runs the user's functions. ``tools``
    are those of the suite's target: the default of a rule that needs tools. ``models`` are those that scorers may ask,
    ``originals`` the other cases of the suite. ``judges`` are those of the suite that can be asked for the notes in
    the asserts of a case. ``foreign`` returns what to write in place of the name of a check of another tool, if any.
    """

    rules: Mapping[str, Rule] = field(default_factory=lambda: RULES)
    roots: tuple[Path, ...] = ()
    place: str = "scorers"
    judge: JudgeFactory | None = None
    code: UserCode = field(default_factory=UserCode)
    models: ModelSource | None = None
    originals: Originals | None = None
    tools: Sequence[Json] = ()
    judges: tuple[NoteJudge, ...] = ()
    foreign: Callable[[str], str] = lambda name: ""  # noqa: ARG005 - no other tool is known


def build(spec: str | Mapping[str, Any], *, context: Context) -> WeightedScorer:
    """Build one scorer.

    ``spec`` is the name of a rule, ``{kind = "...", ...}`` with the rule's parameters, ``{python = "pkg.mod:name"}``,
    or ``{judge = "NAME"}``. Tables also accept ``threshold`` (default 1.0; 0.5 for python and `MEASURES`), ``weight``,
    ``name`` and ``severity``.

    Raises:
        SettingsError: The specification cannot be used.
    """
    try:
        return _build(spec, context)
    except SpecError as error:
        raise SettingsError(f"{context.place}: {error}") from error


def build_all(specs: Iterable[str | Mapping[str, Any]], *, context: Context) -> tuple[WeightedScorer, ...]:
    """Build scorers with unique names: the second "contains" becomes "contains-2".

    Raises:
        SettingsError: As for `build`; the message names the context's place and the index.
    """
    built = _uniquely_named(
        build(spec, context=replace(context, place=f"{context.place}[{index}]")) for index, spec in enumerate(specs)
    )
    judges = note_judges(built)
    for index, scorer in enumerate(built):
        if (problem := name_problem(scorer, judges)) is not None:
            raise SettingsError(f"{context.place}[{index}]: {problem}")
    return built


def build_members(specs: Iterable[str | Mapping[str, Any]], *, context: Context) -> tuple[WeightedScorer, ...]:
    """Build the members of a set, with unique names.

    Raises:
        SpecError: A specification cannot be used; the message names its index.
    """
    built: list[WeightedScorer] = []
    for index, spec in enumerate(specs):
        try:
            built.append(_build(spec, context))
        except SpecError as error:
            raise SpecError(f"{context.place}[{index}]: {error}") from None
    return _uniquely_named(built)


def _build(spec: str | Mapping[str, Any], context: Context) -> WeightedScorer:
    given = {"kind": spec} if isinstance(spec, str) else dict(spec)
    if len({"kind", "python", "judge"} & given.keys()) != 1:
        raise SpecError(f'{sorted(given)}: a scorer needs one of "kind" (the name of a rule), "python", "judge"')
    if "python" in given:
        return _python(given.pop("python"), given, context)
    if "kind" in given:
        return _rule(given.pop("kind"), given, context)
    name = given.pop("judge")
    if context.judge is None or not isinstance(name, str):
        raise SpecError(f"judge = {name!r}: write the NAME of a [judges.NAME] table of the configuration")
    options = read_options(ScorerOptions, given, "judge")
    judge = context.judge(name, options)
    return judge if options.field is None else replace(judge, field=options.field)  # type: ignore[type-var]


def schema_files(specs: Iterable[str | Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the schema files that specifications name."""
    tables = [spec for spec in specs if not isinstance(spec, str)]
    named = [one for spec in tables if isinstance(one := spec.get("schema"), str)]
    inner = [one for spec in tables if spec.get("kind") == "set" for one in schema_files(spec.get("asserts", ()))]
    return tuple(dict.fromkeys([*named, *inner]))


def _rule(kind: Any, given: Mapping[str, Any], context: Context) -> WeightedScorer:
    if isinstance(kind, str) and is_built(kind):
        module: Any = importlib.import_module(f"pytest_evalgate.scorers.{BUILDERS[kind.removeprefix('not-')]}")
        built: WeightedScorer = module.build(given, context, negated=kind.startswith("not-"))
        return built
    if not isinstance(kind, str) or kind not in context.rules:
        names = known_kinds(context.rules)
        known = f"; known are {', '.join(name for name in names if not name.startswith('not-'))}, and not- forms"
        hint = context.foreign(str(kind)) or did_you_mean(str(kind), names) or known
        raise SpecError(f'unknown scorer "{kind}"{hint}')
    rule = context.rules[kind]
    options, params = read_params(kind, rule, given, context.roots[0] if context.roots else None)
    threshold = _GRADED_THRESHOLD if kind in MEASURES else _RULE_THRESHOLD
    code = None if rule is RULES.get(kind) else context.code
    if code is None and "tools" in params and params["tools"] is None:
        params["tools"] = context.tools or None
    return _scorer(kind, functools.partial(rule, **params), options, threshold, code)


def _python(name: Any, given: Mapping[str, Any], context: Context) -> BuiltScorer:
    if not isinstance(name, str):
        raise SpecError(f'python = {name!r} is not a string: write "package.module:function"')
    options = read_options(ScorerOptions, given, "python")
    function = _import_function(name, context.roots)
    return _scorer(name.rpartition(":")[2], function, options, _GRADED_THRESHOLD, context.code)


def _import_function(spec: str, roots: Sequence[Path]) -> Callable[..., object]:
    """Import ``package.module:function`` and check that it accepts a case and an output."""
    try:
        function = callables.resolve(spec, roots)
    except CallableError as error:
        raise SpecError(str(error)) from error
    if problem := callables.kind_problem(function):
        raise SpecError(f'python = "{spec}" {problem}')
    try:
        signature = inspect.signature(function)
    except ValueError:  # some compiled functions have no signature
        return function
    try:
        signature.bind("case", "output")
    except TypeError as error:
        raise SpecError(f'python = "{spec}" takes {signature!s:.200}, not (case, output): {error}') from error
    return function


def _scorer(
    name: str,
    function: Callable[[Case, Output], object],
    options: ScorerOptions,
    threshold: float,
    code: UserCode | None,
) -> BuiltScorer:
    chosen = threshold if options.threshold is None else options.threshold
    return BuiltScorer(options.name or name, function, chosen, options.weight, code, options.field, options.counts)


def _uniquely_named(scorers: Iterable[WeightedScorer], taken: Iterable[str] = ()) -> tuple[WeightedScorer, ...]:
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


# The asserts of a case may be written as promptfoo writes them (https://www.promptfoo.dev/docs/configuration/expected-outputs).
_CODE: Final = ("python", "javascript", "ruby", "webhook")
_KIND_ALIASES: Final = {"equals": "exact", "iequals": "iexact", "is-json": "json-valid"}
_FIELD_ALIASES: Final = {"metric": "name"}
_MEANING: Final[dict[str, dict[str, Any]]] = {
    "equals": {"strip": False},
    "bleu": {"tokenize": "none", "ignore_case": True, "strict": True},
}
_VALUE_IS: Final = {"regex": "pattern", "contains-any": "values", "contains-all": "values", "one-of": "values"}


def case_scorers(case: Case, *, context: Context, taken: Iterable[str] = ()) -> tuple[WeightedScorer, ...]:
    """Build the scorers of ``case.asserts``, with names that are unique and not in ``taken``.

    Raises:
        GoldenSetError: An assert cannot be used. `check_asserts` finds these before the run.
    """
    built = list(_built(case, context))
    if problems := [one for one in built if isinstance(one, LineProblem)]:
        raise GoldenSetError(problems)
    return _uniquely_named((one for one in built if not isinstance(one, LineProblem)), taken)


def scorers_of(
    case: Case, suite: Sequence[WeightedScorer], *, context: Context, by_default: bool = False
) -> tuple[WeightedScorer, ...]:
    """Return the scorers of a case: those of its suite that grade it, and its asserts.

    If the suite has its scorers ``by_default``, because it names none, a case without an expected value is graded by
    its asserts alone. A judge is asked once for each of several notes on a case, and its scores are called ``faq:1``
    and ``faq:2``. Each of these questions contains the rubric, so it is not asked without a note as well.

    Raises:
        GoldenSetError: An assert cannot be used. `check_asserts` finds these before the run.
    """
    if by_default and case.asserts and case.expected is None and not case.expected_any:
        suite = ()
    suite = tuple(scorer for scorer in suite if applies_to(scorer, case))
    judges = note_judges(suite)
    if not judges and not case.asserts:
        return suite
    numbered = [f"{judge.name}{NOTE}{number}" for judge in judges for number in range(1, len(case.notes) + 1)]
    taken = [*(scorer.name for scorer in suite), *numbered]
    own = case_scorers(case, context=replace(context, judges=judges), taken=taken)
    asked = {judge.name for judge in judges for scorer in own if scorer.name.startswith(f"{judge.name}{NOTE}")}
    return (*ask_for_notes(case, suite, judges, asked), *own)


def check_asserts(
    cases: Iterable[Case], suite: Iterable[WeightedScorer] = (), *, context: Context
) -> list[LineProblem]:
    """Return the problems in the asserts of ``cases``, each with its line and its place, such as ``asserts[0]``.

    ``suite`` are the scorers of the suite, whose judges are asked for notes.
    """
    context = replace(context, judges=note_judges(suite))
    return [one for case in cases for one in _built(case, context) if isinstance(one, LineProblem)]


def _built(case: Case, context: Context) -> Iterator[WeightedScorer | LineProblem]:
    for index, entry in enumerate(case.asserts):
        try:
            spec = _spec(entry)
            yield note_scorer(spec, context.judges) if spec.get("kind") == NOTE_KIND else _plain(spec, context)
        except SpecError as error:
            yield LineProblem(case.place.file, case.place.line, f"asserts[{index}]", str(error))


def _plain(spec: Mapping[str, Any], context: Context) -> WeightedScorer:
    """Return the scorer of an assert that asks no judge."""
    scorer = _build(spec, context)
    if (problem := name_problem(scorer, context.judges)) is not None:
        raise SpecError(problem)
    return scorer


def _spec(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the specification of an assert: ours with ``kind``, or promptfoo's ``type``, ``value`` and ``metric``."""
    kind = entry.get("kind", entry.get("type"))
    if "python" in entry or kind in _CODE:
        raise SpecError("a golden set cannot run code: move it to the scorers of the suite, as { python = ... }")
    if isinstance(entry.get("schema"), str):
        raise SpecError("a golden set cannot name a schema file: write the schema itself, or move it to the suite")
    if "judge" in entry and kind != NOTE_KIND:
        raise SpecError("a golden set cannot ask a model: move it to the scorers of the suite")
    if "type" not in entry:
        return entry
    if "kind" in entry:
        raise SpecError('"kind" and "type" mean the same: keep one of them')
    negation, plain = ("not-", str(kind)[4:]) if str(kind).startswith("not-") else ("", str(kind))
    base = plain.removeprefix("i")
    aliases = {**_FIELD_ALIASES, "value": _VALUE_IS.get(base, "value")}
    fields = {aliases.get(name, name): value for name, value in entry.items() if name != "type"}
    return {"kind": negation + _KIND_ALIASES.get(plain, plain)} | _MEANING.get(plain, {}) | fields
