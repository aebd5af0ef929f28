"""Import of a promptfooconfig.yaml: its prompts, providers and tests, as golden sets and a configuration that runs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from pytest_evalgate import config
from pytest_evalgate.importing.imported import Imported, ImportedCase, ImportingError
from pytest_evalgate.importing.promptfoo.asked_models import asked_models
from pytest_evalgate.importing.promptfoo.case_rows import RowMaker, TestRow, restricted
from pytest_evalgate.importing.promptfoo.nunjucks import NunjucksError
from pytest_evalgate.importing.promptfoo.prompt_files import ImportedPrompt, read_prompts
from pytest_evalgate.importing.promptfoo.providers import Provider, read_provider, read_providers
from pytest_evalgate.importing.promptfoo.source import ConfigSource, dereference, place_of, slug
from pytest_evalgate.importing.promptfoo.suite_tables import (
    Configuration,
    PlannedSuite,
    check_http,
    names_in_request,
    needs_rendered,
    rendered,
    variable_of,
)
from pytest_evalgate.importing.promptfoo.test_cases import read_cases
from pytest_evalgate.importing.yaml_document import PlacedDict, read_document
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.problems import explain
from pytest_evalgate.text.syntax import InvalidToml, parse_toml
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.importing.imported import LeftOut

FORMAT: Final = "promptfoo"
_MARKS: Final = frozenset(
    {"prompts", "providers", "targets", "tests", "scenarios", "defaultTest", "assertionTemplates"}
)
_READ: Final = frozenset(
    {
        *_MARKS,
        "description",
        "evaluateOptions",
        "commandLineOptions",
        "outputPath",
        "env",
        "$schema",
        "version",
        "nunjucksFilters",
    }
)
_REASONS: Final = {
    "sharing": "nothing is shared: reports are files",
    "redteam": "attacks are not generated",
    "envFile": "export its variables in the environment of pytest",
    "passRateThreshold": 'write gates = [{ kind = "pass-rate", min = ... }]',
    "extensions": "they are code",
    "nunjucksFilters": "they are code: filters of your own have no equivalent",
    "derivedMetrics": "metrics are computed from the scores of a case only",
    "tracing": "there is no tracing",
    "tags": "a run has no tags",
    "metadata": "a run has no metadata of its own",
    "writeLatestResults": "the results are in .evalgate/",
    "assertScoringFunction": "it is code",
}
_FORMATS: Final = {".html": "html", ".csv": "csv", ".json": "json", ".xml": "junit", ".md": "markdown"}
_MINUTE_MS: Final = 60_000


def read_config(path: Path, *, project: Path, golden: str) -> Imported:
    """Read a configuration with all of its files.

    Args:
        path: The configuration, YAML or JSON.
        project: Folder of our own configuration, to which the names of all written files are relative.
        golden: Name of the golden set that the cases will be written to.

    Raises:
        ImportingError: A file is missing or malformed, or a path leads out of the folder of the configuration.
    """
    source = ConfigSource(path.parent.resolve(), project.resolve())
    name = source.name_of(path)
    document = read_document(path, name)
    if not isinstance(document, PlacedDict):
        raise ImportingError([(name, "is not a promptfoo configuration: it has no keys")])
    document = dereference(document)
    source.env = _env(document, source)
    _name_ignored(document, source)
    prompts, providers = read_prompts(document, source), _usable(read_providers(document, source), source)
    cases = read_cases(document, source)
    maker = RowMaker(
        source,
        used=_used(prompts, providers),
        filled=_filled(prompts, providers),
        transform=providers[0].transform if providers else "",
        has_tools=any("tools" in provider.target for provider in providers),
    )
    rows = maker.rows(cases)
    if not rows:
        reasons = [(one.place, f"{one.what}: {one.why}") for one in sorted(source.left_out, key=_line_of)]
        raise ImportingError([(name, "contains no test that can be imported"), *reasons])
    if _are_recorded(rows, source):
        place = rows[0].case.place
        prompts, providers = (ImportedPrompt("recorded", place, ""),), [Provider("recorded", place, "recorded")]
    prompts = _with_affixes(prompts, rows)
    rows = _with_rendered(rows, prompts, providers, source)
    goldens = _goldens(rows, golden)
    suites = _suites(prompts, providers, goldens, _title(document, path), source)
    made = _configuration(document, name, suites, rows, source)
    main = next(iter(goldens))
    files = _files(made, goldens, suites, source)
    return Imported(
        source=path,
        format=FORMAT,
        mapping=_mapping(rows),
        cases=tuple(ImportedCase(str(one.case.place), one.row) for one in goldens[main]),
        left_out=tuple(sorted(source.left_out, key=_line_of)),
        files=tuple(files.items()),
        notes=tuple(source.notes),
    )


def _line_of(left: LeftOut) -> tuple[str, int]:
    file, _, line = left.place.rpartition(":")
    return file, int(line) if line.isdecimal() else 0


def _title(document: Mapping[str, Any], path: Path) -> str:
    described = document.get("description")
    text = described.strip().partition("\n")[0] if isinstance(described, str) else ""
    short = slug(text) if len(text) <= 40 else ""  # noqa: PLR2004 - the length of a name
    return short or slug(path.resolve().parent.name) or "imported"


def _env(document: PlacedDict, source: ConfigSource) -> dict[str, Any]:
    """Return the variables that the configuration sets, which templates may read."""
    given = document.get("env")
    if not isinstance(given, dict):
        return {}
    for key in given:
        source.note(f"{place_of(given, key)}: env {key} is used in templates only: export it if a provider needs it")
    return {
        key: value for key, value in given.items() if isinstance(value, str | int | float) and "{{" not in str(value)
    }


def _name_ignored(document: PlacedDict, source: ConfigSource) -> None:
    for key, value in document.items():
        known = key in _READ and key != "nunjucksFilters"
        if not known and value not in (None, False, [], {}):
            source.leave_out(place_of(document, key), key, _REASONS.get(key, "there is no such key here"))
    output = document.get("outputPath")
    for path in output if isinstance(output, list) else [output] if output else []:
        end = next((end for end in _FORMATS if str(path).endswith(end)), None)
        if end is None:
            source.leave_out(
                place_of(document, "outputPath"), f"outputPath {path}", "there is no report of this format"
            )
        else:
            source.note(f"outputPath {path}: the report is written to .evalgate/reports/; --eval-report DIR moves it")


def _usable(providers: Sequence[Provider], source: ConfigSource) -> list[Provider]:
    """Return the providers whose requests can be sent, and whose outputs are changed in the same way."""
    found: list[Provider] = []
    for provider in providers:
        if provider.kind == "http":
            try:
                check_http(provider)
            except NunjucksError as error:
                source.leave_out(provider.place, f"provider {provider.label}", str(error))
                continue
        if provider.kind == "python" and not source.is_in_project(source.project / provider.target["file"]):
            source.leave_out(provider.place, f"provider {provider.label}", "its file is outside of this project")
            continue
        if found and provider.transform != found[0].transform:
            why = "its transform differs from that of the first provider: import it by itself"
            source.leave_out(provider.place, f"provider {provider.label}", why)
            continue
        found.append(provider)
    return found


def _used(prompts: Sequence[ImportedPrompt], providers: Sequence[Provider]) -> frozenset[str] | None:
    """Return the variables that reach some target; None if a target receives all of them."""
    if not providers or any(provider.kind in ("python", "echo") for provider in providers):
        return None
    requests = [names_in_request(provider) for provider in providers if provider.kind == "http"]
    return frozenset().union(*(prompt.names for prompt in prompts), *requests)


def _filled(prompts: Sequence[ImportedPrompt], providers: Sequence[Provider]) -> frozenset[str]:
    """Return the variables that every case needs: a template here may not read a variable that does not exist."""
    if not any(provider.kind == "model" for provider in providers):
        return frozenset()
    return frozenset().union(*(prompt.names for prompt in prompts))


def _are_recorded(rows: Sequence[TestRow], source: ConfigSource) -> bool:
    """Return whether all rows have recorded outputs, which are then graded; drop them if only some rows do."""
    recorded = [row for row in rows if "output" in row.row]
    if len(recorded) == len(rows):
        return True
    for row in recorded:
        del row.row["output"]
        source.leave_out(row.case.place, "providerOutput", "other tests have none, so every case is asked")
    return False


def _with_affixes(prompts: Sequence[ImportedPrompt], rows: Sequence[TestRow]) -> tuple[ImportedPrompt, ...]:
    """Return the prompts with the prefix and the suffix that tests add to them."""
    wanted = [key for key in ("prefix", "suffix") if any(key in row.row.get("metadata", {}) for row in rows)]
    if not wanted:
        return tuple(prompts)
    before, after = (
        f'{{{{ case.metadata.{key} | default("") }}}}' if key in wanted else "" for key in ("prefix", "suffix")
    )
    return tuple(
        prompt if prompt.messages else replace(prompt, text=f"{before}{prompt.text}{after}", own_file="")
        for prompt in prompts
    )


def _with_rendered(
    rows: Sequence[TestRow], prompts: Sequence[ImportedPrompt], providers: Sequence[Provider], source: ConfigSource
) -> list[TestRow]:
    """Return the rows with the rendered prompts that HTTP requests send."""
    wanted = {
        variable_of(prompt, provider): prompt
        for provider in providers
        for prompt in prompts
        if needs_rendered(prompt, provider)
    }
    if not wanted:
        return list(rows)
    made: list[TestRow] = []
    for row in rows:
        metadata = row.row.get("metadata", {})
        variables = {**row.case.variables, "case": {"metadata": metadata}}
        try:
            texts = {name: rendered(prompt, variables, source) for name, prompt in wanted.items()}
        except NunjucksError as error:
            source.leave_out(row.case.place, "a test", str(error))
            continue
        made.append(replace(row, row={**row.row, "vars": {**row.row.get("vars", {}), **texts}}))
    source.note(
        "the prompts that are sent over HTTP are rendered into the vars of the cases: import again after a change"
    )
    return made


def _goldens(rows: Sequence[TestRow], golden: str) -> dict[str, list[TestRow]]:
    """Return the rows of each golden set: the first has the cases without a limit, or the largest group."""
    groups = restricted(rows)
    order = sorted(groups, key=lambda key: (key != (None, None), -len(groups[key])))
    stem, _, end = golden.rpartition(".")
    names = [golden, *(f"{stem}-{number}.{end}" for number in range(2, len(order) + 1))]
    return {name: groups[key] for name, key in zip(names, order, strict=True)}


def _suites(
    prompts: Sequence[ImportedPrompt],
    providers: Sequence[Provider],
    goldens: Mapping[str, Sequence[TestRow]],
    title: str,
    source: ConfigSource,
) -> list[PlannedSuite]:
    """Return a suite for each prompt and each provider that is asked with it."""
    made: list[PlannedSuite] = []
    for prompt in prompts:
        for provider in providers:
            if provider.prompts is not None and not any(map(prompt.matches, provider.prompts)):
                continue
            own = {name: rows for name, rows in goldens.items() if _is_for(rows[0], prompt, provider)}
            if own:
                rows = tuple(row for part in own.values() for row in part)
                made.append(
                    PlannedSuite(
                        _suite_name(prompt, provider, prompts, providers, title), prompt, provider, tuple(own), rows
                    )
                )
    unused = set(goldens) - {name for suite in made for name in suite.golden}
    for name in sorted(unused) if providers and prompts else ():
        place = goldens[name][0].case.place
        source.leave_out(
            place, count(len(goldens[name]), "test"), "no prompt and provider that are imported are meant for it"
        )
    return made


def _is_for(row: TestRow, prompt: ImportedPrompt, provider: Provider) -> bool:
    wanted, asked = row.case.prompts, row.case.providers
    if wanted is not None and not any(map(prompt.matches, wanted)):
        return False
    return asked is None or any(_is_provider(provider, one) for one in asked)


def _is_provider(provider: Provider, reference: str) -> bool:
    if reference.endswith("*"):
        return any(one.startswith(reference[:-1]) for one in provider.ids)
    return reference in provider.ids or any(one.startswith(f"{reference}:") for one in provider.ids)


def _suite_name(
    prompt: ImportedPrompt,
    provider: Provider,
    prompts: Sequence[ImportedPrompt],
    providers: Sequence[Provider],
    title: str,
) -> str:
    if len(prompts) == len(providers) == 1:
        return title
    parts = [prompt.slug] if len(prompts) > 1 else []
    parts += [provider.slug] if len(providers) > 1 else []
    return "-".join(parts)


def _options(document: PlacedDict, source: ConfigSource) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the keys of the run, of every model and application, and of every suite."""
    run: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    suite: dict[str, Any] = {}
    for section in ("commandLineOptions", "evaluateOptions"):
        given = document.get(section)
        for key, value in given.items() if isinstance(given, dict) else ():
            is_number = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
            if key == "maxConcurrency" and is_number:
                limits["max_concurrency"] = min(int(value), 1024)
            elif key == "repeat" and is_number:
                suite |= {"trials": int(value)} if value > 1 else {}
            elif key == "delay" and is_number:
                limits["requests_per_minute"] = round(_MINUTE_MS / float(value), 3)
            elif key == "timeoutMs" and is_number:
                limits["timeout_s"] = float(value) / 1000
            elif key == "maxEvalTimeMs" and is_number:
                run["max_duration_s"] = float(value) / 1000
            elif value not in (None, False) and key not in (
                "showProgressBar",
                "cache",
                "verbose",
                "table",
                "progressBar",
            ):
                source.leave_out(place_of(given, key), f"{section}.{key}", "there is no such key here")
    formats = [end for end in map(_format_of, _paths(document.get("outputPath"))) if end]
    if formats:
        run["report"] = {"formats": list(dict.fromkeys(formats))}
    return run, limits, suite


