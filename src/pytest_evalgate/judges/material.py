"""Material that a judge is shown: one output of one case, with all that belongs to it, as sections of a prompt.

Everything that a case or the application supplies is shown as JSON with hidden characters escaped. Images are sent as
content parts beside the text, which names them by number.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.escaping import escape_for_judge
from pytest_evalgate.targets.request import question
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.pictures import Gallery

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.judges.rubric import Rubric
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Output

Message = dict[str, "Json"]

_MAX_IMAGES: Final = 8
_MAX_IMAGE: Final = 6 << 20  # characters of one image in base64: 4.5 MB, below the limits of the known endpoints


@dataclass(frozen=True, slots=True)
class Material:
    """One output of one case.

    ``candidate`` is the output as text, escaped and truncated for the judge. ``asked`` is the input of the
    application, ``conversation`` and ``trajectory`` are lists of JSON values or None. ``note`` is the note on the case
    that is asked for. The ``images`` are URLs; all other values name them by number.
    """

    case: Case
    candidate: str
    context: tuple[str, ...] = ()
    asked: Json = None
    conversation: Json = None
    trajectory: Json = None
    note: str = ""
    images: tuple[str, ...] = ()

    @property
    def references(self) -> tuple[Json, ...]:
        """The expected values, of which any one is sufficient."""
        return references_of(self.case)

    def missing_input(self, rubric: Rubric) -> str | None:
        """Return a message that names a missing input of the rubric; None if the case has all of them."""
        has = {
            "reference": bool(self.references),
            "context": bool(self.context),
            "trajectory": bool(self.trajectory),
            "messages": bool(self.conversation),
        }
        needs = ("reference", *rubric.needs) if rubric.pairs else rubric.needs
        missing = next((need for need in needs if not has[need]), None)
        return None if missing is None else f"the rubric {rubric.name} needs {_ADVICE[missing]}"

    @property
    def image_problem(self) -> str | None:
        """The reason why the images cannot be sent; None if they can."""
        if len(self.images) > _MAX_IMAGES:
            return f"it has {len(self.images)} images; a judge is sent at most {_MAX_IMAGES}: remove some"
        for number, url in enumerate(self.images, start=1):
            if len(url) > _MAX_IMAGE:
                size, most = (characters * 3 / 4 / (1 << 20) for characters in (len(url), _MAX_IMAGE))
                return f"image {number} has {size:.1f} MB; a judge is sent at most {most:.1f} MB: make it smaller"
        return None

    def quotable(self, rubric: Rubric) -> str:
        """Return the texts that evidence may be quoted from: the output, and what the rubric grades beside it."""
        shown = {"trajectory": self.trajectory, "messages": self.conversation}
        values = [shown[need] for need in rubric.needs if shown.get(need)]
        leaves = (escape_for_judge(leaf, _MAX_BACKGROUND) for value in values for leaf in _texts(value))
        return "\n".join([self.candidate, *map(_json, values), *leaves])


_ADVICE: Final = {
    "reference": 'a reference: add "expected" to the case',
    "context": 'a context: add "context" to the case or to the output\'s metadata',
    "trajectory": 'a trajectory: add "trajectory" to the output\'s metadata or to the case',
    "messages": 'a conversation: add "messages" to the case or to the output\'s metadata',
}


def material_of(case: Case, output: Output, note: str | None = None) -> Material:
    """Return the material to grade an output.

    Its context, its trajectory and its conversation are those of the output's metadata (``context``, ``trajectory``
    or ``tool_calls``, ``messages``), otherwise those of the case. The trajectory of a case with a recorded output led
    to that output, so it is not shown with another one. Without a ``note``, all notes on the case are asked for
    together. Only the case may have images that the model's endpoint has to load.

    Raises:
        ValueError: the output contains NaN or an infinity.
        TypeError: the output contains a value that JSON cannot represent.
    """
    gallery, found = Gallery(), output.metadata
    asked = gallery.take(question(case), remote=True)
    own_messages = _objects(found.get("messages"))
    messages = own_messages or [dict(message) for message in case.messages]
    own_steps = _listed(found.get("trajectory")) or _listed(found.get("tool_calls"))
    conversation = gallery.take(messages, remote=not own_messages) if messages else None
    recorded = list(case.trajectory or ()) if case.output in (None, output.value) else []
    return Material(
        case,
        escape_for_judge(text_of(gallery.take(output.value, remote=False))),
        _passages(found.get("context")) or case.context,
        asked=asked,
        conversation=conversation,
        trajectory=gallery.take(own_steps or recorded, remote=not own_steps) or None,
        note="\n".join(case.notes) if note is None else note,
        images=tuple(gallery.urls),
    )


def _passages(retrieved: Json) -> tuple[str, ...]:
    """Return the passages that the application retrieved; none if they are not texts."""
    passages = (retrieved,) if isinstance(retrieved, str) and retrieved else retrieved
    if isinstance(passages, list | tuple) and all(isinstance(one, str) for one in passages):
        return tuple(passages)
    return ()


def _listed(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list | tuple) else []


def _objects(value: Json) -> list[Json]:
    """Return the messages of a conversation; none if one of them is not a message."""
    found = _listed(value)
    return found if all(isinstance(one, dict) and isinstance(one.get("role"), str) for one in found) else []


def _texts(value: Json) -> Iterator[str]:
    """Yield the texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def references_of(case: Case) -> tuple[Json, ...]:
    """Return the expected values of a case: ``expected_any``, otherwise ``expected``, otherwise none."""
    return case.expected_any or (() if case.expected is None else (case.expected,))


