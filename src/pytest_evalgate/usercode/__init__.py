"""Boundary to the user's code: it runs in threads of its own; what it raises or stops costs its own case only."""

from pytest_evalgate.usercode.code import UserCode
from pytest_evalgate.usercode.outcome import carry, guarded

__all__ = ["UserCode", "carry", "guarded"]
