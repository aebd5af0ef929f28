"""Check that the question of each case reaches the application, which a prompt without a placeholder prevents.

The check renders requests and sends none. It compares the request of a case with the request of the same case with
another question, so it works for templates, messages and bodies in any syntax.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.protocols import CallingTarget
    from pytest_evalgate.records.cases import Case, Json

_OTHER: Final = " (another question)"
_FOREIGN: Final = re.compile(
    r"(?<![{$%])\{ *[A-Za-z_]\w* *\}(?!\})"  # {name} of Python's str.format and of f-strings
    r"|\$\{ *[A-Za-z_]\w* *\}"  # ${name} of shells and JavaScript
    r"|%\([A-Za-z_]\w*\)s"  # %(name)s of Python's % operator
    r"|\[\[ *[A-Za-z_]\w* *\]\]|<<[A-Za-z_]\w*>>"
)
_NAME: Final = re.compile(r"[A-Za-z_]\w*")
_USUAL: Final = frozenset({"input", "question", "query", "prompt", "messages", "context", "text", "user_input"})
_MOST_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class _Asked:
    """A case with the JSON text of its request."""

    case: Case
    request: str


def check_reach(target: CallingTarget, cases: Sequence[Case], place: str) -> list[LineProblem]:
    """Return the problems of the requests of ``cases``: questions that do not reach them, and templates that fail.

    ``place`` is the name of the target's table.
    """
    problems: list[LineProblem] = []
    failed: dict[str, list[Case]] = defaultdict(list)
    lost: list[_Asked] = []
    half_lost: dict[str, list[_Asked]] = defaultdict(list)
    # a model without a prompt is sent the input itself, which needs no comparison: 0.03 ms a case
    has_no_prompt = getattr(target, "prompt", "") is None
    for case in cases:
        try:
            if has_no_prompt and case.input and not case.vars and not case.messages:
                target.call_of(case, 0)
                continue
            asked = _Asked(case, _request(target, case))
        except SettingsError as error:
            failed[str(error).partition("; in case ")[0]].append(case)
            continue
        if (case.input or case.vars or case.messages) and not _reaches(target, asked, _other(case)):
            lost.append(asked)
        elif case.input and (case.vars or case.messages) and not _reaches(target, asked, _other_input(case)):
            half_lost[asked.request].append(asked)
    if lost:
        problems.append(_lost_problem(target, lost, len(cases), place))
    for group in half_lost.values():
        if len({jsonl.canonical(asked.case.input) for asked in group}) > 1:
            problems += (_half_lost_problem(asked.case, place) for asked in group)
    problems += (_failed_problem(message, group, place) for message, group in failed.items())
    return problems


def foreign_placeholders(target: CallingTarget, cases: Iterable[Case]) -> list[str]:
    """Return the placeholders in another syntax that would be sent unchanged, such as ``{context}``."""
    case = next(iter(cases), None)
    if case is None:
        return []
    try:
        request, own = (
            _request(target, case),
            jsonl.canonical([case.input, dict(case.vars), *map(dict, case.messages)]),
        )
    except SettingsError:
        return []
    return [text for text in _foreign(request, case) if text not in own]


def _request(target: CallingTarget, case: Case) -> str:
    return jsonl.canonical(target.call_of(case, 0).payload)


def _reaches(target: CallingTarget, asked: _Asked, other: Case) -> bool:
    """Return whether the request depends on the question: another one changes it, or makes its template fail."""
    try:
        return _request(target, other) != asked.request
    except (SettingsError, TypeError, ValueError):
        return True


def _other(case: Case) -> Case:
    """Return the case with other values in all that a question may consist of."""
    return replace(
        case,
        input=_changed(case.input),
        vars=_changed(case.vars),
        messages=tuple({**message, "content": _changed(message.get("content", ""))} for message in case.messages),
        context=tuple(_changed(list(case.context))),
        metadata=_changed(case.metadata),
    )


def _other_input(case: Case) -> Case:
    return replace(case, input=_changed(case.input))


def _changed(value: Json) -> Json:
    """Return ``value`` with other texts and numbers, in the same structure."""
    if isinstance(value, str):
        return value + _OTHER
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, Mapping):
        return {key: _changed(member) for key, member in value.items()}
    return [_changed(member) for member in value] if isinstance(value, list | tuple) else value


def _lost_problem(target: CallingTarget, lost: Sequence[_Asked], cases: int, place: str) -> LineProblem:
    first = lost[0].case
    where = _where(target, place)
    found = _foreign(lost[0].request, first)
    sent = f"; {jsonl.quote_text(found[0])} is sent unchanged" if found else ""
    how_many = "no question reaches the application" if len(lost) == cases else f"{count(len(lost), 'question')} of "
    how_many += "" if len(lost) == cases else f"{cases:,} do not reach the application"
    return LineProblem(
        first.place.file,
        first.place.line,
        place,
        f"{how_many}: every such case would send the same request: put {{{{ input }}}} into {where}{sent}",
    )


def _half_lost_problem(case: Case, place: str) -> LineProblem:
    return LineProblem(
        case.place.file,
        case.place.line,
        place,
        "its input does not reach the application, and another case with another input would send the same request: "
        "put {{ input }} into the request, or remove the input",
    )


def _failed_problem(message: str, cases: Sequence[Case], place: str) -> LineProblem:
    first = cases[0]
    own = message.removeprefix(f"{first.place}: ")
    lines = ", ".join(str(case.place.line) for case in cases[1:_MOST_LISTED])
    more = f", and {len(cases) - _MOST_LISTED:,} more" if len(cases) > _MOST_LISTED else ""
    others = f" (the same on {'lines' if cases[2:] else 'line'} {lines}{more})" if len(cases) > 1 else ""
    return LineProblem(first.place.file, first.place.line, place, f"{own}{others}")


def _where(target: CallingTarget, place: str) -> str:
    """Return the name of the template that the question belongs into."""
    if hasattr(target, "request"):
        return f"the url or the body of {place}.http"
    prompt = getattr(target, "prompt", None) or getattr(target, "system", None)
    return "the messages" if prompt is None else str(prompt.name)


def _foreign(request: str, case: Case) -> list[str]:
    """Return the placeholders of other syntaxes in a request, if they have the name of a value of the case."""
    known = {*_USUAL, *case.vars}
    found = dict.fromkeys(match[0] for match in _FOREIGN.finditer(request))
    return [text for text in found if known.intersection(_NAME.findall(text))]


def foreign_arguments(arguments: Iterable[str]) -> Iterator[str]:
    """Yield the arguments of a command with a placeholder in any syntax: they are passed unchanged."""
    return (text for text in arguments if "{{" in text or _USUAL.intersection(_names(text)))


def _names(text: str) -> Iterator[str]:
    for match in _FOREIGN.finditer(text):
        yield from _NAME.findall(match[0])
