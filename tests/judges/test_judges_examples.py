"""The labelled sets of the examples fit the rubrics that they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_evalgate import config
from pytest_evalgate.judges import labels
from pytest_evalgate.judges.labels import Columns
from pytest_evalgate.judges.question import material_of
from pytest_evalgate.judges.rubric import load_rubric

_FOLDER = Path(__file__).parents[2] / "examples" / "judges"


@pytest.mark.parametrize(
    ("judge", "file", "passes", "counts"),
    [
        ("faithfulness", "faithfulness.begin_wow.jsonl", "Fully attributable", (123, 77)),
        ("preference", "pairwise-preference.llmbar.jsonl", "better", (64, 82)),
    ],
)
def test_every_row_can_be_judged_and_both_classes_suffice(
    judge: str, file: str, passes: str, counts: tuple[int, int]
) -> None:
    rubric = load_rubric(config.load(_FOLDER).judges[judge], root=_FOLDER)
    found = labels.load(_FOLDER / file, Columns(pass_labels=(passes,)), root=_FOLDER)
    assert (sum(found.counted(passed=True).values()), sum(found.counted(passed=False).values())) == counts
    assert [row.case.id for row in found.rows if material_of(row.case, row.output).missing_input(rubric)] == []
