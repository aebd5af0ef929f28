from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.gates.trend import trend_of
from pytest_evalgate.records.verdicts import HistoryRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_evalgate.records.verdicts import Trend

_CASES = 500
_FLAKY = 50  # of the cases; each passes every other time


def _row(number: int, rate: float, discordance: float | None = 0.05) -> HistoryRow:
    return HistoryRow(
        run_id=f"r{number}",
        created=f"2026-01-{number % 28 + 1:02}T00:00:00Z",
        commit=f"{number:07}abcdef",
        suite="support",
        cases=_CASES,
        trials=1,
        pass_rate=rate,
        discordance=discordance,
        golden_sha256="g",
        scorers_sha256="s",
        baseline_run_id="b",
        verdict="pass",
    )


def _rows(rates: Iterable[float], discordance: float | None = 0.05) -> list[HistoryRow]:
    return [_row(number, rate, discordance) for number, rate in enumerate(rates)]


def _trend(rows: Sequence[HistoryRow]) -> Trend:
    found = trend_of(rows[:-1], rows[-1])
    assert found is not None
    return found


def _series(seed: int, runs: int, *, slide: float = 0.0, start: int = 0) -> list[HistoryRow]:
    """Simulate runs of 500 cases, 50 of them flaky, that decline by ``slide`` a run from run ``start`` on."""
    random = np.random.default_rng(seed)
    drops = slide * np.clip(np.arange(runs) - start, 0, None)
    rates = 0.85 + random.binomial(_FLAKY, 0.5, runs) / _CASES - drops
    flips = random.binomial(_FLAKY, 0.5, runs) / _CASES
    return [_row(*row) for row in zip(range(runs), rates.tolist(), flips.tolist(), strict=True)]


def _first_alarm(rows: Sequence[HistoryRow]) -> int | None:
    return next((runs for runs in range(8, len(rows) + 1) if _trend(rows[:runs]).alarm), None)


_STEADY = [0.90, 0.91, 0.90, 0.89, 0.90, 0.89, 0.91]
_SLIDE = [0.90, 0.89, 0.885, 0.88, 0.875, 0.87, 0.865, 0.86]


def test_seven_earlier_runs_are_needed() -> None:
    rows = _rows([*_STEADY, 0.90])
    assert trend_of(rows[1:-1], rows[-1]) is None
    assert _trend(rows).runs == 8


def test_a_steady_suite_has_no_alarm() -> None:
    found = _trend(_rows([*_STEADY, 0.90]))
    assert (found.alarm, found.since) == (False, None)
    assert found.level == pytest.approx(0.9)
    assert found.message == "no decline of support: 8 runs passed 90.0% on average"


def test_a_decline_is_reported_with_its_first_run() -> None:
    found = _trend(_rows([*_STEADY, *_SLIDE]))
    assert found.alarm
    assert found.cusum > found.limit
    assert found.since == "r8"
    assert found.message == (
        "support has declined: its last 7 runs passed 87.5% on average, 2.5 points below the usual 90.0%, "
        "and no gate failed; a gradual decline since about run r8 (commit 0000008), which no single run explains"
    )


def test_a_failed_run_is_not_said_to_have_failed_no_gate() -> None:
    *earlier, now = _rows([*_STEADY, *_SLIDE])
    found = trend_of(earlier, replace(now, verdict="fail"))
    assert found is not None
    assert "2.5 points below the usual 90.0%; a gradual decline since about run r8" in found.message


def test_a_run_without_a_commit_is_named_alone() -> None:
    rows = [replace(row, commit=None) for row in _rows([*_STEADY, *_SLIDE])]
    assert _trend(rows).message.endswith("since about run r8, which no single run explains")


def test_one_deep_drop_is_reported_for_the_newest_run() -> None:
    found = _trend(_rows([*_STEADY, 0.80]))
    assert found.since == "r7"
    assert found.message == (
        "support has dropped: its newest run passed 80.0%, 10.0 points below the usual 90.0%, and no gate failed; "
        "an abrupt drop in run r7 (commit 0000007)"
    )


@pytest.mark.parametrize(
    ("rates", "since"),
    [
        pytest.param([0.892, 0.80], "r8", id="an innocent run before it"),
        pytest.param([0.893, 0.894, 0.893, 0.80, 0.81], "r10", id="three innocent runs"),
        pytest.param([0.892, 0.82, 0.83, 0.81, 0.82], "r8", id="a lasting drop"),
        pytest.param([0.80, 0.81, 0.80], "r7", id="no innocent run"),
    ],
)
def test_an_abrupt_drop_names_the_run_that_dropped(rates: list[float], since: str) -> None:
    found = _trend(_rows([*_STEADY, *rates]))
    assert (found.alarm, found.since) == (True, since)
    assert f"an abrupt drop in run {since} (commit 00000" in found.message


def test_simulated_drops_are_dated_to_the_run() -> None:
    """Of 40 simulated drops of 10 points, nearly all are dated to their run."""
    right = 0
    for seed in range(40):
        rows = _series(seed, 16)
        dropped = [replace(row, pass_rate=row.pass_rate - 0.1 * (number >= 13)) for number, row in enumerate(rows)]
        right += _trend(dropped).since == "r13"
    assert right >= 38


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (0.875, "support has an unusually low pass rate: 87.5% (median of 9 earlier runs: 90.0%)"),
        (0.925, "support has an unusually high pass rate: 92.5% (median of 9 earlier runs: 90.0%)"),
    ],
)
def test_one_outlier_is_reported_without_an_alarm(rate: float, said: str) -> None:
    found = _trend(_rows([0.9, 0.902, 0.904, 0.902, 0.9, 0.898, 0.896, 0.898, 0.9, rate]))
    assert not found.alarm
    assert found.z is not None
    assert abs(found.z) > 3.5
    assert found.message == said


