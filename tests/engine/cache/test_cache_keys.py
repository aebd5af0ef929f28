from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_evalgate.engine.cache import first_difference, key_of
from pytest_evalgate.records.calls import Call
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable

_SCALARS = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
_PAYLOADS = st.dictionaries(st.text(), _JSON, max_size=4)


def _turned(value: Any) -> Any:
    """The same JSON value with every object's keys the other way round."""
    if isinstance(value, dict):
        return {key: _turned(value[key]) for key in reversed(value)}
    return [_turned(item) for item in value] if isinstance(value, list) else value


def _with(payload: Any) -> Call:
    return Call("chat", "http://x", "m", payload)


@settings(deadline=None)
@given(_PAYLOADS)
def test_the_order_of_keys_does_not_matter(payload: dict[str, Any]) -> None:
    assert key_of(_with(payload)) == key_of(_with(_turned(payload)))
    assert first_difference(_with(payload), _with(_turned(payload))) == ""


@settings(deadline=None)
@given(_PAYLOADS, _PAYLOADS)
def test_payloads_that_differ_have_keys_and_a_difference_that_say_so(one: dict[str, Any], two: dict[str, Any]) -> None:
    assume(jsonl.canonical(one) != jsonl.canonical(two))
    assert key_of(_with(one)) != key_of(_with(two))
    assert first_difference(_with(one), _with(two)).startswith("payload")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "responses"),
        ("endpoint", "http://y"),
        ("model", "n"),
        ("payload", {"x": 1}),
        ("trial", 1),
        ("version", "2"),
    ],
)
def test_every_field_that_decides_the_answer_changes_the_key(ask: Callable[..., Call], field: str, value: Any) -> None:
    call, changed = ask(), {field: value}
    assert key_of(replace(call, **changed)) != key_of(call)
    assert first_difference(call, replace(call, **changed)).startswith(field)


def test_what_is_for_people_does_not_change_the_key(ask: Callable[..., Call]) -> None:
    call = ask()
    other = replace(call, route="r", purpose="judge:faq", label="other::b")
    assert key_of(other) == key_of(call)
    assert len(fields(Call)) == 9, "a field was added: it belongs into the key, or into this test"


def test_a_key_is_a_sha256_that_stays_the_same_from_version_to_version() -> None:
    call = Call("chat", "http://x/v1", "m", {"messages": [{"role": "user", "content": "é"}]})
    assert key_of(call) == "1f709e9f16b691aa63a661edefff3702030a09183364e9285b30a98b67e77732"


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"messages": [{"content": "Be brief."}]}, {"messages": [{"content": "Be kind."}]},
         'payload.messages[0].content: "Be brief." -> "Be kind."'),
        ({"t": 0}, {"t": 0.0}, "payload.t: 0 -> 0.0"),
        ({"t": 1}, {"t": True}, "payload.t: 1 -> true"),
        ({"a": 1}, {"a": 1, "b": [2]}, "payload.b: absent -> [2]"),
        ({"a": 1, "b": "x"}, {"a": 1}, 'payload.b: "x" -> absent'),
        ({"a": [1, 2]}, {"a": [1]}, "payload.a[1]: 2 -> absent"),
        ({"a": [1]}, {"a": {"b": 1}}, 'payload.a: [1] -> {"b":1}'),
        ({"a": "\x1b[31m"}, {"a": "b"}, 'payload.a: "\\x1b[31m" -> "b"'),
        ({"a": 1}, {"a": 1}, ""),
    ],
)  # fmt: skip
def test_the_first_difference_names_its_place_and_both_values(before: Any, now: Any, said: str) -> None:
    assert first_difference(_with(before), _with(now)) == said


def test_texts_are_shown_from_where_they_part() -> None:
    said = first_difference(_with({"p": "x" * 500 + "old"}), _with({"p": "x" * 500 + "new"}))
    assert "old" in said
    assert "new" in said
    assert len(said) < 200


def test_the_version_is_named_before_the_payload(ask: Callable[..., Call]) -> None:
    call = ask("a")
    assert first_difference(call, replace(call, version="2", payload={})) == 'version: "" -> "2"'


def test_a_mapping_of_any_kind_has_the_key_of_its_content(ask: Callable[..., Call]) -> None:
    from types import MappingProxyType  # noqa: PLC0415 - for this test only

    call = ask()
    assert key_of(replace(call, payload=MappingProxyType(dict(call.payload)))) == key_of(call)
    assert key_of(replace(call, payload=json.loads(json.dumps(call.payload)))) == key_of(call)
