"""What the values of other tools are in the canonical record."""

from __future__ import annotations

from typing import Any, Final

from pytest_evalgate import jsonl
from pytest_evalgate.golden.dialects.dialect import Misread

_ROLES: Final = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}
_PREFERRED: Final = ("answer", "output", "expected")


def asked(value: Any) -> dict[str, Any]:
    """Read what is asked: messages where it is a list of them, variables where it is an object, else the input.

    An object with one key is the input, too; one with ``messages`` asks by them.
    """
    if isinstance(value, dict):
        return {"vars": value, **_from_variables(value)}
    return {"messages": _messages(value)} if _is_conversation(value) else {"input": value}


def any_of(value: Any) -> dict[str, Any]:
    """Read what is wanted, where a list means that one of them will do."""
    return {"expected_any": value} if isinstance(value, list) else {"expected": value}


def reference(value: Any) -> dict[str, Any]:
    """Read the reference outputs: the only value, or the one that is named as the answer, else the whole object.

    Raises:
        Misread: they are no object, as recorded outputs may be, and reference outputs never are.

    """
    if not isinstance(value, dict):
        raise Misread(
            "may be what is wanted (langsmith, phoenix), which is an object there, or what was recorded (mlflow): "
            'name it "expected" or "output", and "inputs" "input"'
        )
    if len(value) == 1:
        return any_of(next(iter(value.values())))
    return {"expected": next((value[name] for name in _PREFERRED if name in value), value)}


def either(_: Any) -> dict[str, Any]:
    """Refuse an output that two readings are true of.

    Raises:
        Misread: always.

    """
    raise Misread(
        'may be what is wanted (phoenix), or what was recorded (an "output" everywhere else): name it "expected", or '
        'name "external_id" "id"'
    )


def split(value: Any) -> dict[str, Any]:
    """Read the split; a list of one is that one."""
    return {"split": value[0] if isinstance(value, list) and len(value) == 1 else value}


def tags(value: Any) -> dict[str, Any]:
    """Read tags, where an object means ``key:value``.

    Raises:
        Misread: a value of it is no text.

    """
    if not isinstance(value, dict):
        return {"tags": value}
    for key, held in value.items():
        if not isinstance(held, str):
            raise Misread(f"must be a string, not {jsonl.canonical(held)[:60]}", f".{jsonl.visible(key)}")
    return {"tags": [f"{key}:{held}" for key, held in value.items()]}


def expectations(value: Any) -> dict[str, Any]:
    """Read mlflow's expectations; those that have no field here are kept in the metadata.

    Raises:
        Misread: they are no object.

    """
    if not isinstance(value, dict):
        raise Misread(f"must be an object, not {jsonl.canonical(value)[:60]}")
    rest = dict(value)
    found: dict[str, Any] = {"expected": rest.pop("expected_response", None)}
    if (guidelines := rest.pop("guidelines", None)) is not None:
        found["rubric"] = "\n".join(guidelines) if _are_texts(guidelines) else guidelines
    if (documents := rest.pop("expected_retrieved_context", None)) is not None:
        found["reference_context"] = [_document(one) for one in documents] if _is_list(documents) else documents
    return found | ({"metadata": rest} if rest else {})


def item(value: Any) -> dict[str, Any]:
    """Read the item of an OpenAI eval: its variables, but for the one that says what is wanted.

    Raises:
        Misread: it is no object.

    """
    if not isinstance(value, dict):
        raise Misread(f"must be an object, not {jsonl.canonical(value)[:60]}")
    wanted = next((name for name in WANTED if value.get(name) is not None), None)
    if wanted is None:
        return asked(value)
    return asked({name: held for name, held in value.items() if name != wanted}) | any_of(value[wanted])


def sample(value: Any) -> dict[str, Any]:
    """Read the sample of an OpenAI eval: its text is the recorded output."""
    return {"output": value.get("output_text")} if isinstance(value, dict) else {"output": value}


WANTED: Final = (
    *("expected", "expected_output", "expectedOutput", "target", "ideal", "reference", "reference_answer"),
    *("ground_truth", "answer", "expected_response"),
)
"""What other tools call the expected value; the first one that a row gives is meant."""


def _from_variables(value: dict[str, Any]) -> dict[str, Any]:
    if _is_conversation(value.get("messages")):
        return {
            "messages": _messages(value["messages"]),
            "vars": {key: held for key, held in value.items() if key != "messages"},
        }
    return asked(next(iter(value.values()))) | {"vars": value} if len(value) == 1 else {}


def _is_conversation(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_role(message) is not None for message in value)


def _role(message: Any) -> str | None:
    if not isinstance(message, dict) or "content" not in message:
        return None
    role = message.get("role", _ROLES.get(str(message.get("type"))))
    return role if isinstance(role, str) else None


def _messages(value: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        message if "role" in message else {"role": _role(message), **{k: v for k, v in message.items() if k != "type"}}
        for message in value
    ]


def _document(value: Any) -> Any:
    return value.get("content") or value.get("doc_uri") if isinstance(value, dict) else value


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
