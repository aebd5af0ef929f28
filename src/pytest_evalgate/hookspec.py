"""Hooks of this plugin. The example of each docstring can be pasted into a conftest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_evalgate.protocols import Rule, Target
    from pytest_evalgate.reports.view import ReportView

hookspec = pluggy.HookspecMarker("pytest")


@hookspec
def pytest_evalgate_scorers() -> Mapping[str, Rule]:  # type: ignore[empty-body]
    """Return additional rules by name. Suites and asserts use them like the built-in ones.

    A rule takes the case, the output and the parameters of its configuration entry. It returns a bool, a number in
    [0, 1], a pair (value, reason), a Score, or None if it cannot decide::

        def ends_politely(case, output, /, *, closing="Kind regards"):
            passed = str(output.value).rstrip().endswith(closing)
            return passed, "" if passed else f"does not end with {closing!r}"

        def pytest_evalgate_scorers():
            return {"ends-politely": ends_politely}

    and in evalgate.toml::

        scorers = ["ends-politely", { kind = "ends-politely", closing = "Yours" }]
    """


@hookspec
def pytest_evalgate_targets() -> Mapping[str, Callable[..., Target]]:  # type: ignore[empty-body]
    """Return additional kinds of targets by name: functions that make a target from the other keys of its table.

    ``answer`` returns a str, a dict or an Output. It raises MissingOutput if no output could be obtained. Any other
    exception is a failure of the application, and the case is missed. If the target has a ``close()`` method, it is
    called at the end::

        class Shouting:
            def __init__(self, ending="!"):
                self.ending = ending

            async def answer(self, case, trial):
                return case.input.upper() + self.ending

        def pytest_evalgate_targets():
            return {"shouting": Shouting}

    and in evalgate.toml::

        target = { kind = "shouting", ending = "!!" }
    """


@hookspec
def pytest_evalgate_report(report: ReportView) -> Mapping[str, str]:  # type: ignore[empty-body]
    r"""Return additional reports: the content of each by file name. They are written to the folder of the reports.

    Called once, after the run is decided. ``report.verdict`` is the content of ``verdict.json``, ``report.suites`` has
    the suites with their changed cases, and ``report.cases`` iterates over all cases::

        def pytest_evalgate_report(report):
            missed = [f"{case.id}: {case.reason}" for case in report.cases if case.outcome == "missed"]
            return {"missed.txt": "\n".join([report.verdict.verdict, *missed])}
    """
