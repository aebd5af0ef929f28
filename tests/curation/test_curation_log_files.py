"""Reading of logs: each format on a file in its published form, places, malformed lines, and single rows again."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_evalgate.curation import log_files
from pytest_evalgate.curation.log_files import FORMATS, RowPlace, open_log
from pytest_evalgate.curation.row_fields import field_reader, number_of, text_of
from pytest_evalgate.errors import LineProblem, SettingsError
from pytest_evalgate.importing import ImportingError

_FILES = Path(__file__).parent / "files"


def _rows(name: str) -> list[dict[str, Any]]:
    found = [row for _, _, _, row in open_log(_FILES / name, name).rows()]
    assert not [one for one in found if isinstance(one, LineProblem)]
    return found  # type: ignore[return-value]  # checked above


@pytest.mark.parametrize(
    ("name", "container", "form"),
    [
        ("otel_messages.jsonl", "jsonl", "otel"),
        ("otel_events.jsonl", "jsonl", "otel"),
        ("langfuse_observations.jsonl", "jsonl", "langfuse"),
        ("langfuse_traces.json", "json", "langfuse"),
        ("phoenix_dataframe.csv", "csv", "phoenix"),
        ("phoenix_spans.jsonl", "jsonl", "phoenix"),
    ],
)
def test_each_export_is_recognised_by_its_content(name: str, container: str, form: str) -> None:
    log = open_log(_FILES / name, name)
    assert (log.container, log.format.name) == (container, form)
    assert log.format.columns
    assert not log.is_table


def test_spans_of_opentelemetry_are_questions_and_outputs() -> None:
    asked, called = _rows("otel_messages.jsonl")
    assert asked["id"] == "eee19b7ec3c1b174"
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where is order 7?"},
    ]
    assert asked["output"] == "On its way."
    assert asked["metadata"] == {
        "trace_id": "5b8efff798038103d269b633813fc60c",
        "name": "chat model-x",
        "time": "2025-12-01T10:00:00.123Z",
        "service": "support-bot",
        "model": "model-x-2026-09-01",
        "provider": "openai",
        "operation": "chat",
        "gen_ai.usage.input_tokens": 17,
        "conversation": "conv-1",
        "app.lang": "en",
    }
    assert called["input"] == "Storniere Bestellung 8."
    assert called["output"] == {
        "content": "",
        "tool_calls": [{"id": "call_1", "name": "cancel", "arguments": {"order": 8}}],
    }
    assert called["metadata"]["status"] == "error"


def test_older_conventions_of_opentelemetry_are_read() -> None:
    found = [(row.get("input", row.get("messages")), row["output"]) for row in _rows("otel_events.jsonl")]
    assert found == [
        ([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}], "Hi."),
        ("How late is it?", "Noon."),
        ("Who?", "Me."),
        ("Old?", "Yes."),
    ]


def test_observations_of_langfuse_are_rows_and_those_without_content_are_not() -> None:
    first, second = _rows("langfuse_observations.jsonl")
    assert first["id"] == "obs-1"
    assert first["messages"][1] == {"role": "user", "content": "Where is order 7?"}
    assert first["output"] == "On its way."
    wanted = {"lang": "en", "trace_id": "tr-1", "model": "model-x", "user": "u1", "session": "se1", "tags": ["web"]}
    assert first["metadata"].items() >= wanted.items()
    assert (second["id"], second["input"], second["output"]) == ("obs-3", "Wo ist Bestellung 8?", "Unterwegs.")


def test_traces_of_langfuse_are_rows() -> None:
    first, second = _rows("langfuse_traces.json")
    assert (first["id"], first["input"], first["output"]) == ("tr-1", "Where is order 7?", "On its way.")
    assert first["metadata"]["scores"] == [{"name": "helpful", "value": 1}]
    assert (second["input"], second["output"]) == ("Cancel it.", "Done.")


def test_spans_of_phoenix_are_rows_with_flat_and_with_nested_attributes() -> None:
    chat, retrieval = _rows("phoenix_spans.jsonl")
    assert (chat["id"], chat["input"], chat["output"]) == ("67f6740bbe1ddc3f", "Where is order 7?", "On its way.")
    assert chat["metadata"].items() >= {"lang": "en", "model": "model-x", "span_kind": "LLM"}.items()
    assert retrieval["context"] == ["Order 7 was sent.", "Order 8 waits."]
    chain, model = _rows("phoenix_dataframe.csv")
    assert (chain["input"], chain["output"], chain["metadata"]["session"]) == (
        "Where is order 7?",
        "On its way.",
        "se1",
    )
    assert (model["input"], model["metadata"]["model"]) == ("Where is order 7?", "model-x")


@pytest.mark.parametrize("form", [one.name for one in FORMATS if one.rows is not None])
@pytest.mark.parametrize("record", [{}, {"resourceSpans": [3]}, {"context": 1, "attributes": []}, {"input": [[1]]}])
def test_a_record_in_another_form_is_no_row_or_a_problem(form: str, record: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(record) + "\n", "utf-8")
    for number, _, _, row in open_log(path, "log.jsonl", form).rows():
        assert number == 1
        assert isinstance(row, LineProblem) or form == "langfuse"


def test_rows_are_fetched_again_by_their_places(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = [json.dumps({"id": str(number), "input": "é" * number}) for number in range(50)]
    path.write_text("\ufeff" + "\n\n// a comment\n".join(lines) + "\n", "utf-8")
    log = open_log(path, "log.jsonl")
    places = {RowPlace(number, offset, item): row for number, offset, item, row in log.rows()}
    assert len(places) == 50
    some = [place for place in places if place.number % 2 == 0 or place.number > 100]
    assert log.fetch(reversed(some)) == {place: places[place] for place in some}


@pytest.mark.parametrize("name", ["otel_events.jsonl", "phoenix_dataframe.csv", "langfuse_traces.json"])
def test_rows_of_exports_are_fetched_again(name: str) -> None:
    log = open_log(_FILES / name, name)
    places = {RowPlace(number, offset, item): row for number, offset, item, row in log.rows()}
    assert log.fetch(places) == places
    last = list(places)[-1]
    assert log.fetch([last]) == {last: places[last]}


def test_malformed_lines_are_problems_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"input": 1}\n{"input": \n[1]\n{"input": NaN}\n', "utf-8")
    found = [row for _, _, _, row in open_log(path, "log.jsonl").rows()]
    assert found[0] == {"input": 1}
    assert [(one.line, one.file) for one in found[1:] if isinstance(one, LineProblem)] == [
        (number, "log.jsonl") for number in (2, 3, 4)
    ]


def test_csv_is_read_with_its_dialect_and_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text('question;answer;lang\n"a ""b""\nc";x;de\nq2;;en\nq3;x;y;z\nq4\n', "utf-8")
    log = open_log(path, "log.csv")
    assert (log.container, log.is_table, log.format.name) == ("csv", True, "rows")
    found = [(number, row) for number, _, _, row in log.rows()]
    assert found[0] == (2, {"question": 'a "b"\nc', "answer": "x", "lang": "de"})
    assert found[1] == (4, {"question": "q2", "answer": None, "lang": "en"})
    assert str(found[2][1]).startswith("log.csv:5: 4 cells, but the header has 3")
    assert found[3] == (6, {"question": "q4"})
    assert log.fetch([RowPlace(4, 0)]) == {RowPlace(4, 0): found[1][1]}


def test_a_golden_set_is_a_log_without_its_first_line_of_facts(tmp_path: Path) -> None:
    path = tmp_path / "golden.jsonl"
    path.write_text('{"_meta": {"version": 1}}\n{"id": "a", "input": "x"}\n', "utf-8")
    assert [row for _, _, _, row in open_log(path, "golden.jsonl").rows()] == [{"id": "a", "input": "x"}]


def test_a_line_of_csv_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"question,answer\na,b\n" * 9_000 + "caf\u00e9,b\n".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"^log\.csv:18001: not UTF-8 \(invalid .*\): save the file as UTF-8"):
        list(open_log(path, "log.csv").rows())


def test_the_limit_of_csv_cells_is_restored(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    path = tmp_path / "log.csv"
    path.write_text("question,answer\na,b\n", "utf-8")
    assert len(list(open_log(path, "log.csv").rows())) == 1
    assert csv.field_size_limit() == before


def test_parquet_is_read_by_duckdb(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "log.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 'r' || range AS id, 'q' || range AS input, range % 2 = 0 AS passed, "  # noqa: S608 - of a test
            "TIMESTAMP '2026-11-01 10:00:00' AS time, [range, 1] AS numbers, {'a': 1.5::DECIMAL(4,2)} AS inner "
            f"FROM range(5000)) TO '{path}' (FORMAT parquet)"
        )
    log = open_log(path, "log.parquet")
    found = [(number, row) for number, _, _, row in log.rows()]
    assert len(found) == 5000
    assert found[4999] == (
        5000,
        {
            "id": "r4999",
            "input": "q4999",
            "passed": False,
            "time": "2026-11-01T10:00:00",
            "numbers": [4999, 1],
            "inner": {"a": "1.50"},
        },
    )
    some = [RowPlace(3, 0), RowPlace(4999, 0)]
    assert log.fetch(some) == {some[0]: found[2][1], some[1]: found[4998][1]}
    assert log.fetch([]) == {}
    assert log.first_rows() == [row for _, row in found[:20]]


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        (["id", "passed"], ["id", "passed"]),
        (["inner.a"], ["inner", "metadata"]),
        (["lang"], ["metadata"]),
        (['quote"d'], ['quote"d']),
        ([], []),
    ],
)
def test_only_the_columns_that_are_asked_for_are_read(fields: list[str], names: list[str], tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "log.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT range AS id, 'q' AS input, true AS passed, {'a': 1} AS inner, {'lang': 'de'} AS metadata, "  # noqa: S608 - of a test
            f'1 AS "quote""d" FROM range(3000)) TO \'{path}\' (FORMAT parquet)'
        )
    log = open_log(path, "log.parquet")
    found = list(log.rows(fields))
    assert [number for number, _, _, _ in found] == list(range(1, 3001))
    assert [list(row) for _, _, _, row in found if isinstance(row, dict)] == [names] * 3000
    for name in fields:
        read = field_reader(name)
        assert [read(row) for _, _, _, row in found if isinstance(row, dict)] == [
            read(row) for _, _, _, row in log.rows() if isinstance(row, dict)
        ]


def test_a_parquet_file_that_needs_too_much_memory_names_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "log.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT repeat(sha256(range::TEXT), 16) AS input FROM range(5000)) TO '{path}'")  # noqa: S608 - the same
    log = open_log(path, "log.parquet", "rows")
    monkeypatch.setitem(log_files._DUCKDB, "memory_limit", "2MB")
    with pytest.raises(
        SettingsError, match=r"^log\.parquet: its pages need more than 2MB of memory: write smaller row groups"
    ):
        list(log.rows())


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    path = tmp_path / "log.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(SettingsError, match=r"^log\.parquet: not a Parquet file that can be read"):
        list(open_log(path, "log.parquet").rows())


def test_parquet_without_duckdb_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    path = tmp_path / "log.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(SettingsError, match=r"pip install 'pytest-evalgate\[warehouse\]'"):
        list(open_log(path, "log.parquet").rows())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "log.jsonl: the file is empty"),
        (b"\x1f\x8b\x08", "log.jsonl: a gzip archive, not text: unpack it with gunzip"),
        (
            b"question,answer\na,b\n",
            (
                "log.jsonl: looks like CSV, not JSON Lines: write one JSON object a line, with the column names as "
                "keys, or let its name end in .csv"
            ),
        ),
        (b"hello\n", "log.jsonl: is not a log: name JSON Lines, a JSON list, CSV, TSV or Parquet"),
    ],
)
def test_what_is_no_log_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        open_log(path, "log.jsonl")
    assert str(caught.value) == message


def test_missing_files_folders_and_documents_without_a_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^no\.jsonl: cannot be read: No such file"):
        open_log(tmp_path / "no.jsonl", "no.jsonl")
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        open_log(tmp_path, "folder")
    path = tmp_path / "log.json"
    path.write_text("[1, 2]", "utf-8")
    with pytest.raises(ImportingError, match=r"log\.json:1: an item is not an object"):
        open_log(path, "log.json")


def test_fields_are_found_by_name_by_path_and_in_the_metadata() -> None:
    row = {"lang": "de", "a.b": 1, "a": {"b": 2, "c.d": 3}, "metadata": {"x": 4, "gen_ai.model": "m"}, "none": None}
    wanted = {"lang": "de", "a.b": 1, "a.c.d": 3, "x": 4, "metadata.x": 4, "metadata.gen_ai.model": "m"}
    assert {path: field_reader(path)(row) for path in wanted} == wanted
    assert [field_reader(path)(row) for path in ("none", "no", "lang.x", "a.b.c", "gen_ai.model")] == [
        None,
        None,
        None,
        None,
        "m",
    ]


def test_values_have_one_text_and_one_number() -> None:
    assert [text_of(one) for one in ("de", "", None, True, 3, 1.5, ["b", "a"], [], {"x": 1})] == [
        *("de", "(none)", "(none)", "true", "3", "1.5", "a,b", "(none)", '{"x":1}')
    ]
    assert [number_of(one) for one in (True, 0, 2.5, "Pass", " failed ", "0.25")] == [1.0, 0.0, 2.5, 1.0, 0.0, 0.25]
    others: list[Any] = ["maybe", "inf", [], {}]
    assert [number_of(one) for one in others] == [None] * 4
    assert number_of(None) != number_of(None)
