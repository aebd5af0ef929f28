"""Data cards: the first version of one, what lint finds in it, and cards that cannot be read."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from pytest_evalgate.golden import read_file
from pytest_evalgate.golden.data_card import card_findings, card_path, card_text, read_card
from pytest_evalgate.records.cases import GoldenSet


@pytest.fixture
def golden(tmp_path: Path) -> GoldenSet:
    path = tmp_path / "faq.jsonl"
    rows = [
        {"id": "a", "input": "x", "expected": "y", "tags": ["lang:de", "hard"]},
        {"id": "b", "input": "z", "expected": "y", "slice": {"lang": "en", 'a "b"': "ü"}},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return read_file(path, "golden/faq.jsonl").golden


def _found(golden: GoldenSet, text: str) -> list[str]:
    found = list(card_findings(golden, text, "golden/faq.card.toml"))
    assert {(one.kind, one.severity) for one in found} <= {("data-card", "warning")}
    return [one.message for one in found]


def test_a_card_stands_beside_its_set() -> None:
    assert card_path(Path("golden/faq.jsonl")) == Path("golden/faq.card.toml")


def test_the_first_version_has_the_figures_and_lacks_the_texts(golden: GoldenSet) -> None:
    text = card_text(golden, {"selection": 'drawn with "sample"'})
    values = tomllib.loads(text)
    assert (values["cases"], values["golden_sha256"]) == (2, golden.sha256)
    assert values["slices"] == {"lang": {"de": 1, "en": 1}, 'a "b"': {"ü": 1}}
    assert values["selection"] == 'drawn with "sample"'
    assert read_card(text).texts["licence"] == ""
    assert _found(golden, text) == [
        "empty: source, labelling, licence, personal_data, intended_use, known_gaps: fill them in"
    ]


def test_a_complete_card_has_no_finding_until_the_set_changes(golden: GoldenSet) -> None:
    text = card_text(golden).replace('""', '"known"')
    assert _found(golden, text) == []
    smaller = GoldenSet(golden.path, golden.cases[:1], "0" * 64)
    [message] = _found(smaller, text)
    assert message.startswith("written for another version of golden/faq.jsonl (2 cases, now 1): check it, then")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("source =", "sources ="), 'not a data card: unknown key "sources"; did you mean "source"?'),
        (('licence = ""', "licence = 3"), "not a data card: licence: must be a text in quotes"),
        (("cases = 2", 'cases = "2"'), "not a data card: cases: must be a whole number"),
        (("cases = 2", "cases = "), "not a data card: Invalid value"),
    ],
)
def test_a_card_that_cannot_be_read_is_found(change: tuple[str, str], message: str, golden: GoldenSet) -> None:
    [found] = _found(golden, card_text(golden).replace(*change))
    assert found.startswith(message)
