"""Frame of a sample: the outputs of one run that it was drawn from, by a digest of their ids and values.

Labels of a run apply to another one only as far as the judge errs alike there. If both runs have the same outputs, the
labels are of the run itself, whatever its id: outputs that were recorded, or that came from the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.records.answers import answer_of
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_evalgate.records.results import CaseResult

_DIGITS: Final = 16


def frame_of(results: Iterable[CaseResult]) -> str:
    """Return the digest of the outputs of cases by id, independent of their order: 16 hexadecimal digits."""
    return jsonl.digest(sorted([result.case.id, answer_of(result)] for result in results))[:_DIGITS]
