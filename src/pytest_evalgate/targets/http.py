"""Application behind HTTP as the target, and the templates of its requests.

A placeholder is a dotted path in double braces. Templates have no expressions, and values of a case are never
evaluated.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.calls import Call, record_of
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets.beside import beside_output
from pytest_evalgate.targets.outputs import TargetFailure
from pytest_evalgate.targets.request import check_json, text_of, variables_of
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_evalgate import config
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import Reply
    from pytest_evalgate.records.cases import Case, Json

_PLACEHOLDER: Final = re.compile(r"\{\{ *([\w-]+(?:\.[\w-]+)*) *\}\}")
_WHOLE: Final = re.compile(rf"\A{_PLACEHOLDER.pattern}\Z")
_DOTS: Final = frozenset({".", ".."})
_QUOTED: Final = 200  # characters of a reply in a message


@dataclass(frozen=True, slots=True)
class HttpTargetRunner:
    """A target that sends ``request``, filled with the values of the case.

    ``version`` is the application's version; outputs are cached as long as it does not change.
    """

    request: config.HttpRequest
    suite: str
    version: str
    client: ModelClient

    @property
    def route(self) -> str:
        """Name of the suite: each suite has one client."""
        return self.suite

    def call_of(self, case: Case, trial: int) -> Call:
        """Return the call that `answer` sends, without sending it.

        Raises:
            SettingsError: ``case`` has no value for a placeholder.
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
            route=self.route,
            label=f"{self.suite}::{case.id}",
        )

    async def answer(self, case: Case, trial: int) -> Output:
        """Send the call and return the output.

        Raises:
            CallFailed: There is no reply; the case is missing.
            TargetFailure: The reply has no output.
        """
        call = self.call_of(case, trial)
        return self.output_of(call, await self.client.send(call))

    def output_of(self, call: Call, reply: Reply) -> Output:
        """Return the value at the ``output`` path of ``reply``, or the whole reply if there is no path.

        The steps of an agent beside the value become metadata (`beside_output`).

        Raises:
            TargetFailure: The reply has no such value, or it is null.
        """
        path = self.request.output
        try:
            value = reply.value if path is None else look_up(reply.value, path)
        except PathError as error:
            text = f": {jsonl.quote_text(reply.value, _QUOTED)}" if isinstance(reply.value, str) else ""
            raise TargetFailure(f"in the reply, {error}{text}") from None
        if value is None:
            raise TargetFailure("the reply is null" if path is None else f"in the reply, {path} is null")
        beside = {} if path is None else beside_output(reply.value, path)
        metadata = {**beside, **reply.metadata}
        return Output(value, metadata, reply.latency_s, reply.finish, record_of(call, reply))


def check_request(request: config.HttpRequest, place: str) -> None:
    """Check that the request has valid placeholders, at least one of them.

    Raises:
        SettingsError: A placeholder is malformed, or there is none, so that every case would send the same request.
    """
    template = [request.url, request.body]
    for text in invalid_placeholders(template):
        raise SettingsError(
            f"{place}: {jsonl.quote_text(text)}: write a dotted path, and nothing else, between double braces, "
            "such as {{ input }} or {{ vars.language }}"
        )
    if not has_placeholder(template):
        raise SettingsError(
            f"{place}: every case would send the same request: put {{{{ input }}}} into the url or the body, "
            'for example body = { question = "{{ input }}" }'
        )
    check_json(request.body, f"{place}.body")


class PathError(Exception):
    """A dotted path without a value. The message names the last part that exists, and its value."""


def look_up(value: Json, path: str) -> Json:
    """Return the value at a dotted path, whose parts are keys of objects and indexes of lists.

    Raises:
        PathError: There is no such value.
    """
    done: list[str] = []
    for part in path.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (IndexError, KeyError, TypeError, ValueError):
            raise PathError(f"there is no {path}: {'.'.join(done) or 'the top level'} {_describe(value)}") from None
        done.append(part)
    return value


def fill(template: Json, variables: Mapping[str, Json]) -> Json:
    """Replace the placeholders in all strings of ``template``, at any depth, by values.

    A string that consists of one placeholder becomes the value, with its type. In a longer string, a value that is not
    text becomes JSON text. Keys do not change.

    Raises:
        PathError: There is no value for a placeholder.
    """
    if isinstance(template, str):
        whole = _WHOLE.match(template)
        return look_up(variables, whole[1]) if whole else _replace(template, variables, text_of)
    if isinstance(template, dict):
        return {key: fill(member, variables) for key, member in template.items()}
    if isinstance(template, list | tuple):
        return [fill(member, variables) for member in template]
    return template


def fill_url(template: str, variables: Mapping[str, Json]) -> str:
    """Replace the placeholders of a URL by percent-encoded values, so that each stays in its part of path or query.

    Raises:
        PathError: There is no value for a placeholder, or a value is ``.`` or ``..`` and would change the path.
    """
    # with safe="", a slash in a value adds no part to the path
    url = _replace(template, variables, lambda value: quote(text_of(value), safe=""))
    path = url.partition("://")[2].partition("?")[0]
    if _DOTS.intersection(path.split("/")):
        raise PathError(f"{url} would lead to another path, because a value in it is . or ..")
    return url


def invalid_placeholders(template: Json) -> Iterator[str]:
    """Yield the strings in ``template`` with double braces around anything but a dotted path."""
    for text in _strings(template):
        rest = _PLACEHOLDER.sub("", text)
        if "{{" in rest or "}}" in rest:
            yield text


def has_placeholder(template: Json) -> bool:
    """Return whether ``template`` has a placeholder."""
    return any(_PLACEHOLDER.search(text) for text in _strings(template))


def _replace(template: str, variables: Mapping[str, Json], write: Callable[[Json], str]) -> str:
    return _PLACEHOLDER.sub(lambda found: write(look_up(variables, found[1])), template)


def _strings(template: Json) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, dict | list | tuple):
        for member in template.values() if isinstance(template, dict) else template:
            yield from _strings(member)


def _describe(value: Json) -> str:
    if isinstance(value, dict):
        return f"has {', '.join(map(str, value)) or 'no keys'}"
    if isinstance(value, list):
        return f"is a list of {len(value)}"
    kind = "text" if isinstance(value, str) else "null" if value is None else type(value).__name__
    return f"is {kind}"