def _paths(given: Any) -> list[str]:
    return [str(one) for one in given] if isinstance(given, list) else [str(given)] if given else []


def _format_of(path: str) -> str | None:
    return next((name for end, name in _FORMATS.items() if path.endswith(end)), None)


def _configuration(
    document: PlacedDict, name: str, suites: Sequence[PlannedSuite], rows: Sequence[TestRow], source: ConfigSource
) -> Configuration:
    run, limits, suite_keys = _options(document, source)
    graders = [row.grader for row in rows if row.grader is not None]
    grader = None
    if graders:
        given, place = graders[0]
        if isinstance(given, dict) and "text" in given and "id" not in given:
            given = given["text"]
        grader = read_provider(given, place, source)
        known = {identity: suite.provider for suite in suites for identity in suite.provider.ids}
        if grader is not None:
            grader = next((known[one] for one in grader.ids if one in known), replace(grader, slug="grader"))
        for other, where in graders[1:]:
            if other != graders[0][0]:
                source.leave_out(where, "provider of an assert", f"one judge grades all cases: that of {place}")
    has_judge = any(row.has_notes for row in rows)
    if has_judge and grader is None:
        source.note("the judge asks gpt-4.1-2025-04-14: set the model of your choice in models.grader")
    title = jsonl.escape_text(str(document.get("description") or "").strip().partition("\n")[0], 100)
    name = jsonl.escape_text(name, 200)
    asked = asked_models((one for row in rows for one in row.asked), source)
    return Configuration(
        title, name, suites, run, limits, suite_keys, grader if _is_model(grader) else None, has_judge, asked
    )


