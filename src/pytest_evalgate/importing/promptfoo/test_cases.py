"""Tests of a promptfoo configuration: read from all of their files, merged with the defaults, and expanded.

The order is promptfoo's: ``tests``, then each row of a scenario with each of its tests; ``defaultTest`` is the base of
all. A variable that is a list of texts expands a test to one case for each of them.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.dialects.asserts import read_columns
from pytest_evalgate.importing.imported import ImportingError
from pytest_evalgate.importing.promptfoo.assertions import as_text
from pytest_evalgate.importing.promptfoo.nunjucks import NunjucksError, is_template, render
from pytest_evalgate.importing.promptfoo.source import CODE, FILE, ConfigSource, place_of, placed, plain
from pytest_evalgate.importing.yaml_document import PlacedDict, PlacedList, read_document
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.records.cases import Place

_MOST_CASES: Final = 20_000
_MOST_TRIALS: Final = 1000
"""Most trials of a row of a golden set."""

_REMOTE: Final = re.compile(r"(?:huggingface|https?|az|s3|gs)://")
_IMAGES: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".mp3", ".wav", ".mp4")
_KEYS: Final = frozenset(
    {"description", "vars", "assert", "options", "threshold", "metadata", "prompts", "providers", "providerOutput"}
)
_REASONS: Final = {
    "provider": "a test cannot choose its provider: every case is asked in every suite",
    "assertScoringFunction": "it is code",
}
_OPTIONS: Final = frozenset(
    {
        "transform",
        "postprocess",
        "prefix",
        "suffix",
        "provider",
        "disableVarExpansion",
        "disableDefaultAsserts",
        "repeat",
    }
)
_OPTION_REASONS: Final = {
    "rubricPrompt": "the judge has its own prompt: write what it should check into its criteria",
    "transformVars": "it is code, and changes the question: its tests are left out; write the changed variables",
    "storeOutputAs": "every case is asked alone",
    "factuality": "the judge decides between pass and fail",
}
_WITHOUT_EFFECT: Final = frozenset({"disableCache", "runSerially", "disableConversationVar"})


@dataclass(frozen=True, slots=True)
class TestCase:
    """One case: a test with its defaults, and one value for each variable.

    ``asserts`` are pairs of an entry and its place. ``prompts`` and ``providers`` limit where it runs; None for all.
    ``trials`` is the number that it wants.
    """

    __test__ = False  # pytest would collect the class by its name

    place: Place
    description: str
    variables: Mapping[str, Any]
    asserts: Sequence[tuple[Any, Place]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    threshold: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    prompts: tuple[str, ...] | None = None
    providers: tuple[str, ...] | None = None
    output: Any = None
    trials: int | None = None


def read_cases(document: PlacedDict, source: ConfigSource) -> tuple[TestCase, ...]:
    """Return all cases of a configuration.

    Raises:
        ImportingError: A file is missing or malformed, or leads out of the folder.
    """
    default = _default(document, source)
    tests = _tests(document.get("tests"), place_of(document, "tests"), source)
    if document.get("tests") is None and document.get("scenarios") is None:  # the prompts alone
        tests = iter([PlacedDict(place_of(document, "tests"))])
    cases: list[TestCase] = []
    for test in itertools.chain(tests, _scenarios(document, default, source)):
        cases += _expanded(_merged(test, default, source), source)
        if len(cases) > _MOST_CASES:
            message = f"more than {_MOST_CASES:,} cases: the lists of its variables multiply"
            raise ImportingError([(str(place_of(test)), message)])
    return tuple(cases)


def _default(document: PlacedDict, source: ConfigSource) -> PlacedDict:
    given, place = document.get("defaultTest"), place_of(document, "defaultTest")
    if isinstance(given, str):
        [path, *_] = source.expand(given, place)
        given = source.read_value(path, place)
    if given is None:
        return PlacedDict(place)
    if not isinstance(given, PlacedDict):
        raise ImportingError([(str(place), "defaultTest must be an object, or the name of a file with one")])
    _name_ignored(given, source)
    return given


def _tests(given: Any, place: Place, source: ConfigSource) -> Iterator[PlacedDict]:
    """Yield the tests of a list, of a file, or of a list of both."""
    if given is None:
        return
    if isinstance(given, str):
        yield from _file_tests(given, place, source)
        return
    if isinstance(given, PlacedDict):
        given = _single(given, place)
    if not isinstance(given, list):
        raise ImportingError([(str(place), "tests must be a list, or the name of a file")])
    for index, entry in enumerate(given):
        where = place_of(given, index, place)
        if isinstance(entry, str):
            yield from _file_tests(entry, where, source)
        elif isinstance(entry, PlacedDict) and isinstance(entry.get("path"), str) and "vars" not in entry:
            if entry.get("config"):
                source.leave_out(place_of(entry, "config"), "config of tests", "it is read by code")
            yield from _file_tests(entry["path"], where, source)
        elif isinstance(entry, PlacedDict):
            _name_ignored(entry, source)
            yield entry
        else:
            source.leave_out(where, "a test", "it is neither an object nor the name of a file")


def _single(given: PlacedDict, place: Place) -> PlacedList:
    made = PlacedList(place)
    made.put(given, place)
    return made


def _file_tests(reference: str, place: Place, source: ConfigSource) -> Iterator[PlacedDict]:
    if _REMOTE.match(reference):
        source.leave_out(place, f"tests {reference}", "they are elsewhere: save them as a file")
        return
    if reference.removeprefix(FILE).partition(":")[0].endswith(CODE):
        source.leave_out(place, f"tests {reference}", "they are made by code: write them to a file")
        return
    for path in source.expand(reference, place):
        name, end = source.name_of(path), path.suffix.lower()
        if end == ".csv":
            yield from (_row_test(row) for row in source.read_table(path, place))
        elif end == ".jsonl":
            yield from _listed(source.read_lines(path, place), name, source)
        elif end in (".yaml", ".yml", ".json"):
            yield from _listed(read_document(path, name), name, source)
        else:
            source.leave_out(place, f"tests {name}", "a file of this kind is not read: export it as CSV or JSON Lines")


def _listed(value: Any, name: str, source: ConfigSource) -> Iterator[PlacedDict]:
    if isinstance(value, PlacedDict) and isinstance(value.get("tests"), list):
        value = value["tests"]
    if isinstance(value, PlacedDict):
        value = _single(value, value.place)
    if not isinstance(value, list):
        raise ImportingError([(name, "contains no list of tests")])
    for index, entry in enumerate(value):
        place = place_of(value, index)
        if not isinstance(entry, PlacedDict):
            source.leave_out(place, "a test", "it is not an object")
            continue
        if not _KEYS.intersection(entry):  # a row of variables
            test = PlacedDict(place)
            test.put("vars", entry, place)
            yield test
            continue
        _name_ignored(entry, source)
        yield entry


_LISTED_METADATA: Final = re.compile(r"(?<!\\),")
_THRESHOLD_COLUMN: Final = re.compile(r"__config:__expected([0-9]*):threshold")


def _row_test(row: PlacedDict) -> PlacedDict:
    """Return the test of a row of a table, whose special columns begin with two underscores."""
    names = {name.strip(): value for name, value in row.items()}
    thresholds = {
        max(0, int(found[1] or 1) - 1): value
        for name, value in names.items()
        if (found := _THRESHOLD_COLUMN.fullmatch(name)) and value
    }
    made = read_columns({name: value for name, value in names.items() if not name.startswith("__config:")})
    for index, value in thresholds.items():
        if index < len(made.get("assert", ())):
            made["assert"][index]["threshold"] = float(value)
    metadata = {}
    for name, value in dict(made.get("metadata", {})).items():
        if name.endswith("[]"):
            metadata[name[:-2]] = [one.strip().replace("\\,", ",") for one in _LISTED_METADATA.split(value)]
        else:
            metadata[name] = value
    variables = {name: value for name, value in names.items() if not name.startswith("__")}
    test = {**made, "vars": variables, **({"metadata": metadata} if metadata else {})}
    rewritten: PlacedDict = placed(test, row.place)
    return rewritten


def _scenarios(document: PlacedDict, default: PlacedDict, source: ConfigSource) -> Iterator[PlacedDict]:
    given, place = document.get("scenarios"), place_of(document, "scenarios")
    entries = _loaded(given, place, source)
    if entries is not None and not isinstance(entries, list):
        source.leave_out(place, "scenarios", "they are not a list")
    for index, scenario in enumerate(entries if isinstance(entries, list) else []):
        where = place_of(entries, index, place)
        if isinstance(scenario, str):
            scenario = _loaded(scenario, where, source)  # noqa: PLW2901 - the content of the file replaces its name
        for one in scenario if isinstance(scenario, list) else [scenario]:
            if not isinstance(one, PlacedDict):
                source.leave_out(where, "a scenario", "it is not an object")
                continue
            rows = _loaded(one.get("config"), place_of(one, "config"), source)
            tests = list(_tests(one.get("tests"), place_of(one, "tests"), source)) or [PlacedDict(where)]
            for row in rows if isinstance(rows, list) else [rows]:
                if isinstance(row, PlacedDict):
                    yield from (_in_scenario(row, test, default, source) for test in tests)


def _loaded(given: Any, place: Place, source: ConfigSource) -> Any:
    """Return the content of the files that a text or a list of texts names, or the value itself."""
    if not isinstance(given, str):
        return given
    found = PlacedList(place)
    for path in source.expand(given, place):
        value = read_document(path, source.name_of(path)) if path.suffix != ".csv" else source.read_table(path, place)
        for index, one in enumerate(value if isinstance(value, list) else [value]):
            found.put(one, place_of(value, index, place))
    return found


def _in_scenario(row: PlacedDict, test: PlacedDict, default: PlacedDict, source: ConfigSource) -> PlacedDict:
    """Merge a row of a scenario and one of its tests, as promptfoo does."""
    made = PlacedDict(test.place if test else row.place)
    for part in (default, row, test):
        for key, value in part.items():
            made.put(key, value, place_of(part, key))
    for key in ("vars", "options", "metadata"):
        made.put(key, _joined(key, default, row, test), made.place)
    entries = PlacedList(made.place)
    for part in (row, test):
        for entry, place in _asserts(part, source):
            entries.put(entry, place)
    made.put("assert", entries, made.place)
    return made


def _joined(key: str, *parts: Mapping[str, Any]) -> PlacedDict:
    made = PlacedDict(place_of(parts[-1]))
    for part in parts:
        value = part.get(key)
        for name, member in value.items() if isinstance(value, dict) else ():
            made.put(name, member, place_of(value, name))
    return made


def _asserts(test: Mapping[str, Any], source: ConfigSource) -> list[tuple[Any, Place]]:
    """Return the asserts of a test, a list or a file with one, each with its place."""
    given = test.get("assert")
    if isinstance(given, str) and given:
        given = _loaded(given, place_of(test, "assert"), source)
    entries = given if isinstance(given, list) else [given] if isinstance(given, dict) else []
    return [
        (entry, place_of(entry) if isinstance(entry, PlacedDict) else place_of(given, index))
        for index, entry in enumerate(entries)
    ]


@dataclass(frozen=True, slots=True)
class _Merged:
    """A test with its defaults."""

    test: PlacedDict
    variables: Any
    options: PlacedDict
    metadata: PlacedDict
    asserts: list[tuple[Any, Place]]
    threshold: Any


def _merged(test: PlacedDict, default: PlacedDict, source: ConfigSource) -> _Merged:
    options = _joined("options", default, test)
    given = test.get("vars")
    variables = given if isinstance(given, str | list) else _joined("vars", default, test)
    keeps_defaults = not (
        isinstance(test.get("options"), dict) and test["options"].get("disableDefaultAsserts") is True
    )
    made = PlacedDict(test.place)
    for part in (default, test):
        for key in ("description", "prompts", "providers", "providerOutput"):
            if part.get(key) is not None:
                made.put(key, part[key], place_of(part, key))
    return _Merged(
        made,
        variables,
        options,
        _joined("metadata", default, test),
        [*(_asserts(default, source) if keeps_defaults else []), *_asserts(test, source)],
        default.get("threshold") if test.get("threshold") is None else test["threshold"],
    )


def _expanded(merged: _Merged, source: ConfigSource) -> Iterator[TestCase]:
    """Yield a case for each combination of the values of the variables."""
    test, options = merged.test, merged.options
    for name, value in options.items():
        if name not in _OPTIONS and name not in _WITHOUT_EFFECT and value:
            source.leave_out(
                place_of(options, name), f"option {name}", _OPTION_REASONS.get(name, "there is no such option")
            )
    if options.get("transformVars"):
        return
    try:
        choices = list(_choices(merged, source))
    except NunjucksError as error:
        source.leave_out(test.place, "a test", str(error))
        return
    for combination in itertools.islice(itertools.product(*(values for _, values in choices)), _MOST_CASES + 1):
        given = dict(zip((name for name, _ in choices), combination, strict=True))
        try:
            variables = {name: _rendered(value, given, source) for name, value in given.items()}
        except NunjucksError as error:
            source.leave_out(test.place, "a test", f"a variable {error}")
            continue
        yield TestCase(
            place=test.place,
            description=str(test.get("description") or ""),
            variables=variables,
            asserts=merged.asserts,
            options=options,
            threshold=_threshold(merged, source),
            metadata=plain(merged.metadata),
            prompts=_names(test.get("prompts")),
            providers=_names(test.get("providers")),
            output=plain(test.get("providerOutput")),
            trials=_trials(options, source),
        )


def _trials(options: PlacedDict, source: ConfigSource) -> int | None:
    """Return the number of trials that a test wants by ``repeat``; None if it names none."""
    given = options.get("repeat")
    if given is None:
        return None
    if isinstance(given, int) and not isinstance(given, bool) and 0 < given <= _MOST_TRIALS:
        return given
    source.leave_out(place_of(options, "repeat"), "option repeat", f"it is no whole number from 1 to {_MOST_TRIALS:,}")
    return None


def _threshold(merged: _Merged, source: ConfigSource) -> float | None:
    if merged.threshold in (None, ""):
        return None
    try:
        value = float(merged.threshold)
    except (TypeError, ValueError):
        value = -1.0
    if not 0 <= value <= 1:
        source.leave_out(merged.test.place, f"threshold {merged.threshold}", "it is not a number from 0 to 1")
        return None
    return value


def _names(given: Any) -> tuple[str, ...] | None:
    if isinstance(given, str) and given:
        return (given,)
    return tuple(map(str, given)) if isinstance(given, list) else None


def _choices(merged: _Merged, source: ConfigSource) -> Iterator[tuple[str, list[Any]]]:
    """Yield the values of each variable: several for a list of texts, or for a pattern of files."""
    variables = merged.variables
    if isinstance(variables, str | list):
        variables = _variables_file(variables, merged.test.place, source)
    expands = merged.options.get("disableVarExpansion") is not True
    for name, value in variables.items():
        place = place_of(variables, name, merged.test.place)
        if isinstance(value, str) and value.startswith(FILE):
            yield name, _file_values(value, place, source)
        elif expands and isinstance(value, list) and value and isinstance(value[0], str):
            yield name, [one for member in value for one in _member_values(member, place, source)]
        else:
            yield name, [plain(value)]


def _member_values(member: Any, place: Place, source: ConfigSource) -> list[Any]:
    if isinstance(member, str) and member.startswith(FILE):
        return _file_values(member, place, source)
    return [plain(member)]


def _variables_file(given: str | list[Any], place: Place, source: ConfigSource) -> PlacedDict:
    made = PlacedDict(place)
    for reference in [given] if isinstance(given, str) else given:
        for path in source.expand(str(reference), place):
            value = read_document(path, source.name_of(path))
            for name, member in value.items() if isinstance(value, dict) else ():
                made.put(name, member, place_of(value, name))
    return made


def _file_values(reference: str, place: Place, source: ConfigSource) -> list[Any]:
    """Return the texts of the files of a variable; a YAML document becomes JSON."""
    if reference.partition("//")[2].partition(":")[0].endswith(CODE):
        raise NunjucksError(f"has a variable that is made by code, {jsonl.escape_text(reference)}: write its value")
    texts: list[Any] = []
    for path in source.expand(reference, place):
        if path.suffix.lower() in _IMAGES:
            raise NunjucksError(f"has a variable that is a file of another kind than text, {source.name_of(path)}")
        if path.suffix.lower() in (".yaml", ".yml"):
            texts.append(as_text(read_document(path, source.name_of(path))))
        else:
            texts.append(source.read_text(path, place).strip())
    return texts


def _rendered(value: Any, variables: Mapping[str, Any], source: ConfigSource) -> Any:
    """Render the templates in a variable, which may name the others."""
    if isinstance(value, str):
        return render(value, variables, source.env) if is_template(value) else value
    if isinstance(value, dict):
        return {key: _rendered(member, variables, source) for key, member in value.items()}
    return [_rendered(member, variables, source) for member in value] if isinstance(value, list) else value


_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "vars": (dict, str, list),
    "assert": (list, dict, str),
    "options": (dict,),
    "metadata": (dict,),
    "prompts": (list, str),
    "providers": (list, str),
}


def _name_ignored(test: PlacedDict, source: ConfigSource) -> None:
    """Leave out the keys that are not read, and values of another kind than the key has."""
    for key, value in test.items():
        if value in (None, "", [], {}):
            continue
        if key not in _KEYS:
            source.leave_out(place_of(test, key), f"{key} of a test", _REASONS.get(key, "there is no such key here"))
        elif key in _TYPES and not isinstance(value, _TYPES[key]):
            source.leave_out(place_of(test, key), f"{key} of a test", "it is of another kind than this key has")
