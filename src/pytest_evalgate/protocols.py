"""Protocols of targets, scorers and model clients: one method each, so a fake has three lines.

``pytest_evalgate.testing`` contains fakes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pytest_evalgate.records.calls import Call, Reply
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Output, Returned, Score


@runtime_checkable
class Target(Protocol):
    """The application under test."""

    async def answer(self, case: Case, trial: int) -> Output:
        """Return the output of the 0-based ``trial`` of ``case``.

        Raises:
            MissingOutput: no output could be obtained (infrastructure); the case is missing.
            Exception: the target failed; the trial is a miss with the exception as its reason.
        """


@runtime_checkable
class CallingTarget(Target, Protocol):
    """A target that sends one call per trial, so that the call can be estimated, and looked up in the cache."""

    @property
    def route(self) -> str:
        """Name of the route of the calls: a model, or the suite of an application."""

    def call_of(self, case: Case, trial: int) -> Call:
        """Return the call that `answer` sends, without sending it."""

    def output_of(self, call: Call, reply: Reply) -> Output:
        """Return the output that `answer` returns for ``reply``."""


@runtime_checkable
class Scorer(Protocol):
    """Grader of one output of one case. Stateless: one scorer serves every case."""

    @property
    def name(self) -> str:
        """Name of the score, unique in its suite."""

    async def score(self, case: Case, output: Output) -> Score:
        """Return the score.

        Raises:
            ScorerError: the scorer failed; names the scorer and the case.
        """


@runtime_checkable
class ModelClient(Protocol):
    """Sender of calls. Each layer (retries, budget, cache) is a client that wraps another client."""

    async def send(self, call: Call) -> Reply:
        """Return the reply to ``call``.

        Raises:
            CallFailed: no reply could be obtained; the case is missing.
            RunStopped: no call of this run can succeed any more.
        """


class Rule(Protocol):
    """A rule: a plain function ``(case, output, **params) -> value``. The registry maps names to rules.

    ``*args`` is for mypy: with ``*args: Any, **params: Any`` it accepts functions with any further parameters.
    """

    def __call__(self, case: Case, output: Output, /, *args: Any, **params: Any) -> Returned:
        """Return the value of ``output``."""
