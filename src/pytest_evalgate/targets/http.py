"""An application behind HTTP as the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate import jsonl
from pytest_evalgate.calls import Call, record_of
from pytest_evalgate.data import Output
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.targets import placeholders
from pytest_evalgate.targets.outputs import TargetFailure
from pytest_evalgate.targets.variables import variables_of

if TYPE_CHECKING:
    from pytest_evalgate import settings
    from pytest_evalgate.calls import Reply
    from pytest_evalgate.data import Case, Json
    from pytest_evalgate.protocols import ModelClient

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """Sends ``request``, filled with the values of the case.

    ``version`` is that of the application: while it is the same, its answers are remembered.
    """

    request: settings.HttpRequest
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
            url = placeholders.fill_url(self.request.url, variables)
            body = placeholders.fill(self.request.body, variables)
        except placeholders.PathError as error:
            raise SettingsError(
                f"suites.{self.suite}.target.http: {error}; in case {jsonl.quoted(case.id)} ({case.place})"
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
            value = reply.value if path is None else placeholders.look_up(reply.value, path)
        except placeholders.PathError as error:
            shown = jsonl.quoted(reply.value, _SHOWN) if isinstance(reply.value, str) else ""
            raise TargetFailure(f"in the reply {error}{shown and f': {shown}'}") from None
        if value is None:
            raise TargetFailure(f"in the reply {path or 'the whole'} is null")
        return value


def check_request(request: settings.HttpRequest, place: str) -> None:
    """Refuse a request that cannot be filled, or that would be the same for every case.

    Raises:
        SettingsError: names ``place`` and the value.

    """
    template = [request.url, request.body]
    for text in placeholders.faults(template):
        raise SettingsError(
            f"{place}: {jsonl.quoted(text)}: between double braces stands a dotted path and nothing else, "
            "such as {{ input }} or {{ vars.language }}"
        )
    if not placeholders.has_placeholder(template):
        raise SettingsError(
            f"{place}: every case would send the same request: put {{{{ input }}}} into the url or the body, "
            'for example body = { question = "{{ input }}" }'
        )
