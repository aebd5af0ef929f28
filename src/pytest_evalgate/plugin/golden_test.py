"""One item of a marked test: its case, and what its bodies and its target made of it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.targets import as_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_evalgate.data import Case, Output, Trial
    from pytest_evalgate.plugin.assembly import ReadySuite


@dataclass(slots=True)
class Bodies:
    """What the test's body produced, one entry a trial: an output, what it raised, or None."""

    made: list[Output | BaseException | None] = field(default_factory=list)
    explicit: list[Any] = field(default_factory=list)

    @contextlib.contextmanager
    def trial(self) -> Iterator[None]:
        """Keep what one trial raises: the target's own failure; pytest's skip and exit pass through."""
        try:
            yield
        except pytest.exit.Exception:
            raise
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - whatever the body raises is a miss
            self.made.append(error)

    def take(self, returned: object) -> None:
        """Keep the output of one trial: what the body returned, else what it recorded."""
        value = self.explicit.pop() if returned is None and self.explicit else returned
        self.explicit.clear()
        self.made.append(None if value is None else as_output(value))


class Recorder:
    """The ``evalgate`` fixture: for tests that cannot return their output."""

    def __init__(self, bodies: Bodies) -> None:
        """Record into ``bodies``."""
        self._bodies = bodies

    def record(self, output: object) -> None:
        """Record the output of this trial: a str, a dict or an Output."""
        self._bodies.explicit.append(output)


@dataclass(frozen=True, slots=True)
class GoldenTest:
    """One item of a marked test.

    Args:
        suite: Its suite; with a target where the marker says ``target=``.
        case: Its case.
        body: The function that the user wrote.
        runs_together: Whether its bodies run on the engine, beside those of other cases.
        bodies: What the bodies made.
        ahead: What the engine made of the case before its bodies run, a trial each; empty without a target.
        graded: What a body that ran on the engine came to, a trial each; None where it gave no output.

    """

    suite: ReadySuite
    case: Case
    body: Callable[..., Any]
    runs_together: bool = False
    bodies: Bodies = field(default_factory=Bodies)
    ahead: list[Trial] = field(default_factory=list)
    graded: list[Trial | None] = field(default_factory=list)

    @property
    def is_prefetched(self) -> bool:
        """Tell whether the engine asks the target ahead of the item, and the bodies run in the item itself."""
        return self.suite.target is not None and not self.runs_together

    @property
    def is_early(self) -> bool:
        """Tell whether work for it starts before its item runs."""
        return self.suite.target is not None or self.runs_together

    def rounds(self, arguments: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the body's arguments for each trial in which it is to run."""
        if not self.ahead:
            yield from repeat(arguments, self.suite.plan.trials)
        for trial in self.ahead:
            if not is_whole(trial):
                self.bodies.made.append(None)
            elif "output" in arguments and len(self.ahead) > 1:
                yield {**arguments, "output": trial.output}
            else:
                yield arguments


GOLDEN_TEST: pytest.StashKey[GoldenTest] = pytest.StashKey()


def is_whole(trial: Trial) -> bool:
    """Tell whether the target gave a whole answer: one that a body can look at."""
    return trial.output is not None and trial.output.finish == "complete"


def may_begin(item: pytest.Item) -> bool:
    """Tell whether an item will run for sure; what may be skipped yet is begun when its turn comes."""
    xfail = item.get_closest_marker("xfail")
    never_runs = xfail is not None and not xfail.kwargs.get("run", True)
    return not (never_runs or item.get_closest_marker("skip") or item.get_closest_marker("skipif"))
