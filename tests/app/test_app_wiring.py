from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pytest_evalgate.app import wiring

if TYPE_CHECKING:
    import pytest


def test_ids_of_runs_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2026, 11, 21, 10, 15, tzinfo=UTC)
    moments = [start + timedelta(milliseconds=4 * step) for step in range(500)]  # of two seconds

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            del tz
            return moments[len(ids)]

    monkeypatch.setattr(wiring, "datetime", Clock)
    ids: list[str] = []
    while len(ids) < len(moments):
        ids.append(wiring.new_run_id())
    assert all(re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{4}", one) for one in ids)
    without_random_byte = [one[:-2] for one in ids]
    assert without_random_byte == sorted(without_random_byte)
    assert (without_random_byte[0], without_random_byte[-1]) == ("20261121T101500Z-00", "20261121T101501Z-fe")
