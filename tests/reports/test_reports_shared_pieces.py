from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.attacks import view_of

from pytest_evalgate.reports.html import data
from pytest_evalgate.reports.html.shared_pieces import share

LONG = "Refunds are possible within 14 days. "


def joined(text: str | list[Any], pieces: list[str]) -> str:
    return text if isinstance(text, str) else "".join(pieces[part] if isinstance(part, int) else part for part in text)


def row(text: str, before: str = "", reason: str = "") -> dict[str, Any]:
    return {
        "input": text,
        "before": before,
        "trials": [{"output": text, "scores": [{"name": "exact", "reason": reason}]}],
    }


TEXTS = st.text(st.sampled_from("ab.\n \0é\ud800")) | st.lists(
    st.sampled_from([LONG, LONG.upper(), "short. ", "\n", "\0"])
).map("".join)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS)))
def test_joined_again_every_text_is_what_it_was(drawn: list[tuple[str, str, str]]) -> None:
    rows = [row(*texts) for texts in drawn]
    chunk: Any = share(deepcopy(rows))
    pieces = chunk["pieces"]
    found = [
        (
            joined(one["input"], pieces),
            joined(one["before"], pieces),
            joined(one["trials"][0]["scores"][0]["reason"], pieces),
        )
        for one in chunk["texts"]
    ]
    assert found == drawn
    assert [joined(one["trials"][0]["output"], pieces) for one in chunk["texts"]] == [text for text, _, _ in drawn]
    assert len(pieces) == len(set(pieces))


def test_what_occurs_once_stays_a_text_and_what_occurs_twice_is_stored_once() -> None:
    chunk: Any = share([{"input": f"One. {LONG}"}, {"input": f"Two. {LONG}"}, {"input": "Three. And this stays. "}])
    assert chunk["pieces"] == [LONG]
    assert [one["input"] for one in chunk["texts"]] == [["One. ", 0, ""], ["Two. ", 0, ""], "Three. And this stays. "]


def test_a_chunk_ends_by_its_cases_or_by_its_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "CHUNK", 3)
    monkeypatch.setattr(data, "CHUNK_CHARACTERS", 1000)
    (case,) = view_of("short").cases
    long = replace(case, input="x" * 1001)
    found = [(batch.start, len(batch.cases)) for batch in data._batches([*[case] * 4, long, long, case])]
    assert found == [(0, 3), (3, 2), (5, 1), (6, 1)]


def test_only_large_chunks_share_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    (case,) = view_of(LONG).cases
    (batch,) = data._batches([case, case])
    assert batch.chunk(None)["pieces"] == []
    monkeypatch.setattr(data, "SHARED_FROM", batch.characters)
    assert LONG in batch.chunk(None)["pieces"]
