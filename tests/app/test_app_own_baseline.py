from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import BaselineError
from pytest_evalgate.guard.base_branch import own_baseline

if TYPE_CHECKING:
    from tests.app.conftest import Repository


def _reason(repository: Repository, configured: str | None = None, against: str | None = None) -> str | None:
    found = own_baseline(configured, suite="faq", root=repository.root, state=repository.state, against=against)
    return None if found is None else found.provenance.reason


@pytest.fixture
def kept(repository: Repository) -> Repository:
    repository.promote("committed", a=1.0)
    repository.commit("baseline")
    repository.git("tag", "v1")
    repository.promote("in the state folder", a=1.0)
    repository.promote("configured", "baselines/faq.json", a=1.0)
    repository.promote("asked for", "other.json", a=1.0)
    return repository


@pytest.mark.parametrize(
    ("configured", "against", "reason"),
    [
        (None, None, "in the state folder"),
        ("baselines/faq.json", None, "configured"),
        ("git:v1", None, "committed"),
        (None, "other.json", "asked for"),
        ("baselines/faq.json", "other.json", "asked for"),
        ("git:v1", "other.json", "asked for"),
        (None, "git:v1", "committed"),
    ],
)
def test_which_baseline_is_read(kept: Repository, configured: str | None, against: str | None, reason: str) -> None:
    assert _reason(kept, configured, against) == reason


def test_a_baseline_that_is_not_there_yet_is_none(repository: Repository) -> None:
    assert _reason(repository) is None
    assert _reason(repository, "baselines/faq.json") is None


@pytest.mark.parametrize(
    ("configured", "against"), [(None, "other.json"), ("git:v1", None), (None, "git:v1"), ("../faq.json", None)]
)
def test_one_that_was_asked_for_has_to_be_there(
    repository: Repository, configured: str | None, against: str | None
) -> None:
    with pytest.raises(BaselineError, match=against or configured):
        _reason(repository, configured, against)
