"""Frame of a sample: the outputs of one run that it was drawn from, by a digest of their ids and values.

Labels of a run apply to another one only as far as the judge errs alike there. If both runs have the same outputs, the
labels are of the run itself, for any id: outputs that were recorded, or that came from the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_evalgate.records.results import CaseResult, Output, Trial

_DIGITS: Final = 16


def frame_of(outputs: Iterable[tuple[str, Output]]) -> str:
    """Return the digest of outputs by case id, independent of their order: 16 hexadecimal digits."""
    return jsonl.digest(sorted([case_id, digest_of(output)] for case_id, output in outputs))[:_DIGITS]


def digest_of(output: Output) -> str:
    """Return the digest of the value of an output, which a decided run may have left out."""
    return output.value_sha256 or jsonl.digest(output.value)


def first_output(result: CaseResult) -> Trial | None:
    """Return the first trial of a case with a complete output; None if there is none.

    A case of the base branch, which this branch removed or edited, has none.
    """
    if result.case.side == "base":
        return None
    return next((trial for trial in result.trials if _is_complete(trial)), None)


def _is_complete(trial: Trial) -> bool:
    output = trial.output
    return (
        output is not None and output.finish == "complete" and (output.value is not None or output.value_sha256 != "")
    )
