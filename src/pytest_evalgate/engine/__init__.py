"""Engine: runs trials, sends their calls and grades their outputs.

This package imports `trial` only. Sessions with recorded outputs need nothing else; `loop` would load asyncio.
"""

from __future__ import annotations

from pytest_evalgate.engine.trial import Grading, combine_trials, grade_output, run_case, run_trial

__all__ = ["Grading", "combine_trials", "grade_output", "run_case", "run_trial"]
