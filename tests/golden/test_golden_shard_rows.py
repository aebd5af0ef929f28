from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate import golden
from pytest_evalgate.golden import shard_rows
from pytest_evalgate.golden.record import row_digest
from pytest_evalgate.golden.shard_rows import GoldenPart, RowView, load_part
from pytest_evalgate.runs.plan import make_plan, slices_of
from pytest_evalgate.runs.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Iterator

Rows = list[dict[str, Any]]
_SLICES = ("lang", "tag", "expected", "metadata.type")


@pytest.fixture(autouse=True)
def _small_files_are_read_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_rows, "LARGE", 1)


def _part(folder: Path, text: str, shard: Shard = Shard(1, 2)) -> GoldenPart | None:  # noqa: B008 - frozen
    path = folder / "g.jsonl"
    path.write_text(text, "utf-8")

    def choose(rows: Iterator[Any]) -> list[int]:
        return shard.deal("faq", (slices_of(row, _SLICES) for row in rows))

    return load_part(path, root=folder, choose=choose)


def _text(rows: Rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


_TAGS = st.lists(st.sampled_from(["lang:de", "lang:en", "safety", "old"]), max_size=3, unique=True)
_ROW = st.fixed_dictionaries(
    {"input": st.text("aé\u4e00", max_size=3)},
    optional={
        "tags": st.none() | _TAGS,
        "slice": st.dictionaries(st.just("lang"), st.sampled_from(["fr", "de"])),
        "metadata": st.dictionaries(st.just("type"), st.sampled_from(["a", 1, None, [2]])),
        "expected": st.sampled_from(["yes", {"b": 1, "a": 2}, None]),
        "skip": st.booleans(),
    },
)


@given(st.lists(_ROW, min_size=1, max_size=12), st.integers(1, 4))
def test_the_parts_of_all_shards_are_the_golden_set(rows: Rows, count: int) -> None:
    rows = [{"id": f"é{number}" if number % 2 else number, **row} for number, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "g.jsonl").write_text(_text(rows), "utf-8")
        sets = golden.load([folder / "g.jsonl"], root=folder)
        plan = make_plan("faq", sets, scorers="exact", trials=1, slices=_SLICES)
        positions = {case.id: number for number, case in enumerate(plan.cases)}
        for index in range(1, count + 1):
            shard = Shard(index, count)
            own = shard.cases_of(plan)
            part = _part(folder, _text(rows), shard)
            if not own:
                assert part is None
                continue
            assert part is not None
            assert part.golden.cases == tuple(case for case in sets[0] if case.id in own)
            assert part.at == tuple(positions[case.id] for case in part.golden)
            assert part.rows_sha256 == tuple(map(row_digest, part.golden))
            assert part.size == len(rows)


def test_the_digest_is_that_of_the_lines(tmp_path: Path) -> None:
    text = _text([{"id": "a", "input": "q"}, {"id": "b", "input": "q"}])
    first, other = _part(tmp_path, text), _part(tmp_path, f"\ufeff// a comment\n\n{text}".replace("\n", "\r\n"))
    changed = _part(tmp_path, text.replace('"b"', '"c"'))
    assert first is not None
    assert other is not None
    assert changed is not None
    assert first.golden.sha256 == other.golden.sha256 != changed.golden.sha256
    assert [case.place.line for case in other.golden] == [case.place.line + 2 for case in first.golden]


def test_the_line_about_the_file_is_not_a_case(tmp_path: Path) -> None:
    part = _part(tmp_path, '{"_meta": {"owner": "qa"}}\n' + _text([{"id": "a", "input": "q"}]), Shard(1, 1))
    assert part is not None
    assert (part.size, part.at, part.golden.cases[0].place.line) == (1, (0,), 2)


_GOOD = '{"id": "a", "input": "q"}\n{"id": "b", "input": "q"}\n'


@pytest.mark.parametrize(
    "text",
    [
        _GOOD + '{"input": "no id"}\n',
        _GOOD + '{"id": "", "input": "q"}\n',
        _GOOD + '{"id": true, "input": "q"}\n',
        _GOOD + '{"id": "a", "input": "q"}\n',
        _GOOD + '{"id": "e\u0301", "input": "q"}\n{"id": "\u00e9", "input": "q"}\n',
        _GOOD + '{"id": "c", "input": "q", "question": "of another tool"}\n',
        _GOOD + '{"id": "c", "input": }\n',
        _GOOD + "[1]\n",
        _GOOD + '"text"\n',
        _GOOD + '{"id": "c", "input": "q", "tags": 5}\n',
        '{"_meta": {}, "id": "a", "input": "q"}\n' + _GOOD,
        "",
        "// nothing\n",
    ],
)
def test_a_file_that_is_out_of_the_ordinary_is_read_whole(tmp_path: Path, text: str) -> None:
    assert _part(tmp_path, text) is None


def test_a_problem_of_an_own_row_is_reported_by_the_strict_reader(tmp_path: Path) -> None:
    assert _part(tmp_path, '{"id": "a", "input": "q", "weight": -1}\n', Shard(1, 1)) is None
    assert _part(tmp_path, '{"id": "a", "input": "q", "input": "twice"}\n', Shard(1, 1)) is None


def test_a_small_file_and_one_that_does_not_exist_are_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_part(tmp_path / "gone.jsonl", root=tmp_path, choose=lambda _: [0]) is None
    monkeypatch.setattr(shard_rows, "LARGE", 1000)
    assert _part(tmp_path, _GOOD) is None


def test_a_view_of_a_row_has_the_defaults_of_a_case() -> None:
    view = RowView({"tags": None, "input": 0})
    assert (view.tags, view.metadata, view.input, view.expected) == ((), {}, 0, None)
    with pytest.raises(AttributeError):
        view.unknown  # noqa: B018 - the access is the test
