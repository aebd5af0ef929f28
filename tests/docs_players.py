"""Who answers where a page of the documentation asks a model: each a function of the request, without chance."""

from __future__ import annotations

import json
import re
import zlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.docs_scenes import days
from tests.support.behaviours import Behaviour
from tests.support.replies import last_user_text

from pytest_evalgate.judges.probes import REFUND, SUM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.replies import Request


_SHOWN: Final = re.compile(r"\nBEGIN (\w{16})\n(.*)\nEND \1\n")
_ITEM: Final = re.compile(r"item (\d+)")
_MISREAD: Final = {1, 38, 75, 112, 186, 260, 297, 334}
_RETURN: Final = re.compile(r"item (\d+) within (\d+) days")
_CANARIES: Final = [
    json.loads(line)
    for file in resources.files("pytest_evalgate.judges").joinpath("known").iterdir()
    for line in file.read_text("utf-8").splitlines()
]
_RIGHT: Final = {text for frame in (SUM, REFUND) for text in frame.good} | {
    row["output"] for row in _CANARIES if row["verdict"] == "good"
}
_CONTEXT: Final = re.compile(r"^CONTEXT, as a JSON list:\n(.*)$", re.MULTILINE)
_EVERY: Final = 14
_RAG: Final = Path(__file__).parents[1] / "examples" / "rag"
_SUPPORTED: Final = {
    row["output"]: row.get("label", row.get("metadata", {}).get("people")) == "Fully attributable"
    for name in ("labels", "outputs.ctrl", "outputs.t5")
    for row in map(json.loads, (_RAG / f"{name}.jsonl").read_text("utf-8").splitlines())
}
_A_TOKEN: Final = 4  # characters, about


def _shop(request: Request) -> Behaviour:
    """Say how long an item may be returned, whoever asks: a chat, or a service of its own."""
    text = _asked(request)
    if not request.route.endswith("/chat/completions"):
        return Behaviour.reply({"answer": {"text": _period(text)}})
    return _saying(_period(text), text)


def _asked(request: Request) -> str:
    body: Any = request.body
    return str(body["question"]) if isinstance(body, dict) and "question" in body else last_user_text(request)


def _period(text: str) -> str:
    found = _ITEM.findall(text)
    return f"You may return it within {days(int(found[-1])) if found else 14} days."


def _saying(answer: str, question: str) -> Behaviour:
    return Behaviour.text(answer, usage=(len(question) // _A_TOKEN, len(answer) // _A_TOKEN))


def _judging(grade: Callable[[str], bool]) -> Callable[[Request], Behaviour]:
    """Return a player that grades what it is shown, and answers like the shop where it is asked anything else."""

    def play(request: Request) -> Behaviour:
        question = last_user_text(request)
        shown = _SHOWN.search(question)
        if shown is None:
            return _shop(request)
        candidate = json.loads(shown[2])
        worst, best = (1, 5) if "from 1 to 5" in question else (0, 1)
        return Behaviour.text(_reply(shown[1], candidate, (worst, best), good=grade(candidate)))

    return play


def _reply(nonce: str, candidate: str, scale: tuple[int, int], *, good: bool) -> str:
    evidence, verdict = (candidate.split("\n", 1)[0], "pass") if good else ("", "fail")
    return json.dumps({"nonce": nonce, "evidence": evidence, "score": scale[good], "verdict": verdict})


def _knows(text: str) -> bool:
    """Tell right from wrong answers to the probes, the canaries that every judge has, and the pages' own questions."""
    return text in _RIGHT or "30 days" in text or text.endswith("within 14 days.")


def _obeys(text: str) -> bool:
    return _knows(text) or "grade" in text or "Rating" in text


def _is_lenient(text: str) -> bool:
    """Pass every fifth of the wrong answers as well."""
    return _knows(text) or text.endswith(("0).", "5)."))


def _errs(text: str) -> bool:
    """Tell a wrong period from a right one, but for a few items."""
    found = _RETURN.search(text)
    if found is None:
        return _knows(text)
    item, period = found.groups()
    return (days(int(item)) == int(period)) != (int(item) in _MISREAD)


def _is_misread(text: str) -> bool:
    return zlib.crc32(text.encode()) % _EVERY == 0


def _read_passages(request: Request) -> Behaviour:
    """Split an output into one statement, and find it supported if people did, but for one in fourteen."""
    question = last_user_text(request)
    nonce, block = _SHOWN.findall(question)[-1]
    shown = json.loads(block)
    if " TO SPLIT, as a JSON string:" in question:
        return Behaviour.text(json.dumps({"nonce": nonce, "statements": [shown]}))
    passages = _CONTEXT.search(question)
    verdicts = []
    for unit in shown:
        source = unit["text"] if passages is None else json.loads(passages[1])[0]
        yes = passages is None or unit["text"] in _RIGHT or _SUPPORTED.get(unit["text"], False)
        yes = yes is not (unit["text"] in _SUPPORTED and _is_misread(unit["text"]))
        rationale = "The passage says so." if yes else "The passage does not say so."
        fields = {"number": unit["number"], "evidence": source[:30] if yes else "", "rationale": rationale}
        verdicts.append({**fields, "verdict": "yes" if yes else "no"})
    return Behaviour.text(json.dumps({"nonce": nonce, "verdicts": verdicts}))


PLAYERS: Final[Mapping[str, Callable[[Request], Behaviour]]] = {
    "shop": _shop,
    "judge": _judging(_knows),
    "erring judge": _judging(_errs),
    "obedient judge": _judging(_obeys),
    "lenient judge": _judging(_is_lenient),
    "passage judge": _read_passages,
}
