"""What a judge is, in digests: a calibration is worth something as long as none of them has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate import jsonl
from pytest_evalgate.data import Case
from pytest_evalgate.judging.candidate import MOST, visible
from pytest_evalgate.judging.material import Material
from pytest_evalgate.judging.pairwise import pair_messages
from pytest_evalgate.judging.question import Instructions, messages, response_format
from pytest_evalgate.judging.reading import PARSER
from pytest_evalgate.judging.rubric import Rubric
from pytest_evalgate.judging.scale import SCALES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate import settings
    from pytest_evalgate.data import Json
    from pytest_evalgate.judging.fewshots import FewShot

_ASKED: Final = ("model", "prompt", "rubric", "few_shots", "parameters", "scale")


def parts_of(
    judge: settings.Judge, model: settings.Model, rubric: Rubric, few_shots: Sequence[FewShot]
) -> dict[str, str]:
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
