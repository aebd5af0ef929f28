"""The text that each typical mistake brings is the text that was reviewed, and the reviews are good.

reviewed.toml has the scores of a strict reviewer for each text, from 0 to 3: does it name what happened, where, and
what to do next? ``remedy`` is a sentence for a page about troubleshooting. ``UPDATE_MISTAKES=1 pytest tests/mistakes``
writes new texts, with scores of 0: review them.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from statistics import mean
from typing import Any, Final

import pytest
from tests.mistakes.players import environment, play
from tests.mistakes.scenes import SCENES, Scene
from tests.support.behaviours import Behaviour
from tests.support.server import ScriptedServer

_FILE: Final = Path(__file__).with_name("reviewed.toml")
_REVIEWED: Final[dict[str, Any]] = tomllib.loads(_FILE.read_text("utf-8"))
_UPDATE: Final = "UPDATE_MISTAKES" in os.environ
_PARTS: Final = ("what", "where", "next")
_FOREIGN: Final = (
    "Input should",
    "pydantic",
    "Traceback (most recent",
    "JSONDecodeError",
    "TOMLDecodeError",
    "[Errno 2]",
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_mistake_brings_the_text_that_was_reviewed(scene: Scene, pytester: pytest.Pytester) -> None:
    with environment(scene.env, pytester.path), ScriptedServer() as server:
        server.script(Behaviour.status(404))
        played = play(scene, pytester, server.base_url.removeprefix("http://").partition("/")[0])
    if _UPDATE:
        _update(scene, played.code, played.text)
        return
    review = _REVIEWED[scene.name]
    assert played.text == review["text"].removeprefix("\n").removesuffix("\n"), "review the new text"
    assert played.code == review["exit"]
    assert not [text for text in _FOREIGN if text in played.text]
    printed_twice = {*played.out.splitlines()} & {*played.err.splitlines()} - {""}
    assert not printed_twice


def test_every_mistake_is_reviewed_and_the_reviews_are_good() -> None:
    assert len(SCENES) >= 67
    assert {scene.name for scene in SCENES} == _REVIEWED.keys()
    scores = {(name, part): review[part] for name, review in _REVIEWED.items() for part in _PARTS}
    assert {place: score for place, score in scores.items() if not 2 <= score <= 3} == {}
    assert mean(scores.values()) >= 2.7
    assert [name for name, review in _REVIEWED.items() if not (review["why"] and review["remedy"])] == []


def _update(scene: Scene, code: int, text: str) -> None:
    """Write the text of a scene; a review is kept only if text and exit code are as they were."""
    found = tomllib.loads(_FILE.read_text("utf-8"))
    new = {"command": scene.command, "exit": code, "text": f"{text}\n"}
    old = found.get(scene.name, {})
    same = old.get("text") == new["text"] and old.get("exit") == code
    review = {part: old[part] if same else 0 for part in _PARTS}
    review |= {"why": old["why"] if same else "", "remedy": old.get("remedy", "")}
    found[scene.name] = {**new, **review}
    order = [one.name for one in SCENES if one.name in found]
    _FILE.write_text("\n".join(_table(name, found[name]) for name in order), "utf-8")


def _table(name: str, values: dict[str, Any]) -> str:
    lines = [f'["{name}"]', f"command = '''{values['command']}'''", f"exit = {values['exit']}"]
    lines += [f"text = '''\n{values['text']}'''"]
    lines += [f"{part} = {values[part]}" for part in _PARTS]
    lines += [f"{part} = '''{values[part]}'''" for part in ("why", "remedy")]
    return "\n".join([*lines, ""])
