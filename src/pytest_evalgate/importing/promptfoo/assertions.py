"""Asserts of a promptfoo test, as rules of the case and notes for a judge.

The types of text and JSON are translated by `golden.dialects.asserts`, as those of a JSONL file are. Here are their
files and templates, sets, code, transforms, weights, and the asserts that ask a model.
"""

from __future__ import annotations

import json
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import config
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.dialects import asserts
from pytest_evalgate.golden.dialects.assert_types import BY_NOTE, GRADED, LIMITS, negated_note, note_of
from pytest_evalgate.golden.dialects.transforms import read_transforms
from pytest_evalgate.golden.dialects.translate import TranslationError
from pytest_evalgate.importing.promptfoo import expressions
from pytest_evalgate.importing.promptfoo.asked_models import ASKED, DEFAULT_TABLES
from pytest_evalgate.importing.promptfoo.nunjucks import NunjucksError, render
from pytest_evalgate.importing.promptfoo.source import CODE, FILE, ConfigSource, place_of, plain
from pytest_evalgate.importing.yaml_document import PlacedDict, PlacedList
from pytest_evalgate.scorers import Context, build
from pytest_evalgate.scorers.suite_sources import ModelSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.golden.dialects.transforms import Spec, Transform
    from pytest_evalgate.records.calls import Call, Reply
    from pytest_evalgate.records.cases import Place

_ALIASES: Final = {"grade": "llm-rubric", "eval": "javascript", "fn": "javascript"}
_WITH_THRESHOLD: Final = GRADED | LIMITS
"""Types that read a threshold; promptfoo ignores it beside the others that have a rule here."""

_IN_CODE: Final = frozenset({"javascript", "python"})


