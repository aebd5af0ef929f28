"""What labels say of a judge: the record of all its figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_evalgate.judging.figures.figure import Bootstrap
from pytest_evalgate.judging.figures.threshold import Aim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.data import Place
    from pytest_evalgate.judging.figures.figure import Figure
    from pytest_evalgate.judging.figures.panel import Panel
    from pytest_evalgate.judging.figures.probability import Bin
    from pytest_evalgate.judging.figures.rates import Rate
    from pytest_evalgate.judging.figures.steadiness import Position, Repeats
    from pytest_evalgate.judging.figures.threshold import Point, Threshold


@dataclass(frozen=True, slots=True)
class How:
    """How a judge is measured.

    ``aim`` says what the threshold of a graded judge is chosen for, ``bootstrap`` where intervals come from.
    ``probabilities`` says that scores can be read as the probability of a pass, ``passing`` from which rating on a
    single rater passes a row.
    """

    aim: Aim = field(default_factory=Aim)
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    probabilities: bool = False
    passing: float = 0.5


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A row on which the judge and people differ; ``label`` is what people said, and ``passed`` what it means."""

    id: str
    place: Place
    label: str
    passed: bool
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that labels say of a judge; what they cannot say is None or empty.

    Of ``rows`` with a label the judge could not read ``unreadable``; these are in no figure. ``tpr`` is the share of
    human passes that it passes, ``tnr`` that of human fails that it fails, each None without its class; ``youden`` is
    ``tpr + tnr - 1``. The verdicts of a graded judge are those of thresholds that did not see the row.
    ``verdicts`` and ``grades`` hold the figures of agreement, ``probability`` those of scores as probabilities, by
    name; ``bins`` are those of the reliability diagram. ``split`` are rows that raters part over and nobody decided.
    ``clusters`` is None where each row is its own. ``weighted`` says that rows stand for unequally many outputs: rates
    then allow for it, the other figures describe the rows as they are.
    """

    rows: int
    unreadable: int
    clusters: int | None
    weighted: bool
    tpr: Rate | None
    tnr: Rate | None
    youden: Figure
    accuracy: Rate
    verdicts: Mapping[str, Figure]
    grades: Mapping[str, Figure]
    threshold: Threshold | None
    probability: Mapping[str, Figure]
    bins: tuple[Bin, ...]
    roc: tuple[Point, ...]
    repeats: Repeats | None
    position: Position | None
    panel: Panel | None
    disagreements: tuple[Disagreement, ...]
    split: tuple[str, ...]
