"""Gates: (run, baseline) to pass, fail or inconclusive, and the verdict they add up to."""

from pytest_evalgate.gates.decide import EXIT_CODES, SuiteRules, decide
from pytest_evalgate.gates.pairing import Pairing, pair
from pytest_evalgate.gates.pass_rate import unattainable

__all__ = ["EXIT_CODES", "Pairing", "SuiteRules", "decide", "pair", "unattainable"]
