"""Hooks of this plugin; each docstring can be pasted into a conftest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.protocols import Rule

hookspec = pluggy.HookspecMarker("pytest")


@hookspec
def pytest_evalgate_scorers() -> Mapping[str, Rule]:  # type: ignore[empty-body]
    """Return rule scorers of your own by name; suites and asserts then use them like the built-in ones.

    A rule takes the case, the output and the parameters of its configuration entry, and returns a Mark::

        from pytest_evalgate import Mark

        def ends_politely(case, output, /, *, closing="Kind regards"):
            return Mark(float(str(output.value).rstrip().endswith(closing)), f"does not end with {closing!r}")

        def pytest_evalgate_scorers():
            return {"ends-politely": ends_politely}

    and in evalgate.toml::

        scorers = ["ends-politely", { kind = "ends-politely", closing = "Yours" }]
    """
