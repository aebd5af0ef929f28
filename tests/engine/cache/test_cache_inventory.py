from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.engine.cache import Row
from pytest_evalgate.engine.cache.entries import Entry
from pytest_evalgate.engine.cache.inventory import CacheUsage, Change, cache_usage, changes, newest, outdated
from pytest_evalgate.records.calls import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.records.calls import Call

    Ask = Callable[..., Call]


def _entry(call: Call, day: int = 1, run: str = "r1", tokens: int | None = 5) -> Entry:
    return Entry(call, Reply("hi", tokens_in=tokens, tokens_out=1), f"2026-01-{day:02}T00:00:00Z", run)


def test_entries_are_counted_by_purpose_and_model(ask: Ask) -> None:
    entries = [
        _entry(ask("1")),
        _entry(ask("2"), tokens=None),
        _entry(ask("3", purpose="judge:tone", model="j")),
        _entry(ask("4", kind="command", model="", endpoint="bot.py")),
    ]
    assert cache_usage(entries) == (
        CacheUsage("judge:tone", "j", 1, 5, 1),
        CacheUsage("target", "bot.py", 1, 5, 1),
        CacheUsage("target", "m", 2, 5, 2),
    )


def test_the_newest_entry_of_each_call_identity_is_found(ask: Ask) -> None:
    old, new, other = _entry(ask("old"), 1), _entry(ask("new"), 2), _entry(ask("x", trial=1), 1)
    assert newest([new, old, other]) == {("faq::a", "target", 0): new, ("faq::a", "target", 1): other}


def test_a_change_is_between_the_newest_two(ask: Ask) -> None:
    entries = [_entry(ask("2"), 2), _entry(ask("3"), 3), _entry(ask("1"), 1)]
    difference = 'payload.messages[0].content: "2" -> "3"'
    assert changes(entries) == [
        Change("faq::a", "target", 0, "2026-01-03T00:00:00Z", "2026-01-02T00:00:00Z", difference)
    ]


def test_a_single_entry_has_no_change(ask: Ask) -> None:
    assert changes([_entry(ask())]) == [Change("faq::a", "target", 0, "2026-01-01T00:00:00Z")]


@pytest.mark.parametrize(
    ("before", "keep_runs", "bad", "gone"),
    [
        (None, None, False, []),
        ("2026-01-02T00:00:00Z", None, False, [1]),
        ("2027-01-01T00:00:00Z", None, False, [1, 2, 3]),
        (None, 3, False, []),
        (None, 2, False, [1]),
        (None, 1, False, [1, 2]),
        (None, 0, False, [1, 2, 3]),
        (None, None, True, [4]),
        ("2026-01-02T00:00:00Z", 1, True, [1, 2, 4]),
    ],
)
def test_outdated_rows_are_found_by_time_run_and_validity(
    ask: Ask, before: str | None, keep_runs: int | None, gone: list[int], *, bad: bool
) -> None:
    rows = [Row(n, "k", _entry(ask(str(n)), day=n, run=f"r{n}")) for n in (1, 2, 3)] + [Row(4, "k", None, "broken")]
    assert [row.number for row in outdated(rows, before=before, keep_runs=keep_runs, bad=bad)] == gone


def test_a_run_is_as_new_as_its_newest_entry(ask: Ask) -> None:
    rows = [
        Row(n, "k", _entry(ask(str(n)), day, run)) for n, day, run in [(1, 1, "long"), (2, 2, "old"), (3, 3, "long")]
    ]
    assert [row.number for row in outdated(rows, before=None, keep_runs=1, bad=False)] == [2]
