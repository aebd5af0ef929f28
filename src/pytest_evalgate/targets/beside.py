"""Values that a reply or a row has beside the output: the steps of the agent, and the passages that it retrieved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.records.results import TRAJECTORY_KEYS

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Json

CONTEXT: Final = "context"


def beside_output(document: Json, path: str) -> dict[str, Json]:
    """Return the lists ``trajectory``, ``messages``, ``tool_calls`` and ``context`` beside the output.

    They are looked for in every object on the dotted ``path`` to the output; the one nearest to it counts. So the path
    ``choices.0.message.content`` of a chat completion also finds the ``tool_calls`` of the message.

    Example::

        beside_output({"answer": {"text": "14 days"}, "messages": []}, "answer.text")  # {"messages": []}
    """
    found: dict[str, Json] = {}
    for part in path.split("."):
        if isinstance(document, Mapping):
            found |= {name: document[name] for name in TRAJECTORY_KEYS if isinstance(document.get(name), list)}
            if _are_texts(document.get(CONTEXT)):
                found[CONTEXT] = document[CONTEXT]
        document = _member(document, part)
    return found


def _are_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _member(value: Json, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    try:
        return value[int(part)] if isinstance(value, list) else None
    except (IndexError, ValueError):
        return None
