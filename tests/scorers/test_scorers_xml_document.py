from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import Context, build
from pytest_evalgate.scorers.xml_document import xml_valid

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf

_LAUGHS = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;">]><a>&y;&y;&y;&y;</a>'


@pytest.mark.parametrize(
    "text",
    [
        "<a/>",
        "  <a>text &amp; &#65; &lt;</a>\n",
        '<?xml version="1.0" encoding="UTF-8"?>\n<a b="c"><!-- d --><![CDATA[<e>]]></a>',
        '<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>',
        '<ns:a xmlns:ns="urn:x"><ns:b/></ns:a>',
        "```xml\n<a>\n <b/>\n</a>\n```",
        "<!DOCTYPE a><a/>",
        "<a>" * 5_000 + "</a>" * 5_000,
    ],
)
def test_a_well_formed_document(text: str, score_of: ScoreOf) -> None:
    score = score_of("xml-valid", text)
    assert (score.value, score.reason) == (1.0, "is XML")
    assert score_of("not-xml-valid", text).value == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not XML: line 1, column 1: no element found"),
        ("text", "is not XML: line 1, column 1: syntax error"),
        ("<a><b></a>", "is not XML: line 1, column 9: mismatched tag"),
        ("<a/><b/>", "is not XML: line 1, column 5: junk after document element"),
        ("<a>\n&nbsp;</a>", "is not XML: line 2, column 1: undefined entity"),
        ("Here: <a/>", "is not XML: line 1, column 1: syntax error"),
        (_LAUGHS, 'the entity "x" is not accepted: '),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', 'the entity "x" is not accepted: '),
        ('<!DOCTYPE a [<!ENTITY % x SYSTEM "http://h/x"> %x;]><a/>', 'the entity "x" is not accepted: '),
        ('<!DOCTYPE a SYSTEM "http://h/a.dtd"><a>&x;</a>', 'the entity "x" is not accepted: '),
    ],
)
def test_any_other_text_is_missed(text: str, reason: str, score_of: ScoreOf) -> None:
    score = score_of("xml-valid", text)
    assert score.value == 0
    assert score.reason.startswith(reason)


@pytest.mark.parametrize(
    ("elements", "value", "reason"),
    [
        (["order"], 1, "is XML"),
        (["order.item.name", "order.total"], 1, "is XML"),
        (["order.name"], 0, 'lacks "order.name"'),
        (["item", "order.item", "order.date"], 0, 'lacks "item", "order.date"'),
    ],
)
def test_elements_that_it_has_to_contain(elements: list[str], value: float, reason: str, score_of: ScoreOf) -> None:
    text = "<order><item><name>pen</name></item><total>3</total></order>"
    score = score_of({"kind": "xml-valid", "elements": elements}, text)
    assert (score.value, score.reason) == (value, reason)


def test_a_text_too_long_to_parse_is_left_open() -> None:
    value, reason = xml_valid(Case("q"), Output("<a>" + "x" * 1_000_000 + "</a>"))
    assert (value, reason) == (None, "the output has 1,000,007 characters, more than the 1,000,000 that are parsed")


@given(text=st.text('<>/ab&;"= !?[]-\x00é', max_size=40))
def test_any_text_is_parsed(text: str) -> None:
    assert xml_valid(Case("q"), Output(text))[0] in (0, 1)


@pytest.mark.parametrize("elements", [[], [""], "order"])
def test_elements_that_cannot_be_used_are_refused(elements: Any) -> None:
    with pytest.raises(SettingsError, match="xml-valid: elements"):
        build({"kind": "xml-valid", "elements": elements}, context=Context())
