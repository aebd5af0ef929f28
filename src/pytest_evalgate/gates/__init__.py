"""Gates: rules that take a run and its baseline to a verdict."""

from __future__ import annotations

from pytest_evalgate.gates.decide import EXIT_CODES, decide
from pytest_evalgate.gates.pairing import Pairing, pair
from pytest_evalgate.gates.pass_rate import unattainable
from pytest_evalgate.gates.rules import SuiteRules

__all__ = ["EXIT_CODES", "Pairing", "SuiteRules", "decide", "pair", "unattainable"]
