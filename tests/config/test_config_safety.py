"""Tables of the gates on groups, variants and violations: what is read, and what is refused with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.config import InvarianceGate, ParityGate, SliceGate, ViolationRateGate, load
from pytest_evalgate.config.gates import has_gap_tests, has_part_tests, needs_baseline
from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.config import Gate

_SUITE = 'suites.faq.golden = "g.jsonl"\nsuites.faq.slices = ["lang", "expected"]\n'


def _gates(root: Path, *gates: str) -> tuple[Gate, ...]:
    (root / "evalgate.toml").write_text(f"{_SUITE}suites.faq.gates = [{', '.join(gates)}]\n")
    return load(root).suites["faq"].gates or ()


def test_every_gate_is_read(tmp_path: Path) -> None:
    assert _gates(
        tmp_path,
        '{ kind = "parity", by = "lang", max_gap = 0.1 }',
        '{ kind = "parity", by = "lang", of = "fpr", label = "expected", positive = "spam", max_gap = 0.1 }',
        '{ kind = "slice", by = "lang", max_gap = 0.05, min_n = 52 }',
        '{ kind = "invariance", max_flip = 0.05 }',
        '{ kind = "violation-rate", max = 0.005 }',
    ) == (
        ParityGate(kind="parity", by="lang", max_gap=0.1),
        ParityGate(kind="parity", by="lang", of="fpr", label="expected", positive="spam", max_gap=0.1),
        SliceGate(kind="slice", by="lang", max_gap=0.05, min_n=52),
        InvarianceGate(kind="invariance", max_flip=0.05),
        ViolationRateGate(kind="violation-rate", max=0.005),
    )


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        ('{ kind = "parity", by = "lang" }', "[0].max_gap: this key is missing: write max_gap = 0.1"),
        ('{ kind = "parity", by = "lang", max_gap = 0 }', "[0].max_gap: must be greater than 0, not 0"),
        ('{ kind = "parity", by = "lang", max_gap = 10 }', "[0].max_gap: must be less than 1, not 10"),
        (
            '{ kind = "parity", by = "lang", max_gap = 0.1, of = "tnr" }',
            '[0].of: must be "pass", "tpr", "fpr" or "ppv"',
        ),
        (
            '{ kind = "parity", by = "lang", max_gap = 0.1, of = "tpr" }',
            '[0]: of = "tpr" needs the true classes: label = a key of slices, and positive = the class that counts',
        ),
        (
            '{ kind = "parity", by = "lang", max_gap = 0.1, positive = "spam" }',
            '[0]: label and positive belong to of = "tpr", "fpr" or "ppv"',
        ),
        (
            '{ kind = "parity", by = "lnag", max_gap = 0.1 }',
            ': a parity gate is by "lnag", which is not in slices = [',
        ),
        (
            '{ kind = "parity", by = "lang", of = "tpr", label = "class", positive = "a", max_gap = 0.1 }',
            ': a parity gate is with label "class", which is not in slices = ["lang", "expected"]',
        ),
        (
            '{ kind = "slice", by = "lang", min = 0.8, max_gap = 0.1 }',
            "[0]: a slice gate has min or max_gap, not both: write two gates",
        ),
        ('{ kind = "invariance" }', "[0].max_flip: this key is missing: write max_flip = 0.05"),
        ('{ kind = "violation-rate" }', "[0].max: this key is missing: write max = 0.005"),
        (
            '{ kind = "violation-rate", max = 0 }',
            '[0].max: no number of cases shows a rate of 0: use kind = "must-pass", or a max such as 0.005',
        ),
        ('{ kind = "violation-rate", min = 0.5, max = 0.1 }', "[0].min: unknown key"),
    ],
)
def test_mistakes_are_reported_with_their_place(tmp_path: Path, gate: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _gates(tmp_path, gate)
    assert str(caught.value).removeprefix("evalgate.toml:3: suites.faq.gates").startswith(told)


def test_which_gates_test_what() -> None:
    change = SliceGate(kind="slice", by="lang")
    rate, gap = (change.model_copy(update=key) for key in ({"min": 0.8}, {"max_gap": 0.1}))
    parity = ParityGate(kind="parity", by="lang", max_gap=0.1)
    bounds = InvarianceGate(kind="invariance", max_flip=0.1), ViolationRateGate(kind="violation-rate", max=0.1)
    every: tuple[Gate, ...] = (change, rate, gap, parity, *bounds)
    assert [gate for gate in every if needs_baseline(gate)] == [change]
    assert [gate for gate in every if has_gap_tests(gate)] == [gap, parity]
    assert [gate for gate in every if has_part_tests(gate)] == [change, gap, parity]
