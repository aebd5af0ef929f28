from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.targets.http import PathError, fill, fill_url, has_placeholder, invalid_placeholders, look_up

_VALUES = {"input": "hi", "n": 3, "list": ["a", {"b": None}], "obj": {"k-1": {"x": True}}, "0": "zero"}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{{ input }}", "hi"),
        ("{{input}}", "hi"),
        ("{{ n }}", 3),
        ("n = {{ n }}", "n = 3"),
        ("{{ n }}{{ n }}", "33"),
        ("{{ list }}", ["a", {"b": None}]),
        ("list: {{ list }}", 'list: ["a", {"b": null}]'),
        ("{{ list.1.b }}", None),
        ("{{ obj.k-1.x }}", True),
        ({"{{ input }}": ["{{ input }}", {"a": "{{ n }}!"}]}, {"{{ input }}": ["hi", {"a": "3!"}]}),
        (("a", 1, None, True), ["a", 1, None, True]),
        ("{ input } {input}", "{ input } {input}"),
    ],
)
def test_values_take_the_place_of_their_names(template: Any, filled: Any) -> None:
    assert fill(template, _VALUES) == filled


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("answer", "there is no answer: the whole has input, n, list, obj, 0"),
        ("list.7", "there is no list.7: list is a list of 2"),
        ("list.b", "there is no list.b: list is a list of 2"),
        ("input.text", "there is no input.text: input is text"),
        ("n.text", "there is no n.text: n is int"),
        ("list.1.b.c", "there is no list.1.b.c: list.1.b is null"),
        ("obj.k-1.y", "there is no obj.k-1.y: obj.k-1 has x"),
        ("input.__class__", "there is no input.__class__: input is text"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(path: str, told: str) -> None:
    with pytest.raises(PathError) as caught:
        look_up(_VALUES, path)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "text",
    [
        "{{ input|upper }}",
        "{{ 7 * 7 }}",
        "{{ input }} {{",
        "}}",
        "{{ a..b }}",
        "{{ input() }}",
        "{{ a['b'] }}",
        "{{}}",
    ],
)
def test_what_is_no_dotted_path_is_found(text: str) -> None:
    assert list(invalid_placeholders({"a": [text, "{{ input }}"]})) == [text]


def test_whether_there_is_a_placeholder() -> None:
    assert has_placeholder({"a": ["{{ b }}"]})
    assert not has_placeholder({"{{ key }}": ["{ b }", 1, None]})


@given(_JSON)
def test_a_value_arrives_whole_and_is_never_looked_into(value: Any) -> None:
    assert fill({"q": "{{ input }}"}, {"input": value}) == {"q": value}


@given(st.text(), st.text())
def test_text_inside_of_text_is_put_in_as_it_is(one: str, two: str) -> None:
    assert fill("<{{ one }}|{{ two }}>", {"one": one, "two": two}) == f"<{one}|{two}>"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_value_in_a_url_stays_in_its_place(value: str) -> None:
    url = fill_url("https://host.example/a?q={{ v }}&fixed=1", {"v": value})
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("https", "host.example", "/a", "")
    assert parse_qs(parts.query, keep_blank_values=True) == {"q": [value], "fixed": ["1"]}


@given(st.text(alphabet="./\\%?#@:&= a"))
def test_a_value_never_changes_the_path(value: str) -> None:
    try:
        url = fill_url("https://host.example/users/{{ v }}/show", {"v": value})
    except PathError:
        assert value in (".", "..")
    else:
        parts = urlsplit(url)
        assert parts.netloc == "host.example"
        assert parts.path.count("/") == 3
        assert parts.query == parts.fragment == ""
