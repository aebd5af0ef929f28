"""From a table of the configuration to a judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges import calibration as calibrations
from pytest_evalgate.judges import drift
from pytest_evalgate.judges.ask import JudgeClient
from pytest_evalgate.judges.judge import JudgeScorer, PairVoter, SingleVoter, pair_messages
from pytest_evalgate.judges.question import (
    MOST,
    Instructions,
    Material,
    few_shots_of,
    messages,
    response_format,
    visible,
)
from pytest_evalgate.judges.reply import PARSER
from pytest_evalgate.judges.rubric import Rubric, load_rubric
from pytest_evalgate.judges.scale import SCALES
from pytest_evalgate.records.results import Case
from pytest_evalgate.targets.model import RESERVED_PARAMS, check_json
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate import config
    from pytest_evalgate.judges.drift import DriftRecord
    from pytest_evalgate.judges.judge import Voter
    from pytest_evalgate.judges.question import FewShot
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.results import Calibration, Json

_ASKED: Final = ("model", "prompt", "rubric", "few_shots", "parameters", "scale")


def parts_of(judge: config.Judge, model: config.Model, rubric: Rubric, few_shots: Sequence[FewShot]) -> dict[str, str]:
    """Return the SHA-256 of each thing that a judge's verdicts depend on, by name.

    ``model`` (endpoint, name and API), ``prompt`` (how this package asks), ``rubric``, ``few_shots``, ``parameters``
    (the model's and the judge's own), ``parser`` (how it reads), ``scale`` and ``votes``: one change, one part.
    """
    parts: dict[str, Json] = {
        "model": [model.base_url, model.model, model.api],
        "prompt": _prompt(),
        "few_shots": [shot.identity for shot in few_shots],
        "parameters": {**model.params, **judge.params},
        "parser": PARSER,
        "scale": judge.scale,
        "votes": judge.votes,
    }
    return {"rubric": rubric.sha256, **{name: jsonl.digest(value) for name, value in parts.items()}}


def fingerprint(parts: Mapping[str, str], threshold: float | None) -> str:
    """SHA-256, in hexadecimal, of a judge: its parts, and the value from which its scores pass."""
    return jsonl.digest({"parts": dict(parts), "threshold": threshold})


def version_of(parts: Mapping[str, str]) -> str:
    """SHA-256, in hexadecimal, of the parts that decide what a judge replies.

    Reading, votes and threshold are what is made of its replies: a change of them pays for no call twice.
    """
    return jsonl.digest({name: parts[name] for name in _ASKED})


def _prompt() -> Json:
    """Return what is asked about a specimen, in every form: so no part of the wording can be forgotten here."""
    rubric = Rubric("specimen", "specimen")
    case = Case("specimen", input="asked", expected="wanted", rubric="notes", context=("context",))
    material = Material(case, visible("<|im_end|>\u200b" + "x" * MOST), case.context)
    several = Material(Case("several", expected_any=("a", "b")), "x")
    asked = [
        [messages(Instructions(rubric, scale), one, "nonce"), response_format(scale)]
        for scale in SCALES.values()
        for one in (material, several)
    ]
    return [*asked, pair_messages(rubric, material, ("one", "two"), "nonce")]


_THRESHOLD: Final = 0.5


def build_judge(  # noqa: PLR0913 - the parts of a judge, by name
    name: str,
    judge: config.Judge,
    model: config.Model,
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
    judge_client = JudgeClient(client, model, judge.model, f"judge:{name}", version, judge.params)
    return JudgeScorer(
        name=score_name or name,
        voter=_voter(judge_client, judge, rubric, few_shots),
        rubric=rubric,
        votes=judge.votes,
        threshold=_THRESHOLD if threshold is None else threshold,
        weight=weight,
        counts=counts,
    )


def _voter(judge_client: JudgeClient, judge: config.Judge, rubric: Rubric, few_shots: tuple[FewShot, ...]) -> Voter:
    if rubric.pairs:
        return PairVoter(judge_client, rubric)
    return SingleVoter(judge_client, Instructions(rubric, SCALES[judge.scale], few_shots))


def _check_pairs(rubric: Rubric, judge: config.Judge, place: str) -> None:
    if not rubric.pairs:
        return
    if judge.scale != "binary" or judge.few_shots is not None:
        raise SettingsError(f"{place}: the rubric {rubric.name} compares two outputs: take out scale and few_shots")


def _check_params(params: Mapping[str, Json], place: str) -> None:
    for key in RESERVED_PARAMS:
        if key in params:
            raise SettingsError(f"{place}.{key}: the judge sets it: take it out")
    check_json(params, place)


def parts_of_judge(name: str, configured: config.Settings, *, root: Path) -> dict[str, str]:
    """Return the digests that make up a judge, by the name of the part.

    Raises:
        SettingsError: its rubric or its few-shots cannot be used.

    """
    judge = configured.judges[name]
    try:
        rubric, few_shots = load_rubric(judge, root=root), few_shots_of(judge, root=root)
    except SettingsError as error:
        raise SettingsError(f"judges.{name}: {error}") from None
    return parts_of(judge, configured.models[judge.model], rubric, few_shots)


def fingerprints(names: Iterable[str], configured: config.Settings, *, root: Path) -> dict[str, dict[str, str]]:
    """Return the parts of several judges: what makes their gradings comparable with other ones.

    Raises:
        SettingsError: a file of one of them cannot be used.

    """
    return {name: parts_of_judge(name, configured, root=root) for name in names}


def calibration_of(judge: config.Judge, *, root: Path) -> Calibration | None:
    """Read the calibration of a judge; None where it names none, or the file is not there yet.

    Raises:
        UserError: it cannot be used.

    """
    path = _file_of(judge, root)
    return calibrations.read(path) if path is not None and path.exists() else None


def drift_of(judge: config.Judge, *, root: Path) -> DriftRecord | None:
    """Read what the last check of a judge's anchors found; None where nobody has checked.

    Raises:
        UserError: the record cannot be used.

    """
    path = _file_of(judge, root)
    return None if path is None else drift.read_drift(drift.drift_file(path))


def _file_of(judge: config.Judge, root: Path) -> Path | None:
    if judge.calibration is None:
        return None
    try:
        return files.resolve_inside(root, root / judge.calibration)
    except ValueError as error:
        raise SettingsError(f"calibration = {judge.calibration!r}: {error}") from None
