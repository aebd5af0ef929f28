"""Acceptance of an output as the expected value: the value to write, such that the rules of the suite then pass it.

A rule that reads a part of an output, such as the number after "Answer:", would not accept the whole output as the
expected value. The parts that its pattern finds are tried after the whole.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import regex

from pytest_evalgate.engine.trial import run_sync
from pytest_evalgate.errors import ScorerError, UserError
from pytest_evalgate.scorers import Context, build_all, grade, passes, scorers_of
from pytest_evalgate.scorers.registry import is_built

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.config import Suite
    from pytest_evalgate.protocols import Scorer
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Output

_NUMBER: Final = re.compile(r"[-+]?\d(?:[\d.,]*\d)?")
_MOST_PARTS: Final = 20
_PATTERN_TIMEOUT_S: Final = 1.0


def values_to_accept(suite: Suite | None, answer: Json, before: Json) -> Iterator[Json]:
    """Yield the values that may become expected: the answer, then the parts of it that the rules of a suite read.

    ``before`` is the expected value so far, whose type the parts get.
    """
    yield answer
    if suite is None or not isinstance(answer, str):
        return
    parts: dict[str, None] = {}
    for spec in suite.scorers:
        rule = {"kind": spec} if isinstance(spec, str) else spec
        if isinstance(pattern := rule.get("pattern"), str):
            parts |= dict.fromkeys(_matches(pattern, answer))
    for spec in suite.scorers:
        if (spec if isinstance(spec, str) else spec.get("kind")) == "number":
            parts |= dict.fromkeys(_NUMBER.findall(answer)[: -_MOST_PARTS - 1 : -1])
    for part in parts:
        if part != answer:
            yield _typed(part, before)


def _matches(pattern: str, answer: str) -> list[str]:
    """Return what a pattern finds, the last match first: its first group, or all of it."""
    try:
        found = regex.finditer(pattern, answer, timeout=_PATTERN_TIMEOUT_S)
        texts = [(match[1] if match.re.groups else match[0]) or "" for match in islice(found, 1_000)]
    except (regex.error, TimeoutError, ValueError):
        return []
    return [text.strip() for text in texts[: -_MOST_PARTS - 1 : -1] if text.strip()]


def _typed(part: str, before: Json) -> Json:
    if not isinstance(before, int | float) or isinstance(before, bool):
        return part
    try:
        value: Any = json.loads(part)
    except ValueError:
        return part
    return value if isinstance(value, int | float) else part


def why_still_missed(suite: Suite | None, root: Path, case: Case, output: Output) -> str | None:
    """Return why the built-in rules of a suite miss ``output``; None if they pass it, or if they cannot tell.

    Judges, functions of the user, rules of pytest plugins, and scorers that ask a model are left out.
    """
    if suite is None:
        return None
    specs = [spec for spec in suite.scorers if not _asks_more(spec)]
    context = Context(roots=(root,), tools=getattr(suite.target, "tools", ()))
    try:
        built = build_all(specs, context=context)
        built = scorers_of(case, built, context=context, by_default=suite.has_default_scorers)
    except UserError:  # a rule of a plugin
        return None
    rules = [rule for rule in built if not getattr(rule, "waits", True)]
    is_whole = len(rules) == len(built) and len(specs) == len(suite.scorers)
    try:
        return run_sync(_reason(rules, case, output, suite.threshold if is_whole else None)) if rules else None
    except ScorerError as error:
        return str(error)


def _asks_more(spec: str | Mapping[str, Any]) -> bool:
    """Return whether a scorer is a judge, or needs more than the case and the output."""
    given = {"kind": spec} if isinstance(spec, str) else spec
    return "judge" in given or is_built(str(given.get("kind")))


async def _reason(rules: Sequence[Scorer], case: Case, output: Output, threshold: float | None) -> str | None:
    for rule in rules:
        check = getattr(rule, "case_problem", None)
        if check is not None and (problem := check(case, output)) is not None:
            return f"{rule.name}: {problem}"
    scores = await grade(case, output, rules)
    if passes(scores, threshold) is not False:
        return None
    return "; ".join(f"{score.name}: {score.reason}" for score in scores if score.passed is False)
