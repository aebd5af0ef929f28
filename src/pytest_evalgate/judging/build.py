"""From a table of the configuration to a judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judging.asking import Asker
from pytest_evalgate.judging.fewshots import few_shots_of
from pytest_evalgate.judging.fingerprint import parts_of, version_of
from pytest_evalgate.judging.judge import JudgeScorer
from pytest_evalgate.judging.pairwise import PairVoter
from pytest_evalgate.judging.question import Instructions
from pytest_evalgate.judging.rubric import load_rubric
from pytest_evalgate.judging.scale import SCALES
from pytest_evalgate.judging.single import SingleVoter
from pytest_evalgate.targets.model import RESERVED_PARAMS, check_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_evalgate import settings
    from pytest_evalgate.data import Json
    from pytest_evalgate.judging.fewshots import FewShot
    from pytest_evalgate.judging.rubric import Rubric
    from pytest_evalgate.judging.votes import Voter
    from pytest_evalgate.protocols import ModelClient

_THRESHOLD: Final = 0.5


def build_judge(  # noqa: PLR0913 - the parts of a judge, by name
    name: str,
    judge: settings.Judge,
    model: settings.Model,
    *,
    client: ModelClient,
    root: Path,
    counts: bool,
    threshold: float | None = None,
    weight: float | None = None,
    score_name: str | None = None,
) -> JudgeScorer:
    """Build the scorer of the judge ``name``.

    Args:
        name: Its key in the configuration.
        judge: Its table.
        model: The model that it asks.
        client: What sends its calls.
        root: The folder that its files lie in.
        counts: Whether its scores decide what passes.
        threshold: The value in [0, 1] from which it passes; 0.5 where it is not given.
        weight: Its part in the weighted mean of a case, if the suite has one.
        score_name: What its scores are called; ``name`` where it is not given.

    Raises:
        SettingsError: a file of it is not there or malformed, or a parameter is not for it to set.

    """
    place = f"judges.{name}"
    try:
        rubric, few_shots = load_rubric(judge, root=root), few_shots_of(judge, root=root)
    except SettingsError as error:
        raise SettingsError(f"{place}: {error}") from None
    _check_params(judge.params, f"{place}.params")
    _check_params(model.params, f"models.{judge.model}.params")
    _check_pairs(rubric, judge, place)
    version = version_of(parts_of(judge, model, rubric, few_shots))
    asker = Asker(client, model, judge.model, f"judge:{name}", version, judge.params)
    return JudgeScorer(
        name=score_name or name,
        voter=_voter(asker, judge, rubric, few_shots),
        rubric=rubric,
        votes=judge.votes,
        threshold=_THRESHOLD if threshold is None else threshold,
        weight=weight,
        counts=counts,
    )


def _voter(asker: Asker, judge: settings.Judge, rubric: Rubric, few_shots: tuple[FewShot, ...]) -> Voter:
    if rubric.pairs:
        return PairVoter(asker, rubric)
    return SingleVoter(asker, Instructions(rubric, SCALES[judge.scale], few_shots))


def _check_pairs(rubric: Rubric, judge: settings.Judge, place: str) -> None:
    if not rubric.pairs:
        return
    if judge.scale != "binary" or judge.few_shots is not None:
        raise SettingsError(f"{place}: the rubric {rubric.name} compares two outputs: take out scale and few_shots")


def _check_params(params: Mapping[str, Json], place: str) -> None:
    for key in RESERVED_PARAMS:
        if key in params:
            raise SettingsError(f"{place}.{key}: the judge sets it: take it out")
    check_json(params, place)