def text_of(value: Json) -> str:
    """Return text unchanged, and any other value as JSON with sorted keys.

    Raises:
        ValueError: the value contains NaN or an infinity.
        TypeError: the value contains something that JSON cannot represent.
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True)


_MAX_BACKGROUND: Final = 64_000  # characters of the input, the reference and the context, each


def _json(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else text_of(value)
    return escape_for_judge(text, _MAX_BACKGROUND)


def background(material: Material, *, references: bool, context: bool = True, steps: bool = True) -> Iterator[str]:
    """Yield the sections before the output, those that the case has.

    They are the input, the conversation, the context, the references, the trajectory (``steps``), and the note.
    """
    if material.asked is not None:
        yield f"INPUT OF THE APPLICATION, as JSON:\n{_json(material.asked)}"
    if material.conversation is not None and material.conversation != material.asked:
        yield f"CONVERSATION, as a JSON list of messages:\n{_json(material.conversation)}"
    if context and material.context:
        yield f"CONTEXT, as a JSON list:\n{_json(list(material.context))}"
    if references and len(material.references) > 1:
        yield f"REFERENCES, as a JSON list (any one of them is sufficient):\n{_json(list(material.references))}"
    elif references and material.references:
        yield f"REFERENCE, as JSON:\n{_json(material.references[0])}"
    if steps and material.trajectory is not None:
        title = "TRAJECTORY OF THE APPLICATION (its steps before the output), as a JSON list"
        yield f"{title}:\n{_json(material.trajectory)}"
    if material.note:
        title = "NOTES ON THIS CASE (part of the rubric: the output must meet them, too), as JSON"
        yield f"{title}:\n{_json(material.note)}"


def between_nonces(title: str, text: str, nonce: str) -> str:
    """Return JSON text in one line between two lines with the nonce."""
    return f"{title}:\nBEGIN {nonce}\n{text}\nEND {nonce}"


def output_section(title: str, candidate: str, nonce: str) -> str:
    """Return an output as one JSON string between two lines with the nonce."""
    return between_nonces(f"{title}, as a JSON string", json.dumps(candidate, ensure_ascii=False), nonce)


def user_message(text: str, images: Sequence[str]) -> Message:
    """Return a message with ``text``, followed by the images that it names."""
    if not images:
        return {"role": "user", "content": text}
    parts: list[Json] = [{"type": "text", "text": text}]
    for number, url in enumerate(images, start=1):
        parts += [{"type": "text", "text": f"Image {number}:"}, {"type": "image_url", "image_url": {"url": url}}]
    return {"role": "user", "content": parts}


_NONCE_SALT: Final = "pytest-evalgate judge"
_NONCE_LENGTH: Final = 16


def nonce_of(version: str, case: Case, candidates: Sequence[str]) -> str:
    """Return the nonce of a question: 16 hexadecimal digits of a SHA-256.

    The same question always has the same nonce, so its reply can be cached. An output cannot contain the nonce,
    because the nonce is a hash of all outputs to grade (``candidates``).
    """
    parts = [_NONCE_SALT, version, case.golden_id, case.fingerprint, *candidates]
    return hashlib.sha256(jsonl.canonical(parts).encode("ascii")).hexdigest()[:_NONCE_LENGTH]
