"""Requirements of a release: ``[release] requires = [...]``. They decide a release, never a build."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pytest_evalgate.config.tables import Days, Names, Table

_Name = Annotated[str, Field(min_length=1)]


class SuitePasses(Table):
    """The suite ran, and passed. An inconclusive or advisory suite is go with guardrails."""

    kind: Literal["suite"]
    suite: _Name


class TierRan(Table):
    """The run is one of this tier."""

    kind: Literal["tier"]
    tier: _Name


class JudgeCalibrated(Table):
    """The judge counts, and its calibration is at most ``max_age_days`` older than the run."""

    kind: Literal["calibrated"]
    judge: _Name
    max_age_days: Days = 90


class GoldenFresh(Table):
    """Each golden set of the suite was changed in git at most ``max_age_days`` before the run."""

    kind: Literal["fresh"]
    suite: _Name
    max_age_days: Days = 180


class GateKept(Table):
    """The gate was not weakened without acknowledgement. An acknowledged weakening is go with guardrails."""

    kind: Literal["gate"]


class ValuesCovered(Table):
    """Each of ``values`` has a case that passed; ``*`` matches any characters. Missed cases are guardrails.

    ``by`` is a tag key, or a slice of the suite.
    """

    kind: Literal["covered"]
    suite: _Name
    by: _Name = "requirement"
    values: Annotated[Names, Field(min_length=1)]


Requirement = Annotated[
    SuitePasses | TierRan | JudgeCalibrated | GoldenFresh | GateKept | ValuesCovered, Field(discriminator="kind")
]


class Release(Table):
    """The requirements of a release, which ``report --format brief`` and ``evidence`` decide."""

    requires: tuple[Requirement, ...] = ()
