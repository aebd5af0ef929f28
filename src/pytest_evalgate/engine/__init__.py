"""Runs cases: their trials, what they call, and the loop on which they wait.

What sessions with recorded outputs do without stands in modules of its own: ``runner`` brings asyncio.
"""

from __future__ import annotations

from pytest_evalgate.engine.trial import Grading, combine_trials, describe_error, grade_output, run_case, run_trial

__all__ = ["Grading", "combine_trials", "describe_error", "grade_output", "run_case", "run_trial"]