def _is_model(grader: Provider | None) -> bool:
    return grader is not None and grader.kind == "model"


def _files(
    made: Configuration, goldens: Mapping[str, Sequence[TestRow]], suites: Sequence[PlannedSuite], source: ConfigSource
) -> dict[str, str]:
    """Return the further files: golden sets after the first, the configuration, prompts and the module of targets."""
    files: dict[str, str] = {}
    for name in list(goldens)[1:]:
        files[name] = "".join(f"{json.dumps(row.row, ensure_ascii=False)}\n" for row in goldens[name])
    if not suites:
        source.note("no suite is written: no prompt and provider can be imported; set a target by hand")
        return files
    try:
        text = made.text()
        table = parse_toml(text.encode())
    except (TypeError, InvalidToml) as error:
        raise ImportingError([(made.config, f"the configuration cannot be written: {error}")]) from error
    try:
        config.Settings.model_validate(table)
    except ValidationError as error:
        reason = explain(error, table)[0]
        raise ImportingError([(made.config, f"the configuration cannot be written: {reason}")]) from None
    return {**files, config.CONFIG_FILE: text, **made.files}


def _mapping(rows: Sequence[TestRow]) -> tuple[tuple[str, str], ...]:
    """Return the names that were read, and their canonical fields."""
    found: dict[tuple[str, str], None] = {}
    names = {"vars": "vars", "asserts": "assert", "threshold": "threshold", "output": "providerOutput"}
    for row in rows:
        if row.case.description:
            found["description", "id"] = None
        for into, read in names.items():
            if into in row.row and (into != "asserts" or row.has_rule):
                found[read, into] = None
        if "expected" in row.row:
            found["assert (equals)", "expected"] = None
        if row.has_notes:
            found["assert (by a model)", "rubric"] = None
        if row.case.metadata:
            found["metadata", "metadata"] = None
    return tuple(found)
