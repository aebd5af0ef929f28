"""Boundary to the user's code: it runs in separate threads, and its failures affect only its own case."""

from pytest_evalgate.usercode.code import UserCode
from pytest_evalgate.usercode.outcome import carry, guarded

__all__ = ["UserCode", "carry", "guarded"]
