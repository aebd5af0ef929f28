from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.config import Settings
from pytest_evalgate.runs.run_file import RunInfo, config_sha256, decode_run_info, encode_run_info
from pytest_evalgate.runs.shard import Shard

_BASE: dict[str, Any] = {"suites": {"faq": {"golden": "g.jsonl", "gates": [{"kind": "pass-rate", "min": 0.8}]}}}


def _digest(**more: Any) -> str:
    return config_sha256(Settings.model_validate({**_BASE, **more}))


@pytest.mark.parametrize(
    "more",
    [
        {"on_inconclusive": "fail"},
        {"max_error_rate": 0.1},
        {"models": {"candidate": {"model": "m"}}},
        {"suites": {"faq": {"golden": "g.jsonl", "gates": [{"kind": "pass-rate", "min": 0.7}]}}},
        {"suites": {**_BASE["suites"], "sql": {"golden": "h.jsonl"}}},
    ],
    ids=str,
)
def test_what_decides_the_verdict_is_in_the_digest(more: dict[str, Any]) -> None:
    assert _digest(**more) != _digest()


@pytest.mark.parametrize(
    "more", [{"xdist": "spread"}, {"history": "h.jsonl"}, {"budget_usd": 1.0}, {"max_duration_s": 5.0}], ids=str
)
def test_how_a_run_goes_is_not(more: dict[str, Any]) -> None:
    assert _digest(**more) == _digest()


@pytest.mark.parametrize(
    "origin", [RunInfo(), RunInfo("c", "model:m", Shard(2, 4)), RunInfo(shard=Shard(1, 1))], ids=repr
)
def test_an_origin_survives_the_head_of_a_run_file(origin: RunInfo) -> None:
    assert decode_run_info(encode_run_info(origin)) == origin
    assert None not in encode_run_info(origin).values()
