"""Answers of the HTTP API: those of the command line, checked against the OpenAPI document."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import jsonschema  # type: ignore[import-untyped]
import pytest
from tests.server.conftest import KEY, NEWEST, ODD_SUITE, RUNS, serving
from tests.store.test_store_questions import HOSTILE

from pytest_evalgate.cli import main
from pytest_evalgate.server import openapi
from pytest_evalgate.server.operations import OPERATIONS, by_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server.conftest import Served

    from pytest_evalgate.app.project import Project

_DOCUMENT: Final = openapi.document()
SAME: Final[tuple[tuple[str, dict[str, Any], str], ...]] = (
    ("runs", {}, "runs list"),
    ("runs", {"limit": 2, "after": "run-04", "branch": "main"}, "runs list --limit 2 --after run-04 --branch main"),
    (
        "runs",
        {"label": ["team=search", "region=eu"], "since": "2026-01-03", "until": "2026-01-06"},
        "runs list --label team=search --label region=eu --since 2026-01-03 --until 2026-01-06",
    ),
    ("runs", {"suite": ODD_SUITE, "tier": "nightly"}, f"runs list --suite '{ODD_SUITE}' --tier nightly"),
    ("runs", {"model": "none"}, "runs list --model none"),
    ("run", {"run": NEWEST}, f"runs show --run {NEWEST}"),
    ("point", {"suite": "faq"}, "query point faq pass_rate"),
    ("series", {"suite": "faq", "metric": "error_rate"}, "query series faq error_rate"),
    ("series", {"suite": "faq", "by": "day", "limit": 5}, "query series faq pass_rate --by day --limit 5"),
    ("slices", {"suite": "faq", "by": "lang"}, "query slices faq --by lang"),
    ("slices", {"suite": "faq", "by": "lang,kind", "run": "run-03"}, "query slices faq --by lang,kind --run run-03"),
    ("cases", {"suite": "faq", "limit": 3}, "query cases faq --limit 3"),
    ("cases", {"suite": "faq", "limit": 3, "after": "3"}, "query cases faq --limit 3 --after 3"),
    ("cases", {"suite": "faq", "which": "failed"}, "query cases faq --failed"),
    ("cases", {"suite": "faq", "which": "errored"}, "query cases faq --errored"),
    ("cases", {"suite": "faq", "which": "flaky"}, "query cases faq --flaky"),
    ("cases", {"suite": "faq", "which": "flaky", "run": "run-01"}, "query cases faq --flaky --run run-01"),
    ("cases", {"suite": ODD_SUITE}, f"query cases '{ODD_SUITE}'"),
    ("case", {"suite": "faq", "case": "c38", "branch": "main"}, "query cases faq --case c38 --branch main"),
    ("case", {"suite": ODD_SUITE, "case": "only/one"}, f"query cases '{ODD_SUITE}' --case only/one"),
    ("trend", {"suite": "faq"}, "query trend faq pass_rate"),
    ("trend", {"suite": "faq", "limit": 5}, "query trend faq pass_rate --limit 5"),
    ("compare", {"a": "previous", "b": "newest", "suite": "faq"}, "query compare previous newest --suite faq"),
    ("compare", {"a": "run-01", "b": NEWEST}, f"query compare run-01 {NEWEST}"),
)


def path_of(name: str, parameters: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the path of a question, and its parameters for the query string."""
    operation = by_name()[name]
    path, rest = operation.path, dict(parameters)
    for parameter in operation.parameters:
        if parameter.place == "path":
            path = path.replace(f"{{{parameter.name}}}", quote(rest.pop(parameter.name), safe=""))
    return path, rest


def _validator(schema: dict[str, Any]) -> Any:
    components = {"components": _DOCUMENT["components"]}
    return jsonschema.Draft202012Validator({**schema, **components})


