"""Decides what is done with each request: the limits first, then what is queued, then the standing script."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from pytest_evalgate.testing.behaviours import Behaviour
from pytest_evalgate.testing.exchange import Answer, Request, body_of
from pytest_evalgate.testing.limits import Gate, Limits
from pytest_evalgate.testing.status_answers import error_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.testing.http1 import Message
    from pytest_evalgate.testing.traffic import Traffic

_T = TypeVar("_T")

STATS_PATH: Final = "/_stats"
RESET_PATH: Final = "/_reset"

_REFUSAL: Final = Behaviour.rate_limited(1)


@dataclass(frozen=True, slots=True)
class Job:
    """A request and what is done with it.

    Args:
        request: what is asked.
        behaviour: what is done.
        is_last: whether the connection is closed after it, as the client wishes.
        in_flight: whether it counts as being answered.

    """

    request: Request
    behaviour: Behaviour
    is_last: bool
    in_flight: bool

    def answer(self) -> Answer:
        """Make the answer; a behaviour that raises is said to the client."""
        try:
            return _made(Answer, self.behaviour.answer(self.request))
        except Exception as error:  # noqa: BLE001 - a test's own function: the test must get to see it
            return _broken(error).answer(self.request)


class Desk:
    """Takes requests; `begin` and `end` run in the server's thread, the script may change from any."""

    def __init__(self, traffic: Traffic, limits: Limits) -> None:
        """Echo, until told otherwise."""
        self.traffic = traffic
        self.queue: deque[Behaviour] = deque()
        self.decide: Callable[[Request], Behaviour] = lambda _: Behaviour.echo()
        self._gate = Gate(limits)

    def begin(self, message: Message) -> Job:
        """Count a request and decide what is done with it."""
        now = time.monotonic()
        number = self.traffic.calls + 1
        request = Request(number, message.method, message.path, message.headers, body_of(message.body), now)
        if request.path in {STATS_PATH, RESET_PATH}:
            return Job(request, self._accounts(request), message.is_last, in_flight=False)
        admitted = self._gate.admits(self.traffic.in_flight, now)
        self.traffic.arrived(request, admitted=admitted)
        return Job(request, self._scripted(request) if admitted else _REFUSAL, message.is_last, in_flight=admitted)

    def end(self, job: Job) -> None:
        """Count a request as answered, or given up."""
        if job.in_flight:
            self.traffic.ended()

    def _scripted(self, request: Request) -> Behaviour:
        if self.queue:
            return self.queue.popleft()
        try:
            return _made(Behaviour, self.decide(request))
        except Exception as error:  # noqa: BLE001 - a test's own function: the test must get to see it
            return _broken(error)

    def _accounts(self, request: Request) -> Behaviour:
        if request.path == RESET_PATH:
            self.traffic.reset()
        return Behaviour.reply(asdict(self.traffic.counts))


def _made(wanted: type[_T], value: object) -> _T:
    """Return what a function of the test's made, if it is what was wanted."""
    if not isinstance(value, wanted):
        raise TypeError(f"it made {value!r}, which is no {wanted.__name__}")
    return value


def _broken(error: Exception) -> Behaviour:
    message = f"the script of the test server raised {type(error).__name__}: {error}"
    return Behaviour.status(500, error_body(message, "server_error"))
