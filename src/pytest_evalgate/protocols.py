"""The seams: one method each, so that a fake is three lines (``pytest_evalgate.testing`` ships them)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pytest_evalgate.records.calls import Call, Reply
    from pytest_evalgate.records.results import Case, Output, Returned, Score


@runtime_checkable
class Target(Protocol):
    """The application under test."""

    async def answer(self, case: Case, trial: int) -> Output:
        """Return the output of the 0-based ``trial`` of ``case``.

        Raises:
            MissingOutput: no answer could be had (infrastructure); the case is missing.
            Exception: the target's own failure; the trial is a miss with the exception as its reason.

        """


@runtime_checkable
class Scorer(Protocol):
    """Grades one output of one case. Stateless: one scorer serves every case."""

    @property
    def name(self) -> str:
        """The name under which the score is reported, unique in its suite."""

    async def score(self, case: Case, output: Output) -> Score:
        """Return the score.

        Raises:
            ScorerError: the scorer itself broke; names the scorer and the case.

        """


@runtime_checkable
class ModelClient(Protocol):
    """Sends calls: the clients proper, and each layer around them (retries, budget, cache), which wraps another."""

    async def send(self, call: Call) -> Reply:
        """Return the answer to ``call``.

        Raises:
            CallFailed: there is none to be had; the case is missing.
            RunStopped: there will be none for any call of this run.

        """


class Rule(Protocol):
    """A rule as a plain function: ``(case, output, **params) -> value``; the registry maps names to rules.

    mypy takes functions with parameters of their own for this shape, and none with ``*args`` left out.
    """

    def __call__(self, case: Case, output: Output, /, *args: Any, **params: Any) -> Returned:
        """Return the value of ``output``."""