def _check(path: str, method: str, status: int, body: Any) -> None:
    """Check a body against the schema that the document has for it."""
    responses = _DOCUMENT["paths"][path][method]["responses"]
    response = responses[str(status)]
    response = _DOCUMENT["components"]["responses"][str(status)] if "$ref" in response else response
    _validator(response["content"]["application/json"]["schema"]).validate(body)


@pytest.fixture
def printed(
    shop: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], Any]:
    """Return the JSON that a command prints in the project."""

    def run(command: str) -> Any:
        monkeypatch.chdir(shop.root)
        assert main([*shlex.split(command), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


@pytest.mark.parametrize(("name", "parameters", "command"), SAME)
def test_an_answer_is_what_the_command_prints(
    served: Served, printed: Callable[[str], Any], name: str, parameters: dict[str, Any], command: str
) -> None:
    path, rest = path_of(name, parameters)
    found = served.get(path, params=rest)
    assert (found.status_code, found.headers["content-type"]) == (200, "application/json")
    assert found.json() == printed(command)
    _check(by_name()[name].path, "get", 200, found.json())


def test_every_question_is_compared_with_a_command_but_the_list_of_suites() -> None:
    assert {operation.name for operation in OPERATIONS} - {name for name, _, _ in SAME} == {"suites"}


def test_the_suites_have_the_names_of_their_metrics(served: Served) -> None:
    first = served.get("/v1/suites?limit=1").json()
    assert ([row["suite"] for row in first["rows"]], first["after"]) == ([ODD_SUITE], ODD_SUITE)
    rest = served.get("/v1/suites", params={"after": first["after"]}).json()
    assert ([row["suite"] for row in rest["rows"]], rest["after"]) == (["faq"], None)
    assert {"pass_rate", "error_rate", "cost_usd"} <= set(rest["rows"][0]["metrics"])
    _check("/v1/suites", "get", 200, rest)


def test_pages_follow_each_other_to_the_end(served: Served) -> None:
    seen, after = [], None
    while True:
        page = served.get("/v1/runs", params={"limit": 5} | ({} if after is None else {"after": after})).json()
        seen += [row["run_id"] for row in page["rows"]]
        after = page["after"]
        if after is None:
            break
    assert seen == [f"run-{number:02}" for number in range(RUNS, 0, -1)]


def test_the_trend_names_the_run_at_the_change(served: Served) -> None:
    found = served.get("/v1/suites/faq/trend").json()
    assert (found["direction"], found["since"], found["previous"]) == ("down", "run-09", "run-08")


@pytest.mark.parametrize(
    ("path", "parameter", "reason"),
    [
        ("/v1/runs?since=yesterday", "since", "'yesterday' is no time: write 30d"),
        ("/v1/runs?until=2026-13-01", "until", "is no time"),
        ("/v1/runs?label=team", "label", "team: write key=value"),
        ("/v1/runs?label=a=1&label=b=1&label=c=1&label=d=1", "label", "given 4 times: give at most 3"),
        ("/v1/runs?limit=0", "limit", "0 is not a whole number from 1 to 1,000"),
        ("/v1/runs?limit=1001", "limit", "from 1 to 1,000"),
        ("/v1/runs?limit=%D9%A3", "limit", "is not a whole number"),
        ("/v1/runs?limit=1&limit=2", "limit", "is given 2 times"),
        ("/v1/runs?tiers=x", "tiers", 'is no parameter of this question; did you mean "tier"?'),
        ("/v1/runs?tier=", "tier", "is empty: leave it out"),
        ("/v1/runs?tier=%00", "tier", "has a character that no name can have"),
        (f"/v1/runs?tier={'x' * 1001}", "tier", "1,001 characters"),
        ("/v1/suites/faq/series?by=week", "by", "week is unknown: give one of run, day"),
        ("/v1/suites/faq/slices", "by", "is missing: one to four slices"),
        ("/v1/suites/faq/slices?by=lang,lang", "by", "name each slice once"),
        ("/v1/suites/faq/slices?by=a,b,c,d,e", "by", "name at most 4"),
        ("/v1/suites/faq/cases?after=x", "after", "give the number that the page before printed"),
        ("/v1/suites/faq/cases?which=flaky&after=1", "after", "flaky cases have one page"),
        ("/v1/suites/faq/cases?which=worse", "which", 'did you mean "worst"'),
        ("/v1/compare?a=newest", "b", "is missing: the newer run"),
    ],
)
def test_a_wrong_parameter_is_named_with_the_reason(served: Served, path: str, parameter: str, reason: str) -> None:
    found = served.get(path)
    assert found.status_code == 400
    error = found.json()["error"]
    assert (error["status"], error["parameter"]) == (400, parameter)
    assert reason in error["reason"]
    _validator({"$ref": "#/components/schemas/Error"}).validate(found.json())


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/v1/runs/run-061", 'did you mean "run-'),
        ("/v1/runs/other", "list the runs with: pytest-evalgate runs list"),
        ("/v1/suites/fap/series", 'no run has a suite "fap"; did you mean "faq"?'),
        ("/v1/suites/zzz/cases", f"stored are: {ODD_SUITE}, faq"),
        ("/v1/suites/zzz/cases?which=flaky", "no run has a suite"),
        ("/v1/suites/faq/series?metric=pass_rat", 'did you mean "pass_rate"'),
        ("/v1/suites/faq/slices?by=language", "no slices by"),
        ("/v1/suites/faq/cases/c381", 'near it are: "c38", "c39"'),
        ("/v1/suites/fag/cases/c1", 'did you mean "faq"'),
        ("/v1/compare?a=newest&b=run-77", "is not stored with its results"),
        ("/v1/runs?limit=1#x", ""),
    ],
)
def test_a_name_that_is_not_stored_is_answered_with_those_near_it(served: Served, path: str, reason: str) -> None:
    found = served.get(path)
    assert found.status_code == (404 if reason else 200)
    assert not reason or reason in found.json()["error"]["reason"]


