"""``pytest-evalgate sample``: the golden set and the plan it writes, what it prints, and what it refuses."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import golden

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Command, Project

_EXPORTS = Path(__file__).parents[1] / "curation" / "files"


@pytest.fixture
def log(folder: Path) -> Path:
    dice = random.Random(3)  # noqa: S311 - rows of a test
    path = folder / "log.jsonl"
    rows = [
        {
            "id": f"r{number}",
            "lang": dice.choices(["en", "de", "pl"], [80, 17, 3])[0],
            "input": f"question {number} about {dice.randrange(10**6)} and {dice.randrange(10**6)}",
            "passed": dice.random() < 0.9,
        }
        for number in range(1000)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (folder / "pytest.ini").touch()
    return path


_COMMAND = ("sample", "log.jsonl", "--n", "50", "--by", "lang", "--min", "5", "--out", "golden/faq.jsonl")


def _plan(folder: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((folder / "golden/faq.plan.json").read_text("utf-8"))
    return plan


def test_the_screen_and_the_files(log: Path, evalgate: Command, assert_screen: Callable[[str, str], None]) -> None:
    code, out, err = evalgate(*_COMMAND, "--allocation", "neyman", "--pilot", "passed", "--redact")
    assert (code, err) == (0, "")
    assert_screen("sample", out)
    read = golden.read_file(log.parent / "golden/faq.jsonl", "golden/faq.jsonl")
    assert read.problems == ()
    assert read.dialect == ""
    assert len(read.golden) == 50
    plan = _plan(log.parent)
    assert {case.id: case.weight for case in read.golden} == {case["id"]: case["weight"] for case in plan["cases"]}
    assert sum(case.weight for case in read.golden) == pytest.approx(1000)
    assert [one["values"] for one in plan["strata"]] == [{"lang": lang} for lang in ("de", "en", "pl")]
    assert sum(one["cases"] for one in plan["strata"]) == 50
    assert plan["sources"][0]["file"] == "log.jsonl"


def test_the_same_seed_gives_the_same_bytes(log: Path, evalgate: Command) -> None:
    written = []
    for seed in ("1", "1", "2"):
        assert evalgate(*_COMMAND, "--seed", seed, "--force")[0] == 0
        written.append([(log.parent / "golden" / name).read_bytes() for name in ("faq.jsonl", "faq.plan.json")])
    assert written[0] == written[1]
    assert written[0][0] != written[2][0]


@pytest.mark.usefixtures("log")
def test_edge_cases_are_drawn_by_a_scorer_and_the_plan_says_so(evalgate: Command) -> None:
    options = ("--lowest", "scorer:no-personal-data:5", "--only", "lang=*", "--json")
    code, out, err = evalgate(*_COMMAND, *options)
    assert (code, err) == (
        4,
        "pytest-evalgate: --lowest scorer:no-personal-data: no row has an output that it can grade\n",
    )
    log = Path("log.jsonl")
    log.write_text(log.read_text("utf-8").replace('"input"', '"output": "a@b-mail.com", "input"', 3), "utf-8")
    code, out, err = evalgate(*_COMMAND, "--lowest", "scorer:no-personal-data:3", "--only", "lang=*", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["edge_cases"], found["lowest"], found["only"]) == (3, "scorer:no-personal-data:3", ["lang=*"])


@pytest.mark.usefixtures("log")
def test_a_log_that_is_smaller_than_the_sample_is_named(evalgate: Command) -> None:
    code, out, _ = evalgate(
        "sample", "log.jsonl", "--n", "1001", "--out", "golden/all.jsonl", "--near-duplicates", "keep"
    )
    assert code == 0
    assert "1,000 rows are fewer than the 1,001 cases of --n: every row is drawn\n" in out


def test_json_is_the_plan(log: Path, evalgate: Command) -> None:
    code, out, _ = evalgate(*_COMMAND, "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["file"], found["plan"], found["cases"]) == ("golden/faq.jsonl", "golden/faq.plan.json", 50)
    assert {k: v for k, v in _plan(log.parent).items() if k != "cases"}.items() <= found.items()


def test_a_stored_run_is_the_pilot(log: Path, evalgate: Command, project_of: Callable[[str], Project]) -> None:
    # even cases are of the slice en, odd ones of de
    words = ["P" if number % 2 == 0 or number % 4 == 1 else "m" for number in range(40)]
    run = project_of("sample").store(words)
    code, _, err = evalgate(*_COMMAND, "--allocation", "neyman", "--pilot", f"run:{run.id}")
    assert (code, err) == (0, "")
    strata = {one["values"]["lang"]: one for one in _plan(log.parent)["strata"]}
    assert (strata["en"]["pilot"]["n"], strata["en"]["pilot"]["mean"]) == (20, 1.0)
    assert (strata["de"]["pilot"]["n"], strata["de"]["pilot"]["mean"]) == (20, 0.5)
    assert strata["pl"]["pilot"]["n"] == 0
    assert strata["de"]["cases"] / strata["de"]["rows"] > 2 * strata["en"]["cases"] / strata["en"]["rows"]
    code, _, err = evalgate(
        *_COMMAND, "--force", "--by", "passed", "--allocation", "neyman", "--pilot", f"run:{run.id}"
    )
    assert code == 4
    assert "its suites have no slices by passed: set slices of the suite, run again" in err


@pytest.mark.parametrize(
    ("name", "cases"),
    [("otel_messages.jsonl", 2), ("otel_events.jsonl", 4), ("langfuse_traces.json", 2), ("phoenix_spans.jsonl", 2)],
)
def test_exports_of_traces_become_golden_sets(name: str, cases: int, folder: Path, evalgate: Command) -> None:
    (folder / "pytest.ini").touch()
    code, out, err = evalgate("sample", str(_EXPORTS / name), "--n", "10", "--out", "golden/faq.jsonl")
    assert (code, err) == (0, "")
    read = golden.read_file(folder / "golden/faq.jsonl", "golden/faq.jsonl")
    assert (read.problems, len(read.golden)) == ((), cases)
    assert all(case.input or case.messages for case in read.golden)
    assert "input" in out


def test_only_the_model_calls_of_an_export(folder: Path, evalgate: Command) -> None:
    (folder / "pytest.ini").touch()
    command = ("sample", str(_EXPORTS / "phoenix_dataframe.csv"), "--n", "10", "--out", "golden/faq.jsonl")
    code, out, _ = evalgate(*command, "--only", "span_kind=LLM")
    assert code == 0
    assert "read 1 row (phoenix), 1 row skipped" in out


def test_a_csv_log_is_mapped_by_names(folder: Path, evalgate: Command) -> None:
    (folder / "pytest.ini").touch()
    rows = "".join(f"what about item {number}?,it is {number},de\n" for number in range(30))
    (folder / "log.csv").write_text(f"Frage,Reply,lang\n{rows}", "utf-8")
    command = ("sample", "log.csv", "--n", "5", "--by", "lang", "--out", "golden/faq.jsonl")
    code, _, err = evalgate(*command)
    assert code == 4
    assert "no column has the input of a case" in err
    code, out, err = evalgate(*command, "--map", "input=Frage,output=Reply")
    assert (code, err) == (0, "")
    assert "  input <- Frage\n  output <- Reply" in out
    [first, *_] = golden.read_file(folder / "golden/faq.jsonl", "x").golden
    assert str(first.output).removeprefix("it is ") in str(first.input)


def test_malformed_lines_stop_the_draw_unless_they_are_skipped(log: Path, evalgate: Command) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write('{"id": "cut of')
    code, out, err = evalgate(*_COMMAND)
    assert (code, out) == (4, "")
    assert "log.jsonl:1001: " in err
    code, out, err = evalgate(*_COMMAND, "--skip-malformed")
    assert (code, err) == (0, "")
    assert "read 1,000 rows (jsonl), 1 malformed line skipped" in out
    assert [one.partition(": ")[0] for one in _plan(log.parent)["malformed"]] == ["log.jsonl:1001"]


def test_edge_cases_and_near_duplicates_are_on_the_screen(log: Path, evalgate: Command) -> None:
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    same = {"input": "the same question about the same thing"}
    rows = [row | {"score": number / 1000} | (same if number % 2 else {}) for number, row in enumerate(lines)]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    code, out, _ = evalgate(*_COMMAND, "--lowest", "score:10")
    assert code == 0
    assert "cases with the lowest score, tagged edge-case" in out
    assert "near-duplicates represented by another case, which has their weight" in out
    cases = golden.read_file(log.parent / "golden/faq.jsonl", "x").golden
    assert sum("edge-case" in case.tags for case in cases) == 6
    assert sum(case.weight for case in cases) == pytest.approx(1000, rel=1e-6)
    texts = [(case.slice["lang"], str(case.input)) for case in cases]  # near-duplicates are those of a stratum
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--out", "golden/faq.txt"], "--out golden/faq.txt: a golden set ends in .jsonl"),
        (["--out", "log.jsonl"], "--out log.jsonl is the log itself: choose another file"),
        (["--out", "/etc/faq.jsonl"], "--out: "),
        (["--out", "there.jsonl"], "there.jsonl exists: choose another file with --out, or replace it with --force"),
        (["--map", "nothing=x"], '--map: no field "nothing"'),
        (["--allocation", "neyman"], "--allocation neyman needs results: name their field with --pilot FIELD"),
        (["--n", "10"], "--n 10: 3 strata with a minimum of 5 need 15 rows, got 10: raise --n, lower --min"),
        (["--pilot", "run:nothing"], "nothing"),
    ],
)
def test_what_cannot_be_drawn_is_refused(more: list[str], message: str, log: Path, evalgate: Command) -> None:
    (log.parent / "there.jsonl").touch()
    code, out, err = evalgate(*_COMMAND, *more)
    assert (code, out) == (4, "")
    assert message in err
    assert not (log.parent / "golden").exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--lowest", "score", "'score' is not FIELD:N, such as score:50"),
        ("--only", "type", "'type' is not FIELD=VALUE, such as type=GENERATION"),
    ],
)
def test_options_in_another_form_are_refused(
    option: str, value: str, message: str, log: Path, evalgate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert log.exists()
    with pytest.raises(SystemExit) as caught:
        evalgate(*_COMMAND, option, value)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
