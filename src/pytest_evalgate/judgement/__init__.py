"""From a run to its verdict, and what the branch that brings the run changed in the gate itself."""

from pytest_evalgate.judgement.base_branch import BaseBranch
from pytest_evalgate.judgement.judge import Judgement

__all__ = ["BaseBranch", "Judgement"]
