"""The base branch in a tier: its own gates of that tier, its own sample."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_evalgate.config import PassRateGate, load
from pytest_evalgate.guard.base_branch import find_base

if TYPE_CHECKING:
    from tests.app.conftest import Repository

_SMOKE = '[suites.faq.tiers.smoke]\nsample = 2\ngates = [{ kind = "pass-rate", min = 0.5 }]\n'


def test_the_base_is_read_as_the_tier_has_it(repository: Repository) -> None:
    repository.configure("faq", more=_SMOKE)
    repository.commit("tiers")
    repository.git("branch", "-f", "main")
    smoke = replace(repository.base(), tier="smoke")
    assert smoke.settings.suites["faq"].gates == (PassRateGate(kind="pass-rate", min=0.5),)
    assert repository.base().settings.suites["faq"].gates == (PassRateGate(kind="pass-rate", min=0.9),)
    assert smoke.default_tier == "default"


def test_the_default_tier_of_the_base_is_its_own(repository: Repository) -> None:
    repository.configure("faq", head='default_tier = "smoke"', more=_SMOKE)
    assert repository.base().default_tier == "default"
    assert [change.where for change in repository.changes()] == ["default_tier"]


def test_a_tier_that_is_new_is_compared_where_it_runs(repository: Repository) -> None:
    repository.configure("faq", more=_SMOKE)
    written = load(repository.root)
    asked = {"root": repository.root, "state": repository.state, "environ": {}}
    for tier, found in (
        ("default", []),
        ("smoke", ["suites.faq.tiers.smoke.sample", "suites.faq.tiers.smoke.gates[0].min"]),
    ):
        branch = find_base("main", written, tier=tier, **asked).branch  # type: ignore[arg-type]
        assert branch is not None
        assert [change.where for change in branch.changes] == found
