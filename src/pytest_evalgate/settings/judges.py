"""Judges: scorers that ask a model, with what they are asked, and what they have to prove before they may gate."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pytest_evalgate.settings.fields import FileName, Share, Table

Votes = Annotated[int, Field(strict=True, ge=1, le=15)]
Days = Annotated[int, Field(strict=True, ge=1, le=3650)]


class Judge(Table):
    """A model that grades outputs by a rubric: a file, the name of a ready one, or ``criteria`` in a sentence or two.

    It may gate once a ``calibration`` against people's labels shows lower bounds of at least ``min_tpr`` and
    ``min_tnr`` that is not older than ``max_age_days``; ``report_only`` keeps its scores out of what passes.
    ``few_shots`` is a file of graded examples, ``canaries`` one of outputs that must be told good from bad in every
    run. ``params`` go into its requests, over those of the model.
    """

    model: str
    rubric: str | None = None
    criteria: str | None = None
    scale: Literal["binary", "1-5"] = "binary"
    votes: Votes = 1
    few_shots: FileName | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    calibration: FileName | None = None
    min_tpr: Share | None = None
    min_tnr: Share | None = None
    max_age_days: Days = 90
    canaries: FileName | None = None
    report_only: bool = False

    @model_validator(mode="after")
    def _is_told_what_to_look_for(self) -> Self:
        if (self.rubric is None) == (self.criteria is None):
            raise ValueError('a judge needs either rubric = "FILE or the name of a ready one", or criteria = "..."')
        if self.votes % 2 == 0:
            raise ValueError(f"votes = {self.votes}: an odd number, so that there is a majority")
        return self