@dataclass(slots=True)
class ReadAsserts:
    """The asserts of one case.

    ``specs`` are its rules. ``notes`` are what a judge has to check. ``grader`` is the provider that a model-graded
    assert names, ``asked`` has those of the models that rules ask, by API; None if it names none. ``threshold`` is the
    least mean, of a set that is the only assert.
    """

    specs: list[Spec] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    expected: Any = None
    grader: tuple[Any, Place] | None = None
    asked: dict[str, tuple[Any, Place]] = field(default_factory=dict)
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Reader of the asserts of one case: its variables, the transforms of its output, and its threshold.

    ``has_tools``: the models of the suites have tools, so that outputs may be tool calls.
    """

    source: ConfigSource
    variables: Mapping[str, Any]
    transforms: tuple[Any, ...]
    has_tools: bool
    threshold: float | None

    def read(self, entries: Sequence[tuple[Any, Place]]) -> ReadAsserts:
        """Return the grading; what has no equivalent is left out, with its line."""
        made = ReadAsserts(threshold=self.threshold)
        sets = [entry for entry, _ in entries if isinstance(entry, dict) and entry.get("type") == "assert-set"]
        if len(sets) == len(entries) == 1 and made.threshold is None:
            made.threshold = _number(sets[0].get("threshold"))
        for entry, place in entries:
            self._entry(entry, place, made, weight=1.0)
        equal = [spec for spec in made.specs if spec["kind"] == "exact"]
        if len(equal) == 1:  # the rule then reads the expected value of the case
            made.expected = equal[0].pop("value")
        if made.threshold is None:
            for spec in made.specs:
                spec.pop("weight", None)  # without a threshold, every assert has to pass, for any weight
        else:
            made.specs = [_weighted(spec) for spec in made.specs]
            if made.notes:
                self.source.note("the mean of a test with a threshold does not include the score of the judge")
        return made

    def _entry(self, entry: Any, place: Place, made: ReadAsserts, *, weight: float) -> None:
        if not isinstance(entry, PlacedDict) or not isinstance(entry.get("type"), str):
            self.source.leave_out(place, "an assert", 'it has no "type"')
            return
        kind = entry["type"]
        if kind == "assert-set":
            self._set(entry, place, made, weight)
            return
        own = entry.get("weight", 1)
        weight *= float(own) if isinstance(own, int | float) else 1.0
        negation, plain_kind = ("not-", kind[4:]) if kind.startswith("not-") else ("", kind)
        plain_kind = _ALIASES.get(plain_kind, plain_kind)
        try:
            if plain_kind in BY_NOTE:
                self._note(plain_kind, entry, place, made, negated=bool(negation))
                return
            specs = self._specs(f"{negation}{plain_kind}", entry, place)
        except (NunjucksError, TranslationError) as error:
            path = getattr(error, "path", "")
            reason = f"{path.partition('.')[2]}: {error}" if path.partition(".")[2] not in ("", "type") else str(error)
            self.source.leave_out(place, f"assert {kind}", reason)
            return
        share = weight / len(specs) if specs else weight
        name = self._metric(entry, place)
        if plain_kind in ASKED:
            made.asked.setdefault(ASKED[plain_kind], (entry.get("provider"), place))
        for spec in specs:
            # the weight 0 decides nothing: promptfoo passes such an assert
            decides = {"weight": share} if share else {"severity": "warn"}
            made.specs.append({**spec, **({"name": name} if name else {}), **decides})

    def _set(self, entry: PlacedDict, place: Place, made: ReadAsserts, weight: float) -> None:
        """Read a set. Its mean is a part of the mean of the test; without a threshold, all of it has to pass."""
        inner = entry.get("assert")
        if not isinstance(inner, list) or not inner:
            self.source.leave_out(place, "assert-set", "it has no asserts")
            return
        least = _number(entry.get("threshold"))
        own = float(entry["weight"]) if isinstance(entry.get("weight"), int | float) else 1.0
        if least is not None and made.threshold is None:
            self._share(entry, place, made, weight * own, least)
            return
        weights = [
            one.get("weight", 1) if isinstance(one, dict) and isinstance(one.get("weight", 1), int | float) else 1
            for one in inner
        ]
        total = sum(weights) or 1
        for index, one in enumerate(inner):
            self._entry(one, place_of(inner, index, place), made, weight=weight * own / total)

    def _share(self, entry: PlacedDict, place: Place, made: ReadAsserts, weight: float, least: float) -> None:
        """Read a set beside other asserts, of which a share by weight has to pass, as one rule."""
        inner = ReadAsserts(threshold=least)
        for index, one in enumerate(entry["assert"]):
            self._entry(one, place_of(entry["assert"], index, place), inner, weight=1.0)
        if inner.notes or not inner.specs:
            why = "a judge grades a member of it" if inner.notes else "no member of it can be imported"
            self.source.leave_out(place, "assert-set", f"{why}, which is no member of a set here")
            return
        for api, provider in inner.asked.items():
            made.asked.setdefault(api, provider)
        name = self._metric(entry, place)
        spec: Spec = {"kind": "set", "asserts": [_weighted(one) for one in inner.specs]}
        decides = {"threshold": least, "weight": weight} if least and weight else {"severity": "warn"}
        made.specs.append({**spec, **({"name": name} if name else {}), **decides})

    def _metric(self, entry: Mapping[str, Any], place: Place) -> str:
        metric = entry.get("metric")
        if not isinstance(metric, str) or not metric:
            return ""
        try:
            return render(metric, self.variables, self.source.env)[:100]
        except NunjucksError as error:
            self.source.leave_out(place, f"metric {metric}", str(error))
            return ""

    def _note(self, kind: str, entry: PlacedDict, place: Place, made: ReadAsserts, *, negated: bool) -> None:
        """Add what a model-graded assert asks for to the notes of the case."""
        value = self._value(entry, place)
        if "{}" in BY_NOTE[kind] and not value:
            raise TranslationError('has no "value"', "[0].value")
        made.notes += [negated_note(note) if negated else note for note in note_of(kind, value)]
        if entry.get("threshold") is not None:
            self.source.note("the thresholds of asserts that a model grades are not read: the judge has its own")
        for key in ("rubricPrompt", "config"):
            if entry.get(key):
                self.source.leave_out(
                    place_of(entry, key), f"{key} of {entry['type']}", "the judge has its own prompt"
                )
        if entry.get("provider") and made.grader is None:
            made.grader = (entry["provider"], place_of(entry, "provider"))

    def _specs(self, kind: str, entry: PlacedDict, place: Place) -> list[Spec]:
        transform = self._transform(entry)
        if kind.removeprefix("not-") in _IN_CODE:
            specs = self._code(kind, entry)
        else:
            threshold = entry.get("threshold") if kind.removeprefix("not-") in _WITH_THRESHOLD else None
            wanted: dict[str, Any] = {
                "type": kind,
                "value": self._value(entry, place),
                "threshold": threshold,
            }
            wanted |= {key: value for key, value in entry.items() if key not in _READ}
            wanted = {key: value for key, value in wanted.items() if value is not None}
            specs = asserts.promptfoo_scorers([wanted], {})["asserts"]
        specs = [transform.apply(spec) for spec in specs]
        if self.has_tools:
            specs = [_in_tool_calls(spec) for spec in specs]
        for spec in specs:
            self._check(spec)
        return specs

    def _transform(self, entry: Mapping[str, Any]) -> Transform:
        """Return the change of the output before this assert; raise TranslationError if it is code."""
        return read_transforms((*self.transforms, entry.get("transform")))

    def _code(self, kind: str, entry: PlacedDict) -> list[Spec]:
        code = entry.get("value")
        language = kind.removeprefix("not-")
        specs = None
        if isinstance(code, str) and not code.startswith(FILE):
            text = render(code, self.variables, self.source.env)
            read = expressions.read_javascript if language == "javascript" else expressions.read_python
            specs = read(text, self.variables)
            if kind.startswith("not-"):
                specs = expressions.negated(specs)
        if specs is None:
            what = code if isinstance(code, str) and code.startswith(FILE) else "its code"
            raise TranslationError(
                f'{what} is not run: write a Python function and add {{ python = "pkg.mod:name" }} to the suite'
            )
        return specs

    def _value(self, entry: PlacedDict, place: Place) -> Any:
        """Return the value with its file read and its templates rendered."""
        value = entry.get("value")
        if isinstance(value, str):
            return self._text(value, place_of(entry, "value"))
        if isinstance(value, PlacedList):
            return [self._text(one, place) if isinstance(one, str) else plain(one) for one in value]
        return plain(value)

    def _text(self, text: str, place: Place) -> Any:
        if not text.startswith(FILE):
            return render(text, self.variables, self.source.env)
        if text.partition(":")[2].partition(":")[0].endswith(CODE):
            raise TranslationError(f"{text} is code, which is not run")
        [path, *_] = self.source.expand(text, place)
        value = plain(self.source.read_value(path, place))
        return value.strip() if isinstance(value, str) else value

    def _check(self, spec: Spec) -> None:
        """Build the rule once, so that its problems appear here and not in the first run."""
        if "severity" in spec:
            spec = {name: value for name, value in spec.items() if name != "severity"}
        try:
            build(spec, context=Context(place="assert", models=_ASKED_LATER))
        except SettingsError as error:
            if "pip install" not in str(error):
                raise TranslationError(str(error).removeprefix("assert: ")) from None
            self.source.note(f"{spec['kind']}: {str(error).removeprefix('assert: ')}")


class _NoClient:
    """Client that sends nothing, because an import only builds the rules."""

    async def send(self, call: Call) -> Reply:
        raise SettingsError(f"{call.label}: an import sends nothing")


_ASKED_LATER: Final = ModelSource(
    {api: config.Model.model_validate(table) for api, table in DEFAULT_TABLES.items()}, _NoClient
)

_READ: Final = frozenset(
    {
        "type",
        "value",
        "threshold",
        "weight",
        "metric",
        "transform",
        "provider",
        "rubricPrompt",
        "description",
        "config",
    }
)


def _weighted(spec: Spec) -> Spec:
    """Return a rule without the weight 1, which every rule has in a mean."""
    return {name: value for name, value in spec.items() if (name, value) != ("weight", 1.0)}


def _in_tool_calls(spec: Spec) -> Spec:
    """Return a rule on ``output[0]``, a tool call in promptfoo, for an output here, which has them in a list."""

    def moved(path: str) -> str:
        return f"tool_calls.{path}" if path[:1].isdecimal() else path

    made = dict(spec)
    if "field" in made:
        made["field"] = moved(made["field"])
    if "fields" in made:
        made["fields"] = {moved(path): value for path, value in made["fields"].items()}
    return made


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def as_text(value: Any) -> str:
    """Return a value as promptfoo inserts it into a text: JSON without spaces for all but texts."""
    return value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
