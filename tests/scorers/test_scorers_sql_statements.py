"""SQL that sqlglot parses, and SQL that is equal after normalisation."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import Context, build
from pytest_evalgate.scorers.sql_statements import sql_equal, sql_valid

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sqlglot") is None,
    reason="sqlglot is not installed: pip install 'pytest-evalgate[sql]'",
)

VALID: list[tuple[str, str]] = [
    ("SELECT 1", ""),
    ("select a, count(*) from t where b > 3 group by a having count(*) > 1 order by 2 desc limit 5;", ""),
    ("WITH x AS (SELECT 1 AS a) SELECT * FROM x JOIN y ON x.a = y.a", ""),
    ("(SELECT 1) UNION ALL (SELECT 2)", ""),
    ("INSERT INTO t (a) VALUES (1)", ""),
    ("UPDATE t SET a = 1 WHERE b IS NULL", ""),
    ("DELETE FROM t WHERE a IN (SELECT a FROM u)", ""),
    ("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)", ""),
    ("DROP TABLE IF EXISTS t", ""),
    ("ALTER TABLE t ADD COLUMN b INT", ""),
    ("SELECT 1; SELECT 2;", ""),
    ("-- first\nSELECT 1 /* one */", ""),
    ("```sql\nSELECT a\nFROM t\n```", ""),
    ("SELECT `a b` FROM `t`", "mysql"),
    ("SELECT [a b] FROM [t]", "tsql"),
    ("SELECT TOP 5 a FROM t", "tsql"),
    ("SELECT a::int, b ->> 'c' FROM t", "postgres"),
    ("SELECT * EXCEPT (a) FROM `p.d.t`", "bigquery"),
]
INVALID: list[tuple[str, str]] = [
    ("", "there is no SQL statement"),
    ("-- nothing", "there is no SQL statement"),
    ("I cannot do that", "is not SQL: "),
    ("hello world", '"hello AS world" is not a statement'),
    ("42", '"42" is not a statement'),
    ("SELECT * FROM t WHERE", "is not SQL: "),
    ("SELECT a FROM t LIMIT", "is not SQL: "),
    ("SELECT (1 + 2", "is not SQL: "),
    ("SELECT a b c FROM t", "is not SQL: line 1, column "),
    ("SELECT 'open", "is not SQL: "),
    ("SELECT 1; and that is all", ""),
    ("The query is SELECT 1", ""),
]


@pytest.mark.parametrize(("text", "dialect"), VALID)
def test_a_statement_that_sqlglot_parses(text: str, dialect: str, score_of: ScoreOf) -> None:
    sqlglot = pytest.importorskip("sqlglot")
    assert sqlglot.parse(text.removeprefix("```sql").removesuffix("```"), dialect=dialect or None)
    assert score_of({"kind": "sql-valid", "dialect": dialect}, text).value == 1
    assert score_of({"kind": "not-sql-valid", "dialect": dialect}, text).value == 0


@pytest.mark.parametrize(("text", "reason"), INVALID)
def test_any_other_text_is_missed(text: str, reason: str, score_of: ScoreOf) -> None:
    score = score_of("sql-valid", text)
    assert score.value == 0, score.reason
    assert score.reason.startswith(reason)


@pytest.mark.parametrize("text", ["CALL f(1)", "(" * 101 + "SELECT 1" + ")" * 101, "SELECT 1 -- " + "x" * 100_000])
def test_what_the_library_cannot_decide_is_left_open(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert sql_valid(Case("q"), Output(text))[0] is None
    assert capfd.readouterr() == ("", "")


EQUAL: list[tuple[str, str]] = [
    ("SELECT a FROM t", "select  a\nfrom T -- all"),
    ("SELECT a FROM t", "```sql\nSELECT a FROM t;\n```"),
    ("SELECT a FROM t WHERE b = 1 AND c = 2", "SELECT a FROM t WHERE (c = 2) AND 1 = b"),
    ("SELECT a FROM t WHERE b = 1 AND c = 2 AND d = 3", "SELECT a FROM t WHERE d = 3 AND (c = 2 AND b = 1)"),
    ("SELECT a FROM t WHERE b = 1 OR c = 2", "SELECT a FROM t WHERE c = 2 OR b = 1 OR b = 1"),
    ("SELECT a FROM t WHERE b > 1", "SELECT a FROM t WHERE 1 < b"),
    ("SELECT a FROM t WHERE b >= 1", "SELECT a FROM t WHERE 1 <= (b)"),
    ("SELECT a FROM t WHERE b <> 1", "SELECT a FROM t WHERE b != 1"),
    ("SELECT t.a FROM t JOIN u ON t.id = u.id", "SELECT t.a FROM t INNER JOIN u ON u.id = t.id"),
    ("SELECT a FROM t LEFT JOIN u ON t.x = u.x", "SELECT a FROM t LEFT OUTER JOIN u ON t.x = u.x"),
    ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a ASC"),
    ("SELECT a AS n FROM t AS s", "SELECT a n FROM t s"),
    ("SELECT COUNT(*) FROM t", "select count(*) from t"),
    ('SELECT "a" FROM t', "SELECT a FROM t"),
    ("SELECT a FROM t WHERE (b = 1 OR c = 2) AND d = 3", "SELECT a FROM t WHERE d = 3 AND (c = 2 OR b = 1)"),
]
DIFFERENT: list[tuple[str, str]] = [
    ("SELECT a FROM t", "SELECT b FROM t"),
    ("SELECT a, b FROM t", "SELECT b, a FROM t"),
    ("SELECT a FROM t", "SELECT DISTINCT a FROM t"),
    ("SELECT a FROM t", "SELECT a FROM t LIMIT 5"),
    ("SELECT a FROM t WHERE b = 'X'", "SELECT a FROM t WHERE b = 'x'"),
    ('SELECT "A" FROM t', 'SELECT "a" FROM t'),
    ("SELECT a FROM t WHERE b > 1", "SELECT a FROM t WHERE b < 1"),
    ("SELECT a FROM t WHERE b > 1", "SELECT a FROM t WHERE b >= 1"),
    ("SELECT a - b FROM t", "SELECT b - a FROM t"),
    ("SELECT (a - b) - c FROM t", "SELECT a - (b - c) FROM t"),
    ("SELECT a FROM t WHERE (b = 1 OR c = 2) AND d = 3", "SELECT a FROM t WHERE b = 1 OR c = 2 AND d = 3"),
    ("SELECT a FROM t WHERE NOT (b = 1 AND c = 2)", "SELECT a FROM t WHERE NOT b = 1 AND c = 2"),
    ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC"),
    ("SELECT a FROM t LEFT JOIN u ON t.x = u.x", "SELECT a FROM t JOIN u ON t.x = u.x"),
    ("SELECT a FROM t UNION SELECT b FROM u", "SELECT a FROM t UNION ALL SELECT b FROM u"),
    ("SELECT 1", "SELECT 1; SELECT 2"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_the_form_of_a_statement_does_not_matter(one: str, other: str) -> None:
    assert sql_equal(Case("q", expected=one), Output(other))[0] == 1
    assert sql_equal(Case("q", expected=other), Output(one))[0] == 1


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_all_else_matters(one: str, other: str) -> None:
    assert sql_equal(Case("q", expected=one), Output(other))[0] == 0
    assert sql_equal(Case("q", expected=other), Output(one))[0] == 0


def test_names_are_compared_as_the_dialect_does() -> None:
    case = Case("q", expected="SELECT A FROM t")
    assert sql_equal(case, Output("SELECT a FROM T"), dialect="snowflake")[0] == 1
    assert sql_equal(case, Output('SELECT "A" FROM t'), dialect="snowflake")[0] == 1
    assert sql_equal(case, Output('SELECT "A" FROM t'), dialect="postgres")[0] == 0


_NAMES = st.sampled_from(["a", "b", "c", "1", "'x'", "t.a"])
_CONDITIONS = st.recursive(
    st.tuples(_NAMES, st.sampled_from(["=", "<>", "<", ">", "<=", ">="]), _NAMES).map(" ".join),
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda parts: f"({' '.join(parts)})"),
    max_leaves=5,
)


@given(condition=_CONDITIONS)
def test_printed_again_by_sqlglot_a_statement_is_equal(condition: str) -> None:
    sqlglot = pytest.importorskip("sqlglot")
    text = f"SELECT a FROM t WHERE {condition}"  # noqa: S608 - nothing runs it
    again = sqlglot.parse_one(text).sql(pretty=True)
    assert sql_equal(Case("q", expected=text), Output(again))[0] == 1


def test_several_statements_may_be_expected(score_of: ScoreOf) -> None:
    wanted = {"expected_any": ("SELECT 1", "SELECT 2")}
    score = score_of("sql-equal", "select 2", **wanted)
    assert (score.value, score.reason) == (1.0, 'is "SELECT 2"')
    assert score_of("sql-equal", "select 3", **wanted).reason == 'wanted "SELECT 1" or "SELECT 2", got "select 3"'
    assert score_of("not-sql-equal", "select 3", **wanted).value == 1
    assert score_of({"kind": "sql-equal", "value": "SELECT 3"}, "select 3", **wanted).value == 1


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (None, "nothing to compare with"),
        ("SELECT a FROM", "the expected value .* cannot be used: is not SQL"),
        ("CALL f()", "cannot be used: sqlglot does not parse CALL statements"),
    ],
)
def test_a_case_without_sql_is_refused_before_the_run(expected: Any, message: str, context: Context) -> None:
    scorer: Any = build("sql-equal", context=context)
    problem = scorer.case_problem(Case("q", expected=expected))
    assert problem is not None
    with pytest.raises(ScorerError, match=message):
        sql_equal(Case("q", expected=expected), Output(""))


def test_a_dialect_that_does_not_exist_is_refused(context: Context) -> None:
    with pytest.raises(SettingsError, match='dialect: "postgre" is no dialect of sqlglot; did you mean "postgres"'):
        build({"kind": "sql-valid", "dialect": "postgre"}, context=context)


def test_without_the_extra_a_suite_is_refused_before_it_runs(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sqlglot", "sqlglot.dialects.dialect"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=r"sqlglot is not installed: pip install 'pytest-evalgate\[sql\]'$"):
        build("sql-valid", context=context)
