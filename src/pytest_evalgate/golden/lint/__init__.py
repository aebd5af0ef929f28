"""What is worth knowing of golden sets before they gate anything: pure functions from cases to findings."""

from pytest_evalgate.golden.lint.duplicates import duplicates
from pytest_evalgate.golden.lint.facts import Facts, facts_of
from pytest_evalgate.golden.lint.finding import Finding, Severity
from pytest_evalgate.golden.lint.leaks import PromptText, answers_in_inputs, leaks_into_prompts
from pytest_evalgate.golden.lint.models import floating_models
from pytest_evalgate.golden.lint.private import private_data
from pytest_evalgate.golden.lint.slices import small_slices

__all__ = [
    "Facts",
    "Finding",
    "PromptText",
    "Severity",
    "answers_in_inputs",
    "duplicates",
    "facts_of",
    "floating_models",
    "leaks_into_prompts",
    "private_data",
    "small_slices",
]
