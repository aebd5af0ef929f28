"""Contamination: planted windows with both lines, none in clean texts, block ends, escapes, and short texts."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.curation import contamination
from pytest_evalgate.curation.contamination import WINDOW, ContaminationIndex
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.golden.near_texts import words
from pytest_evalgate.records.cases import Case, Place

if TYPE_CHECKING:
    from pathlib import Path

_WORDS = [f"w{number}" for number in range(300)]


def _dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - texts of a test


def _case(number: int, text: str, expected: str | None = None) -> Case:
    return Case(f"c{number}", input=text, expected=expected, place=Place("g.jsonl", number))


def _found(cases: list[Case], text: str, path: Path) -> list[tuple[str, str, int, int, int]]:
    path.write_text(text, "utf-8")
    return [
        (one.case.id, one.field, one.line, one.found, one.windows)
        for one in ContaminationIndex(cases).search(path, path.name)
    ]


def test_planted_windows_are_found_with_their_lines_and_clean_texts_have_none(tmp_path: Path) -> None:
    dice = _dice(1)
    cases = [_case(number, " ".join(dice.choices(_WORDS, k=30))) for number in range(1, 101)]
    lines = [" ".join(dice.choices(_WORDS, k=40)) for _ in range(10_000)]
    assert _found(cases, "\n".join(lines), tmp_path / "clean.txt") == []
    for number in range(20):
        asked = str(cases[number].input).split()
        lines[number * 50] = " ".join([*lines[0].split()[:5], *asked[3 : 3 + WINDOW + number % 5], "and", "more"])
    found = _found(cases, "\n".join(lines), tmp_path / "train.txt")
    assert found == [
        (f"c{number + 1}", "input", number * 50 + 1, number % 5 + 1, 30 - WINDOW + 1) for number in range(20)
    ]


def test_twelve_words_in_a_row_are_no_window(tmp_path: Path) -> None:
    text = " ".join(_WORDS[:30])
    assert _found([_case(1, text)], " ".join(_WORDS[5:17]), tmp_path / "a.txt") == []
    assert _found([_case(1, text)], " ".join(_WORDS[5:18]), tmp_path / "a.txt") == [("c1", "input", 1, 1, 18)]


def test_case_punctuation_and_line_ends_do_not_count(tmp_path: Path) -> None:
    text = "Where is the parcel that I ordered on Monday, and when will it come?"
    train = "x\nwhere IS the parcel\nthat i ordered -- on monday and\nwhen will it come"
    assert _found([_case(1, text)], train, tmp_path / "a.md") == [("c1", "input", 2, 2, 2)]


def test_short_texts_are_searched_whole_and_very_short_ones_are_not(tmp_path: Path) -> None:
    cases = [
        _case(1, "how do I return my order"),
        _case(2, "how do I pay"),
        _case(3, "how do I return my order today"),
    ]
    assert _found(cases, "faq: how do i return my order\nhow do i pay", tmp_path / "a.txt") == [
        ("c1", "input", 1, 1, 1)
    ]


def test_expected_values_are_searched(tmp_path: Path) -> None:
    answer = " ".join(_WORDS[:20])
    found = _found([_case(1, "a question", answer)], f"x\n{answer}", tmp_path / "a.txt")
    assert found == [("c1", "expected value", 2, 8, 8)]


@pytest.mark.parametrize("is_ascii", [True, False])
def test_escapes_in_json_lines_are_read(is_ascii: bool, tmp_path: Path) -> None:  # noqa: FBT001 - of json
    text = 'Können Sie "mir" sagen,\nwo meine Bestellung bleibt, die ich am Montag aufgegeben\thabe?'
    rows = [{"text": "nothing"}, {"messages": [{"role": "user", "content": f"Hallo. {text}"}]}]
    train = "".join(json.dumps(row, ensure_ascii=is_ascii) + "\n" for row in rows)
    [found] = _found([_case(1, text)], train, tmp_path / "train.jsonl")
    assert found[:3] == ("c1", "input", 2)
    assert found[3] == found[4]


@given(seed=st.integers(0, 10_000), block=st.integers(64, 400))
def test_the_ends_of_blocks_do_not_matter(seed: int, block: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    dice = _dice(seed)
    cases = [_case(number, " ".join(dice.choices(_WORDS, k=20))) for number in range(1, 4)]
    parts = [" ".join(dice.choices(_WORDS, k=dice.randrange(1, 30))) for _ in range(20)]
    parts[dice.randrange(20)] += f" {cases[dice.randrange(3)].input}"
    text = dice.choice(["\n", " ", "\n\n"]).join(parts)
    path = tmp_path_factory.mktemp("blocks") / "a.txt"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(contamination, "_BLOCK", block)
        small = _found(cases, text, path)
    assert small == _found(cases, text, path)
    assert small == _by_hand(cases, text)


def _by_hand(cases: list[Case], text: str) -> list[tuple[str, str, int, int, int]]:
    """Search every window of every case among the windows of the text."""
    numbered = [(word, number) for number, line in enumerate(text.split("\n"), start=1) for word in words(line)]
    lines: dict[tuple[str, ...], int] = {}
    for start in range(len(numbered) - WINDOW + 1):
        lines.setdefault(tuple(word for word, _ in numbered[start : start + WINDOW]), numbered[start][1])
    found = []
    for case in cases:
        asked = words(str(case.input))
        windows = [tuple(asked[start : start + WINDOW]) for start in range(len(asked) - WINDOW + 1)]
        if hits := [lines[one] for one in windows if one in lines]:
            found.append((case.id, "input", min(hits), len(hits), len(windows)))
    return found


def test_findings_are_errors_if_the_whole_input_is_there(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    text = " ".join(_WORDS[:20])
    path.write_text(f"{text}\n", "utf-8")
    [whole] = ContaminationIndex([_case(7, text)]).search(path, "train.txt")
    assert str(whole.finding()) == (
        'g.jsonl:7: contamination: train.txt:1 contains the whole input: "w0 w1 w2 w3 w4 w5 w6 w7 ..."'
    )
    assert whole.finding().severity == "error"
    [part] = ContaminationIndex([_case(7, f"{text} and more")]).search(path, "train.txt")
    assert part.finding().severity == "warning"
    assert "contains 8 of 10 windows of the input" in str(part.finding())


def test_files_that_are_not_texts_are_refused(tmp_path: Path) -> None:
    index = ContaminationIndex([_case(1, "one two three four five six seven")])
    with pytest.raises(SettingsError, match=r"^no\.txt: cannot be read: No such file"):
        index.search(tmp_path / "no.txt", "no.txt")
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(SettingsError, match=r"^a\.gz: a gzip archive, not text: unpack it"):
        index.search(tmp_path / "a.gz", "a.gz")


def test_cases_without_words_have_nothing_to_find(tmp_path: Path) -> None:
    assert _found([_case(1, "hm"), Case("c2", input={"n": 3})], "hm hm hm", tmp_path / "a.txt") == []
