"""Runs cases: the loop, the trials, their grading."""

from pytest_evalgate.engine.runner import Runner
from pytest_evalgate.engine.trial import Grading, describe, grade_output, run_case, run_trial, settle

__all__ = ["Grading", "Runner", "describe", "grade_output", "run_case", "run_trial", "settle"]
