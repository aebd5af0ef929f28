"""Runs cases: their trials, what they call, and the loop on which they wait.

What sessions with recorded outputs do without stands in modules of its own: ``runner`` brings asyncio.
"""

from pytest_evalgate.engine.trial import Grading, describe, grade_output, run_case, run_trial, settle

__all__ = ["Grading", "describe", "grade_output", "run_case", "run_trial", "settle"]