def test_a_run_that_does_not_match_the_filters_is_not_called_missing(served: Served) -> None:
    found = served.get("/v1/compare", params={"a": "run-01", "b": NEWEST, "suite": ODD_SUITE})
    assert (found.status_code, "does not match the suite" in found.text) == (404, True)


def test_an_answer_has_a_digest_and_is_not_sent_twice(served: Served) -> None:
    first = served.get("/v1/suites/faq/series")
    assert first.headers["cache-control"] == "private, no-cache"
    etag = first.headers["etag"]
    for given in (etag, f"W/{etag}", f'"other", {etag}'):
        again = served.get("/v1/suites/faq/series", headers={"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert served.get("/v1/suites/faq/series?limit=1", headers={"If-None-Match": etag}).status_code == 200


def test_a_batch_answers_each_question_as_alone(served: Served) -> None:
    asked = [{"question": name, "parameters": parameters} for name, parameters, _ in SAME[:20]]
    _validator(openapi.batch_schema()).validate(asked)
    found = served.send("POST", "/v1/query", json=asked)
    assert found.status_code == 200
    _check("/v1/query", "post", 200, found.json())
    for (name, parameters, _), part in zip(SAME[:20], found.json(), strict=True):
        path, rest = path_of(name, parameters)
        assert part == {"status": 200, "body": served.get(path, params=rest).json()}


def test_a_wrong_parameter_of_one_question_does_not_harm_the_others(served: Served) -> None:
    asked = [
        {"question": "runs", "parameters": {"tier": ["a", "b"]}},
        {"question": "series"},
        {"question": "case", "parameters": {"suite": "faq", "case": "c381"}},
        {"question": "runs", "parameters": {"limit": 1}},
    ]
    found = served.send("POST", "/v1/query", json=asked).json()
    assert [part["status"] for part in found] == [400, 400, 404, 200]
    assert [part["body"]["error"]["parameter"] for part in found[:3]] == ["tier", "suite", None]


@pytest.mark.parametrize(
    ("asked", "parameter", "reason"),
    [
        ({"question": "rums"}, "question", 'question 2 is unknown; did you mean "runs"'),
        ({"question": 7}, "question", "the questions are runs"),
        ({"parameters": {}}, None, "question 2 does not have the form"),
        ({"question": "runs", "limit": 1}, None, "does not have the form"),
        ("runs", None, "does not have the form"),
        ({"question": "runs", "parameters": []}, "parameters", "no object"),
        ({"question": "runs", "parameters": {"limit": 1.5}}, "limit", "question 2: give a text"),
        ({"question": "runs", "parameters": {"limit": True}}, "limit", "give a text"),
        ({"question": "runs", "parameters": {"tier": None}}, "tier", "give a text"),
    ],
)
def test_a_batch_of_another_form_is_refused(served: Served, asked: Any, parameter: str | None, reason: str) -> None:
    found = served.send("POST", "/v1/query", json=[{"question": "runs"}, asked])
    assert found.status_code == 400
    assert found.json()["error"]["parameter"] == parameter
    assert reason in found.json()["error"]["reason"]


@pytest.mark.parametrize("body", ["", "{}", "[]", "[1", "null", "[" * 5000, '["\\ud800"]', json.dumps([{}] * 21)])
def test_a_body_that_is_no_batch_is_refused(served: Served, body: str) -> None:
    found = served.send("POST", "/v1/query", content=body, headers={"Content-Type": "application/json"})
    assert found.status_code == 400


def _rows_of(project: Project) -> bytes:
    return (project.state.path / "store.db").read_bytes()


def test_sql_in_a_parameter_is_a_value(served: Served, shop: Project) -> None:
    before = _rows_of(shop)
    asked = 0
    for operation in OPERATIONS:
        for parameter in operation.parameters:
            for text in HOSTILE:
                given = {"suite": "faq", "run": "run-01", "case": "c1", "by": "lang", "a": "previous", "b": "newest"}
                required = {each.name: given[each.name] for each in operation.parameters if each.required}
                path, rest = path_of(operation.name, required | {parameter.name: text})
                found = served.get(path, params=rest)
                asked += 1
                assert found.status_code in {200, 400, 404}, (path, rest)
                if found.status_code == 200:  # suites after a name, and models that no run has, are no injection
                    rows = found.json().get("rows", [])
                    assert rows == [] or operation.name == "suites", (path, rest)
    assert asked > 1000
    assert _rows_of(shop) == before


def test_keys_are_not_in_an_answer(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", KEY)
    with serving(shop) as server:
        text = server.get("/v1/suites/faq/cases").text
    assert KEY not in text
    assert "***" in text


def test_a_store_that_cannot_be_used_is_unavailable(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_evalgate.app.project import Project  # noqa: PLC0415 - a type above

    monkeypatch.chdir(tmp_path)
    (tmp_path / "evalgate.toml").write_text("")
    (tmp_path / ".evalgate").mkdir()
    (tmp_path / ".evalgate" / "store.db").write_text("no database")
    with serving(Project.find()) as server:
        for path in ("/v1/runs", "/"):
            found = server.get(path)
            assert (found.status_code, "not a database" in found.text) == (503, True)
    assert server.lines == []


def test_the_document_is_served_as_it_is_published(served: Served) -> None:
    assert served.get("/v1/openapi.json").json() == json.loads(json.dumps(_DOCUMENT))
    paths = {operation.path for operation in OPERATIONS} | {openapi.BATCH_PATH, openapi.OPENAPI_PATH}
    assert set(_DOCUMENT["paths"]) == paths


def test_the_schemas_of_the_document_are_schemas() -> None:
    for schema in _DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for path in _DOCUMENT["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                for content in response.get("content", {}).values():
                    jsonschema.Draft202012Validator.check_schema(content["schema"])
