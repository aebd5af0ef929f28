"""An application behind HTTP as the target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.calls import Call, record_of
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets.outputs import TargetFailure
from pytest_evalgate.targets.request import text_of, variables_of
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_evalgate import config
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import Reply
    from pytest_evalgate.records.results import Case, Json

_PLACEHOLDER: Final = re.compile(r"\{\{ *([\w-]+(?:\.[\w-]+)*) *\}\}")
_WHOLE: Final = re.compile(rf"\A{_PLACEHOLDER.pattern}\Z")
_DOTS: Final = frozenset({".", ".."})


class PathError(Exception):
    """A dotted path leads nowhere; the message says where it ends and what is there."""


def look_up(value: Json, path: str) -> Json:
    """Follow a dotted path; the parts are keys, and numbers are indexes of lists.

    Raises:
        PathError: it leads nowhere.

    """
    done: list[str] = []
    for part in path.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (IndexError, KeyError, TypeError, ValueError):
            raise PathError(f"there is no {path}: {'.'.join(done) or 'the whole'} {_described(value)}") from None
        done.append(part)
    return value


def fill(template: Json, variables: Mapping[str, Json]) -> Json:
    """Return ``template`` with values in the place of its placeholders, in strings at any depth.

    A string that is a placeholder and nothing else becomes the value, with its type; inside of a longer string,
    what is not text becomes JSON text. Keys stay as they are.

    Raises:
        PathError: a placeholder leads nowhere.

    """
    if isinstance(template, str):
        whole = _WHOLE.match(template)
        return look_up(variables, whole[1]) if whole else _filled(template, variables, text_of)
    if isinstance(template, dict):
        return {key: fill(member, variables) for key, member in template.items()}
    if isinstance(template, list | tuple):
        return [fill(member, variables) for member in template]
    return template


def fill_url(template: str, variables: Mapping[str, Json]) -> str:
    """Return the URL with values percent-encoded, so that each stays inside its part of path or query.

    Raises:
        PathError: a placeholder leads nowhere, or a value would make the path climb: ``.`` or ``..``.

    """
    url = _filled(template, variables, lambda value: quote(text_of(value), safe=""))
    path = url.partition("://")[2].partition("?")[0]
    if _DOTS.intersection(path.split("/")):
        raise PathError(f"{url} would lead to another path: a value in it is . or ..")
    return url


def invalid_placeholders(template: Json) -> Iterator[str]:
    """Yield what is written in double braces in ``template`` and is no dotted path."""
    for text in _strings(template):
        rest = _PLACEHOLDER.sub("", text)
        if "{{" in rest or "}}" in rest:
            yield text


def has_placeholder(template: Json) -> bool:
    """Tell whether the values of a case make any difference to ``template``."""
    return any(_PLACEHOLDER.search(text) for text in _strings(template))


def _filled(template: str, variables: Mapping[str, Json], write: Callable[[Json], str]) -> str:
    return _PLACEHOLDER.sub(lambda found: write(look_up(variables, found[1])), template)


def _strings(template: Json) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, dict | list | tuple):
        for member in template.values() if isinstance(template, dict) else template:
            yield from _strings(member)


def _described(value: Json) -> str:
    if isinstance(value, dict):
        return f"has {', '.join(map(str, value)) or 'no keys'}"
    if isinstance(value, list):
        return f"is a list of {len(value)}"
    kind = "text" if isinstance(value, str) else "null" if value is None else type(value).__name__
    return f"is {kind}"


_SHOWN = 200


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """Sends ``request``, filled with the values of the case.

    ``version`` is that of the application: while it is the same, its answers are remembered.
    """

    request: config.HttpRequest
    suite: str
    version: str
    client: ModelClient

    def call_of(self, case: Case, trial: int) -> Call:
        """Return the call that `answer` sends; sends nothing.

        Raises:
            SettingsError: a placeholder leads nowhere in ``case``; names suite and case.

        """
        variables = variables_of(case)
        try:
            url = fill_url(self.request.url, variables)
            body = fill(self.request.body, variables)
        except PathError as error:
            raise SettingsError(
                f"suites.{self.suite}.target.http: {error}; in case {jsonl.quote_text(case.id)} ({case.place})"
            ) from None
        return Call(
            kind="http",
            endpoint=self.request.url,
            model="",
            payload={"method": self.request.method, "url": url, "headers": self.request.headers, "body": body},
            trial=trial,
            version=self.version,
            route=self.suite,
            label=f"{self.suite}::{case.id}",
        )

    async def answer(self, case: Case, trial: int) -> Output:
        """Return what stands at the ``output`` path of the reply; all of it where there is no path.

        Raises:
            CallFailed: there was no reply to be had; the case is missing.
            TargetFailure: the reply holds no output.

        """
        call = self.call_of(case, trial)
        return self.output_of(call, await self.client.send(call))

    def output_of(self, call: Call, reply: Reply) -> Output:
        """Return what ``reply`` to a call of this target holds.

        Raises:
            TargetFailure: it holds no output.

        """
        return Output(self._value(reply), dict(reply.metadata), reply.latency_s, reply.finish, record_of(call, reply))

    def _value(self, reply: Reply) -> Json:
        path = self.request.output
        try:
            value = reply.value if path is None else look_up(reply.value, path)
        except PathError as error:
            shown = jsonl.quote_text(reply.value, _SHOWN) if isinstance(reply.value, str) else ""
            raise TargetFailure(f"in the reply {error}{shown and f': {shown}'}") from None
        if value is None:
            raise TargetFailure(f"in the reply {path or 'the whole'} is null")
        return value


def check_request(request: config.HttpRequest, place: str) -> None:
    """Refuse a request that cannot be filled, or that would be the same for every case.

    Raises:
        SettingsError: names ``place`` and the value.

    """
    template = [request.url, request.body]
    for text in invalid_placeholders(template):
        raise SettingsError(
            f"{place}: {jsonl.quote_text(text)}: between double braces stands a dotted path and nothing else, "
            "such as {{ input }} or {{ vars.language }}"
        )
    if not has_placeholder(template):
        raise SettingsError(
            f"{place}: every case would send the same request: put {{{{ input }}}} into the url or the body, "
            'for example body = { question = "{{ input }}" }'
        )
