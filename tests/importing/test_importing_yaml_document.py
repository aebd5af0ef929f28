from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.importing import ImportingError, yaml_document
from pytest_evalgate.importing.yaml_document import (
    DEEPEST,
    parse_document,
    place_of,
    read_document,
)

if TYPE_CHECKING:
    from pathlib import Path

TEXT = b"""\
# a comment
name: no
time: 12:30
day: 2024-01-01
list:
  - 1
  - {a: 0x10, b: 1e3, c: ~}
block: |
  first
  second
"quoted: key": "1"
"""


def test_every_object_and_list_knows_its_lines() -> None:
    value = parse_document(TEXT, "f.yaml")
    assert value == {
        "name": "no",
        "time": "12:30",
        "day": "2024-01-01",
        "list": [1, {"a": 16, "b": 1000.0, "c": None}],
        "block": "first\nsecond\n",
        "quoted: key": "1",
    }
    assert [str(place_of(value, key)) for key in value] == [f"f.yaml:{line}" for line in (2, 3, 4, 5, 8, 11)]
    assert str(place_of(value["list"], 1)) == "f.yaml:7"
    assert str(place_of(value["list"][1], "c")) == "f.yaml:7"
    assert str(place_of(value["list"][1])) == "f.yaml:7"


REFUSED = [
    (b"a: 1\nb: 2\na: 3", 'f.yaml:3: duplicate key "a" (first at line 1)'),
    (b"a: &x 1\nb: 2", 'f.yaml:1: "&x" names a part to repeat it'),
    (b"a: 1\nb: [*x]", 'f.yaml:2: "*x" repeats another part of the file'),
    (b"a: 1\n<<: {b: 2}", 'f.yaml:2: the merge key "<<"'),
    (b"a:\n  b: !!python/object/apply:os.system [ls]", 'f.yaml:2: the tag "tag:yaml.org,2002:python/object/apply'),
    (b"a: !secret x", 'f.yaml:1: the tag "!secret"'),
    (b"a: 1\n---\nb: 2", "f.yaml:2: a second document begins here"),
    (
        b"a: 1\nb: c: d",
        'f.yaml:2: not YAML: mapping values are not allowed in this context; put a text that contains ": "',
    ),
    (b"a:\n\tb: 1", "f.yaml:2: not YAML: found character that cannot start any token; indent with spaces"),
    (b"a: [1\nb: 2", "f.yaml:2: not YAML: did not find expected"),
    (b"{a: 1}: 2", "f.yaml:1: a key is an object or a list"),
    (b"a: .nan", "f.yaml:1: .nan is not a JSON value"),
    (b"a: 1" + b"0" * 400 + b".0", "f.yaml:1: the number 1000"),
    (b"a: " + b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "f.yaml:1: nested deeper than 64"),
    (b"a: 1\nb: \xff", "f.yaml:2: not UTF-8"),
    (b"a: 1\nb: \x01", "f.yaml:2: contains a character that YAML does not allow"),
    (b"\xff\xfea\x00", "f.yaml: encoded as UTF-16"),
    (b"<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n", "f.yaml: an unresolved merge conflict"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_what_could_mislead_or_exhaust_is_refused_with_its_line(text: bytes, message: str) -> None:
    with pytest.raises(ImportingError) as caught:
        parse_document(text, "f.yaml")
    assert str(caught.value).startswith(message)


def test_a_bomb_of_aliases_is_refused_at_its_first_anchor() -> None:
    lines = [
        'a: &a ["x"]',
        *(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    ]
    with pytest.raises(ImportingError, match=r'f\.yaml:1: "&a"'):
        parse_document("\n".join(lines).encode(), "f.yaml")


def test_size_and_number_of_values_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_document, "MOST_VALUES", 10)
    with pytest.raises(ImportingError, match=r"^f\.yaml:2: more than 10 values"):
        parse_document(b"a:\n  [1, 2, 3, 4, 5, 6, 7, 8, 9]", "f.yaml")
    monkeypatch.setattr(yaml_document, "LARGEST", 10)
    with pytest.raises(ImportingError, match=r"^f\.yaml: larger than 10 bytes"):
        parse_document(b"a: 12345678", "f.yaml")


def test_an_empty_document_is_null() -> None:
    assert parse_document(b"", "f.yaml") is None
    assert parse_document(b"# nothing\n", "f.yaml") is None


def test_json_is_read_as_json(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_text('{"smile": "\\ud83d\\ude00",\n\t"no": [1e5, -0.5, true, null, "yes", "\\\\ud83d"]}', "utf-8")
    value = read_document(path, "f.json")
    assert value == {"smile": "😀", "no": [1e5, -0.5, True, None, "yes", "\\ud83d"]}
    assert str(place_of(value, "no")) == "f.json:2"


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": yes}', "{'a': 1}", '{"a": NaN}', '{"a": 1,}', "a: 1"])
def test_json_is_strict(tmp_path: Path, text: str) -> None:
    path = tmp_path / "f.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ImportingError, match=r"^f\.json: "):
        read_document(path, "f.json")


def test_a_missing_file_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(ImportingError, match=r"^f\.yaml: cannot be read"):
        read_document(tmp_path / "f.yaml", "f.yaml")


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc: -#{", max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(_VALUES)
def test_json_and_its_reading_as_yaml_are_the_same_value(value: Any) -> None:
    text = json.dumps(value)
    assert parse_document(text.encode(), "f.json", json=True) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        value = parse_document(raw, "f.yaml")
    except ImportingError as error:
        value = str(error)
    json.dumps(value, allow_nan=False)