def test_this_run_does_not_enter_the_spread_it_is_compared_with() -> None:
    assert _trend(_rows([0.90, 0.91, 0.90, 0.89, 0.90, 0.91, 0.90, 0.86])).z is None  # most of the seven are alike
    assert _trend(_rows([*_STEADY, 0.86])).z == pytest.approx(-0.04 / (1.4826 * 0.01))


def test_the_decline_begins_with_the_first_run_below_chance() -> None:
    assert _trend(_rows([*_STEADY, 0.895, *_SLIDE[1:]])).since == "r7"
    assert _trend(_rows([*_STEADY, 0.896, *_SLIDE[1:]])).since == "r8"


def test_runs_that_are_alike_have_no_z_and_one_lost_case_is_no_alarm() -> None:
    found = _trend(_rows([0.9] * 7 + [0.898], discordance=0.0))
    assert found.z is None
    assert found.limit > 0
    assert not found.alarm


def test_two_lost_cases_that_stay_lost_are_an_alarm_where_nothing_flips() -> None:
    assert not _trend(_rows([0.9] * 7 + [0.896] * 2, discordance=0.0)).alarm
    assert _trend(_rows([0.9] * 7 + [0.896] * 3, discordance=0.0)).alarm


@pytest.mark.parametrize("field", ["golden_sha256", "scorers_sha256", "baseline_run_id", "suite"])
def test_a_change_of_golden_set_scorers_or_baseline_resets_the_trend(field: str) -> None:
    before, after = _rows([0.95] * 10), _rows([*_STEADY, 0.90])
    now = replace(after[-1], run_id="now")
    changed = [replace(row, run_id=f"b{row.run_id}", **{field: "other"}) for row in before]  # type: ignore[arg-type]
    assert trend_of(changed, now) is None
    found = trend_of([*changed, *after[:-1]], now)
    assert found is not None
    assert (found.runs, found.alarm) == (8, False)


def test_runs_that_failed_are_no_part_of_it() -> None:
    rows = _rows([*_STEADY, 0.90])
    failed = [replace(row, run_id=f"f{row.run_id}", pass_rate=0.5, verdict="fail") for row in rows[:-1]]
    assert trend_of([*rows[:-1], *failed], rows[-1]) == _trend(rows)


def test_a_run_that_is_in_the_history_already_counts_once() -> None:
    rows = _rows([*_STEADY, 0.90])
    assert trend_of(rows, rows[-1]) == _trend(rows)


def test_the_first_third_of_many_runs_is_the_in_control_level() -> None:
    rates = [*[0.90] * 7, *[0.93] * 3, *[0.90] * 20]
    assert _trend(_rows(rates[:29])).level == pytest.approx((7 * 0.90 + 2 * 0.93) / 9)
    assert _trend(_rows(rates)).level == pytest.approx(0.909)
    assert _trend(_rows(rates[:20])).level == pytest.approx(0.90)


def test_flips_against_the_baseline_widen_the_limit() -> None:
    rates = [*_STEADY, 0.90]
    narrow, wide = _trend(_rows(rates)), _trend(_rows(rates, discordance=0.4))
    assert wide.limit > narrow.limit
    assert wide.limit == pytest.approx(5 * (0.4 / 2 / _CASES) ** 0.5)


def test_without_a_baseline_all_that_chance_can_do_is_allowed() -> None:
    found = _trend(_rows([*_STEADY, 0.90], discordance=None))
    assert found.limit == pytest.approx(5 * (0.9 * 0.1 / _CASES) ** 0.5)


def test_a_decline_that_was_fixed_is_soon_no_longer_reported() -> None:
    rows = _rows([*_STEADY, *_SLIDE, *[0.90] * 10])
    alarms = [_trend(rows[:runs]).alarm for runs in range(15, len(rows) + 1)]
    assert alarms[0]
    assert not alarms[-1]
    assert alarms == sorted(alarms, reverse=True)
    found = _trend(rows)
    assert found.cusum > found.limit  # the sum alone would still complain


def test_a_lasting_drop_is_reported_for_many_runs() -> None:
    rows = _rows([*_STEADY, *[0.88] * 23])
    assert _first_alarm(rows) is not None
    assert _trend(rows).alarm


@pytest.mark.parametrize("start", [0, 10])
def test_a_decline_of_half_a_point_a_run_is_found_within_about_twelve_runs(start: int) -> None:
    found = [_first_alarm(_series(seed, start + 14, slide=0.005, start=start)) for seed in range(100)]
    took = [99 if runs is None else runs - start for runs in found]
    assert np.quantile(took, 0.9) <= 12
    assert max(took) <= 14


def test_unchanged_runs_rarely_alarm() -> None:
    alarmed = sum(_first_alarm(_series(seed, 20)) is not None for seed in range(200))
    assert alarmed <= 20


@given(st.lists(st.floats(0, 1), min_size=8, max_size=30), st.none() | st.floats(0, 1))
def test_any_rates_have_a_trend(rates: list[float], discordance: float | None) -> None:
    found = _trend(_rows(rates, discordance))
    assert found.limit > 0
    assert found.alarm is (found.since is not None)
    assert found.message.count("\n") == 0


@given(st.lists(st.floats(0, 1), min_size=8, max_size=20))
def test_a_suite_that_only_rises_never_alarms(rates: list[float]) -> None:
    rising = list(itertools.accumulate(rates, max))
    later = [max(rising[:7])] * 7 + rising[7:]  # the usual level is that of the first seven
    assert not _trend(_rows(later)).alarm
