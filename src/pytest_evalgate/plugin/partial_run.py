"""A run that is not the whole: some cases of each suite to see how it goes, or none at all, only counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.golden.sampling import sample_ids
from pytest_evalgate.plugin.golden_test import GOLDEN_TEST
from pytest_evalgate.plugin.items import CaseItem
from pytest_evalgate.settings import DEFAULT_TIER
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Collection

    import pytest

    from pytest_evalgate.data import SuitePlan
    from pytest_evalgate.plugin.session import EvalSession


class PartialRun:
    """Leaves out the cases that ``--eval-sample`` does not draw, and ends ``--collect-only`` with what is planned."""

    def __init__(self, session: EvalSession) -> None:
        """Select for ``session``."""
        self._session = session

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Deselect what is not drawn; it stays in the plan, so that nothing is judged by the rest."""
        size = self._session.options.sample
        if size is None:
            return
        drawn = {plan.name: sample_ids(plan, size) for plan in self._session.ledger.plans.values()}
        others = [item for item in items if (key := _case_of(item)) is not None and key[1] not in drawn[key[0]]]
        if others:
            self._session.config.hook.pytest_deselected(items=others)
            items[:] = [item for item in items if item not in set(others)]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Count the cases, where they were only collected."""
        config, plans = self._session.config, self._session.ledger.plans.values()
        if config.getoption("collectonly") and plans and config.get_verbosity() > -2:  # noqa: PLR2004 - -qq is silent
            terminalreporter.write_line(planned_line(plans, self._session.assembly.settings.default_tier))


def planned_line(plans: Collection[SuitePlan], tier: str) -> str:
    """Say how many cases each suite has in a tier, and of how many where it runs a sample."""
    sizes = {plan.name: len(plan.cases) for plan in plans}
    every = sum(plan.drawn_from or len(plan.cases) for plan in plans)
    named = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
    of = "" if every == sum(sizes.values()) else f" of {every:,}"
    where = "" if tier == DEFAULT_TIER else f" (tier {tier})"
    return f"eval gate: {named} = {count(sum(sizes.values()), 'case')}{of}{where}"


def _case_of(item: pytest.Item) -> tuple[str, str] | None:
    """Return the suite and the case of an eval item."""
    test = item if isinstance(item, CaseItem) else item.stash.get(GOLDEN_TEST, None)
    return None if test is None else (test.suite.plan.name, test.case.id)
