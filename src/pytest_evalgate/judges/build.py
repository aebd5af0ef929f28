"""Construction of judges from the configuration; their fingerprints, calibrations and drift records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges import calibration as calibrations
from pytest_evalgate.judges import drift
from pytest_evalgate.judges.ask import JudgeClient
from pytest_evalgate.judges.escaping import MAX_OUTPUT
from pytest_evalgate.judges.few_shots import few_shots_of
from pytest_evalgate.judges.judge import JudgeScorer, PairVoter, SingleVoter
from pytest_evalgate.judges.material import material_of
from pytest_evalgate.judges.question import (
    Instructions,
    messages,
    pair_messages,
    pair_response_format,
    response_format,
)
from pytest_evalgate.judges.reply import PARSER
from pytest_evalgate.judges.rubric import Rubric, load_rubric
from pytest_evalgate.judges.scale import SCALES
from pytest_evalgate.judges.shares import ShareVoter, share_prompts
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets.model import RESERVED_PARAMS
from pytest_evalgate.targets.request import check_json
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate import config
    from pytest_evalgate.judges.drift import DriftRecord
    from pytest_evalgate.judges.question import FewShot
    from pytest_evalgate.judges.votes import Voter
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.verdicts import Calibration

_DEFAULT_THRESHOLD: Final = 0.5
_REPLY_PARTS: Final = ("model", "prompt", "rubric", "few_shots", "parameters", "scale")


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
    """Build the scorer of the judge whose key in the configuration is ``name``.

    Its files are relative to ``root``. ``counts``, ``threshold`` (0.5 by default) and ``weight`` are those of
    `JudgeScorer`. Its scores are called ``score_name``, by default ``name``.

    Raises:
        SettingsError: one of its files is missing or malformed, or ``params`` contains a key that the judge sets.
    """
    place = f"judges.{name}"
    rubric, few_shots = _files_of(judge, place, root)
    _check_params(judge.params, f"{place}.params")
    _check_params(model.params, f"models.{judge.model}.params")
    if (rubric.pairs or rubric.share) and (judge.scale != "binary" or judge.few_shots is not None):
        does = "compares two outputs" if rubric.pairs else "computes a share of verdicts"
        raise SettingsError(f"{place}: the rubric {rubric.name} {does}: remove scale and few_shots")
    version = version_of(parts_of(judge, model, rubric, few_shots))
    judge_client = JudgeClient(client, model, judge.model, f"judge:{name}", version, judge.params)
    return JudgeScorer(
        name=score_name or name,
        voter=_voter(judge_client, Instructions(rubric, SCALES[judge.scale], few_shots)),
        rubric=rubric,
        votes=judge.votes,
        threshold=_DEFAULT_THRESHOLD if threshold is None else threshold,
        weight=weight,
        counts=counts,
    )


def _voter(judge_client: JudgeClient, instructions: Instructions) -> Voter:
    rubric = instructions.rubric
    if rubric.share is not None:
        return ShareVoter(judge_client, rubric)
    return PairVoter(judge_client, rubric) if rubric.pairs else SingleVoter(judge_client, instructions)


def _files_of(judge: config.Judge, place: str, root: Path) -> tuple[Rubric, tuple[FewShot, ...]]:
    try:
        return load_rubric(judge, root=root), few_shots_of(judge, root=root)
    except SettingsError as error:
        raise SettingsError(f"{place}: {error}") from None


def _check_params(params: Mapping[str, Json], place: str) -> None:
    for key in RESERVED_PARAMS:
        if key in params:
            raise SettingsError(f"{place}.{key}: set by the judge: remove it")
    check_json(params, place)


def parts_of(judge: config.Judge, model: config.Model, rubric: Rubric, few_shots: Sequence[FewShot]) -> dict[str, str]:
    """Return the SHA-256 of each part of a judge that its verdicts depend on, by name.

    The parts are ``model`` (endpoint, name and API), ``prompt`` (the wording in this package), ``rubric``,
    ``few_shots``, ``parameters`` (those of the model and of the judge), ``parser``, ``scale`` and ``votes``.
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


def _prompt() -> Json:
    """Return the prompts for sample cases that use every section, so that any change of the wording is included."""
    rubric = Rubric("specimen", "specimen", needs=("trajectory", "messages"))
    case = Case(
        "specimen",
        input="asked",
        messages=({"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png;base64,AA=="}]},),
        expected="wanted",
        rubric="notes",
        context=("context",),
        trajectory=("step",),
    )
    material = material_of(case, Output("<|im_end|>\u200b" + "x" * MAX_OUTPUT))
    several = material_of(Case("several", expected_any=("a", "b")), Output("x"))
    single = [
        [messages(Instructions(rubric, scale), one, "nonce"), response_format(scale)]
        for scale in SCALES.values()
        for one in (material, several)
    ]
    pair = [pair_messages(rubric, material, ("one", "two"), "nonce"), pair_response_format()]
    return [*single, *pair, *share_prompts(rubric, material, "nonce")]


def fingerprint(parts: Mapping[str, str], threshold: float | None) -> str:
    """Return the fingerprint of a judge: a SHA-256, in hexadecimal, of its parts and its threshold."""
    return jsonl.digest({"parts": dict(parts), "threshold": threshold})


def version_of(parts: Mapping[str, str]) -> str:
    """Return the SHA-256, in hexadecimal, of the parts that a judge's replies depend on.

    It is part of the cache key of a reply. Parser, votes and threshold are not included: they only interpret replies,
    so a change of them needs no new calls.
    """
    return jsonl.digest({name: parts[name] for name in _REPLY_PARTS})


def parts_of_judge(name: str, configured: config.Settings, *, root: Path) -> dict[str, str]:
    """Return the digests of the parts of a configured judge, by name.

    Scores of judges with equal parts are comparable.

    Raises:
        SettingsError: its rubric or its few-shots are invalid.
    """
    judge = configured.judges[name]
    rubric, few_shots = _files_of(judge, f"judges.{name}", root)
    return parts_of(judge, configured.models[judge.model], rubric, few_shots)


def calibration_of(judge: config.Judge, *, root: Path) -> Calibration | None:
    """Read the calibration of a judge; None if it names no file or the file does not exist yet.

    Raises:
        UserError: the file is invalid.
    """
    path = _calibration_file(judge, root)
    return calibrations.read(path) if path is not None and path.exists() else None


def drift_of(judge: config.Judge, *, root: Path) -> DriftRecord | None:
    """Read the result of the last drift check of a judge; None if there was no check.

    Raises:
        UserError: the record is invalid.
    """
    path = _calibration_file(judge, root)
    return None if path is None else drift.read_drift(drift.drift_file(path))


def _calibration_file(judge: config.Judge, root: Path) -> Path | None:
    if judge.calibration is None:
        return None
    return files.configured_path(root, judge.calibration, f"calibration = {judge.calibration!r}")
