"""Columns become fields by their names: guessed, mapped, ambiguous, missing, and never by their position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_evalgate.golden.dialects.columns import COLUMN_NAMES, field_of, normal_name
from pytest_evalgate.golden.record import FIELDS
from pytest_evalgate.importing import Imported, ImportingError, ImportOptions, read
from pytest_evalgate.importing.column_plan import parse_map


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _import(text: str, *maps: str) -> Imported:
    Path("t.csv").write_text(text, "utf-8")
    return read(Path("t.csv"), ImportOptions(parse_map(maps)))


def _rows(imported: Imported) -> list[dict[str, Any]]:
    return [{name: value for name, value in case.row.items() if name != "id"} for case in imported.cases]


def _problem(text: str, *maps: str) -> str:
    with pytest.raises(ImportingError) as caught:
        _import(text, *maps)
    return str(caught.value)


def test_every_known_name_belongs_to_a_canonical_field() -> None:
    assert COLUMN_NAMES.keys() <= FIELDS
    assert all((field_of(name) or ("", 0))[0] == into for into, names in COLUMN_NAMES.items() for name in names)


@pytest.mark.parametrize(
    "name", ["expectedOutput", "Expected output:", "EXPECTED_OUTPUT", "expected-output", "Expected  Output"]
)
def test_the_spelling_of_a_name_does_not_matter(name: str) -> None:
    assert normal_name(name) == "expected output"


@pytest.mark.usefixtures("folder")
class TestTables:
    def test_columns_are_read_by_their_names_in_any_order(self) -> None:
        made = _import("Topic,Expected answer,Question\nreturns,14 days,How long?\n")
        assert made.mapping == (("Topic", "metadata"), ("Expected answer", "expected"), ("Question", "input"))
        assert _rows(made) == [{"input": "How long?", "expected": "14 days", "metadata": {"Topic": "returns"}}]
        assert made.cases[0].place == "t.csv:2"

    def test_no_column_is_read_by_its_position(self) -> None:
        problem = _problem("Frage,Antwort\nWie?,So\n")
        assert problem.startswith(
            't.csv: no column has the input of a case; the columns are "Frage", "Antwort": name it'
        )
        assert _rows(_import("Frage,Antwort\nWie?,So\n", "input=frage,expected=Antwort")) == [
            {"input": "Wie?", "expected": "So"}
        ]

    def test_a_name_with_a_typing_error_is_suggested(self) -> None:
        assert '(did you mean "Qestion"?)' in _problem("Qestion,expected\na,b\n")
        notes = _import("question,expectd answer\na,b\n").notes
        assert any('no column has the expected answer (did you mean "expectd answer"?)' in note for note in notes)

    def test_mapped_columns_must_exist(self) -> None:
        problem = _problem("question,expected\na,b\n", "input=questin", "expected=what")
        known = 'the columns are "question", "expected"'
        assert problem.splitlines() == [
            f't.csv: --map input: no column "questin"; did you mean "question"?; {known}',
            f't.csv: --map expected: no column "what"; {known}',
        ]

    def test_members_of_objects_can_be_mapped(self) -> None:
        made = _import("q,de,k,n\na,b,c,7\n", "input=q,slice.lang=de,vars.key=k,metadata.no=n")
        assert _rows(made) == [{"input": "a", "vars": {"key": "c"}, "slice": {"lang": "b"}, "metadata": {"no": "7"}}]

    def test_of_two_columns_for_a_field_the_first_known_name_is_read_and_the_other_is_reported(self) -> None:
        made = _import("answer,expected answer,question\no,e,q\n")
        assert _rows(made) == [{"input": "q", "expected": "e", "metadata": {"answer": "o"}}]
        assert made.notes[1] == (
            '"answer" is kept as metadata: expected is read from "expected answer"; if it has recorded outputs, add '
            "--map output=answer"
        )

    def test_fields_that_are_not_texts_are_read_from_cells(self) -> None:
        made = _import(
            "question,tags,weight,trials,skip,expected tools,context\n"
            'a,"x, lang:de",2,3,no,search;book,one text\n'
            "b,,1,,yes,,\n"
            'c,,1,,"not yet",,\n'
        )
        assert _rows(made) == [
            {
                "input": "a",
                "context": ["one text"],
                "expected_tools": ["search", "book"],
                "tags": ["x", "lang:de"],
                "weight": 2,
                "trials": 3,
            },
            {"input": "b", "skip": "skipped in the golden set"},
            {"input": "c", "skip": "not yet"},
        ]

    def test_a_column_is_json_only_if_every_cell_is(self) -> None:
        cell = '"[{""role"": ""user"", ""content"": ""hi""}]"'
        assert _rows(_import(f"input,expected\n{cell},a\n"))[0]["messages"] == [{"role": "user", "content": "hi"}]
        mixed = _rows(_import(f"input,expected\n{cell},a\nplain,b\n"))
        assert mixed[0]["input"] == '[{"role": "user", "content": "hi"}]'

    @pytest.mark.parametrize(
        ("cells", "contexts"),
        [
            (('"[""a"", ""b""]"', '"[]"'), [["a", "b"], None]),
            (("\"['a', 'it\"\"s']\"", "\"['b']\""), [["a", 'it"s'], ["b"]]),  # as pandas writes lists
            (("\"['a']\"", "[plain"), [["['a']"], ["[plain"]]),
            (("\"[{'a'}]\"", "\"['b']\""), [["[{'a'}]"], ["['b']"]]),
            (("\"[__import__('os')]\"", "[]"), [["[__import__('os')]"], ["[]"]]),
        ],
    )
    def test_lists_in_cells_are_read_if_the_whole_column_has_them(
        self, cells: tuple[str, str], contexts: list[list[str] | None]
    ) -> None:
        made = _import(f"question,context\na,{cells[0]}\nb,{cells[1]}\n")
        assert [row.get("context") for row in _rows(made)] == contexts

    def test_only_deepeval_writes_lists_with_pipes(self) -> None:
        assert _rows(_import("query,response,ground_truth,context\na,b,c,x|y\n"))[0]["context"] == ["x|y"]
        assert _rows(_import("input,expected_output,retrieval_context\na,b,x|y\n"))[0]["context"] == ["x", "y"]

    def test_rows_without_a_case_are_left_out_and_gaps_are_skipped(self) -> None:
        made = _import("question,expected,n\n,,Returns\na,x,1\nb,y,2\nc,,3\n\n,,total 3\n")
        assert [(one.place, one.what) for one in made.left_out] == [
            ("t.csv:2", 'the row "Returns"'),
            ("t.csv:7", 'the row "total 3"'),
        ]
        assert [row.get("skip") for row in _rows(made)] == [None, None, "no expected value yet"]
        assert "1 case without an expected value, to be skipped: t.csv:5" in made.notes

    def test_all_malformed_cells_are_listed(self) -> None:
        problem = _problem("id,question,expected,trials\na::b,q,e,1\nc,,e,1\nd,q,e,0\nd,q2,e,1\n")
        assert problem.splitlines() == [
            't.csv:2: id: "a::b" contains "::", which separates the parts of a test name',
            "t.csv:3: question: the cell is empty, but the row has an expected value or an output",
            "t.csv:4: trials: must be at least 1, not 0",
        ]

    def test_ids_must_be_unique(self) -> None:
        assert _problem("id,question,expected\n1,a,b\n1,c,d\n") == 't.csv:3: duplicate id "1" (first at t.csv:2)'
        problem = _problem("question,expected,response\na,b,c\na,b,d\n")
        assert problem.startswith("t.csv:3: the same input and expected answer as t.csv:2, but another output: add ")

    def test_equal_rows_are_one_case(self) -> None:
        made = _import("question,expected\na,b\na,b\n")
        assert len(made.cases) == 1
        assert [(one.place, one.why) for one in made.left_out] == [("t.csv:3", "it is the same as t.csv:2")]

    def test_an_uncertain_id_is_one_only_if_it_is_unique(self) -> None:
        assert [case.row["id"] for case in _import("name,question\nx,a\ny,b\n").cases] == ["x", "y"]
        made = _import("name,question\nx,a\nx,b\n")
        assert _rows(made)[0]["metadata"] == {"name": "x"}
        assert '"name" is kept as metadata: it cannot be the id, because some are equal' in made.notes

    def test_ids_are_made_from_the_content(self) -> None:
        one = _import("question,expected\na,b\nc,d\n")
        moved = _import("expected,Question,topic\nd,c,x\nb,a,y\n")
        assert {case.row["id"] for case in one.cases} == {case.row["id"] for case in moved.cases}

    def test_the_header_may_be_below_a_title(self) -> None:
        made = _import("FAQ of 2026,,\n\nTopic,Question,Expected\nx,a,b\n")
        assert _rows(made) == [{"input": "a", "expected": "b", "metadata": {"Topic": "x"}}]
        assert made.left_out[0].what == 'the row "FAQ of 2026"'
        assert _rows(_import("Liste\n\nFrage,Antwort\na,b\n", "input=Frage"))[0]["input"] == "a"

    def test_a_row_of_cells_with_known_names_is_no_header(self) -> None:
        problem = _problem("Frage,Antwort,\na,b,question\nc,d,question\n")
        assert problem.startswith('t.csv: no column has the input of a case; the columns are "Frage", "Antwort": name')

    def test_columns_without_a_name_of_their_own_are_left_out(self) -> None:
        made = _import(",question,note,note\n0,a,x,y\n1,b,x,z\n")
        assert [(one.what, one.why) for one in made.left_out] == [
            ('column 1 ("0", "1")', "it has no name"),
            ('column 4 "note"', "column 3 has its name"),
        ]
        assert _problem("question,question\na,b\n") == (
            't.csv:1: column 2 is named "question", as column 1 is: rename one of them'
        )

    def test_wider_rows_are_refused_and_shorter_ones_reported(self) -> None:
        problem = _problem("question,expected\na,b,c\nd\n")
        assert problem == "t.csv:2: 3 cells, but the header has 2: quote cells with a delimiter in them"
        made = _import("question,expected,n\na,b,1\nc,d\n")
        assert "1 row shorter than the header (first: line 3): the other cells are empty" in made.notes

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "t.csv: the file is empty"),
            ("\n \n", "t.csv: the file is empty"),
            (",,\n", "t.csv: the table is empty"),
            ("question,expected\n", "t.csv:1: there is no row below the names of the columns"),
        ],
    )
    def test_a_table_without_rows_is_one_problem(self, text: str, message: str) -> None:
        assert _problem(text) == message

    def test_the_number_of_listed_problems_is_bounded(self) -> None:
        lines = _problem("id,question\n" + "".join(f"a::{n},q{n}\n" for n in range(120))).splitlines()
        assert len(lines) == 51
        assert lines[-1] == "and 70 more problems"


class TestMapOption:
    @pytest.mark.parametrize(
        ("texts", "found"),
        [
            (["input=Question,expected=Expected answer"], {"input": "Question", "expected": "Expected answer"}),
            (['input="Question, long", expected="a=b"'], {"input": "Question, long", "expected": "a=b"}),
            (["input=Question, long,expected=E"], {"input": "Question, long", "expected": "E"}),
            (["input=A", "slice.lang=L"], {"input": "A", "slice.lang": "L"}),
        ],
    )
    def test_pairs_are_read(self, texts: list[str], found: dict[str, str]) -> None:
        assert parse_map(texts) == found

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("Question", "'Question' is not FIELD=COLUMN, such as input=Question"),
            ("imput=Question", 'no field "imput"; did you mean "input"?; there are asserts, '),
            ("input=A,input=B", "input is mapped twice: to 'A' and 'B'"),
            ("input=", "input= needs the name of a column"),
        ],
    )
    def test_mistakes_are_named(self, text: str, message: str) -> None:
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared
            parse_map([text])
        assert str(caught.value).startswith(message)
