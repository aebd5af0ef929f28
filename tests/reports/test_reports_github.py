"""GitHub Actions: annotations, outputs, summary and links."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.attacks import ALL, view_of

from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.verdicts import Calls
from pytest_evalgate.reports.github import annotate, links_of, outputs, write_github
from pytest_evalgate.reports.view import Links
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from tests.reports.conftest import Screen

    from pytest_evalgate.reports.view import ReportView


_DROP = {"kind": "no-regression"}
_RATE = {"kind": "pass-rate", "min": 0.85}
_FILE = "golden_sets/support.jsonl"


def _failed(screen: Screen, tmp_path: Path, worse: int = 20, **fields: Any) -> ReportView:
    scene = screen.scene("m" * worse + "P" * (240 - worse), "P" * 240, (_DROP,), **fields)
    return screen.view(scene, stored=tmp_path / "run.jsonl")


def test_cases_that_failed_a_gate_are_errors_on_their_lines(screen: Screen, tmp_path: Path) -> None:
    verdict, first, *others = annotate(_failed(screen, tmp_path, 8))
    assert verdict.startswith("::error title=eval gate%3A FAIL::support-faq -3.3 pp")
    assert first == (
        f"::error file={_FILE},line=1,title=support-faq%3A refund-001::"
        "pass -> miss: exact: got 30 days, wanted 14 days"
    )
    assert [line.split(",")[1] for line in others] == [f"line={number}" for number in range(2, 9)]


def test_there_are_ten_and_the_last_counts_the_others(screen: Screen, tmp_path: Path) -> None:
    lines = annotate(_failed(screen, tmp_path, 22))
    assert len(lines) == 10
    assert lines[-1] == "::error::and 14 more: see the summary of the job"
    assert len(annotate(_failed(screen, tmp_path, 8))) == 9
    assert len(annotate(_failed(screen, tmp_path, 9))) == 10


def test_all_missed_cases_are_counted(screen: Screen, tmp_path: Path) -> None:
    scene = screen.scene("m" * 230 + "P" * 10, None, (_RATE,))
    lines = annotate(screen.view(scene, stored=tmp_path / "run.jsonl"))
    assert lines[-1] == "::error::and 222 more: see the summary of the job"


def test_missed_cases_are_annotated_if_the_pass_rate_failed(screen: Screen, tmp_path: Path) -> None:
    scene = screen.scene("mmm" + "P" * 3, None, (_RATE,))
    lines = annotate(screen.view(scene, stored=tmp_path / "run.jsonl"))
    assert [line.split("::")[-1] for line in lines[1:]] == ["missed: exact: got 30 days, wanted 14 days"] * 3


def test_a_case_is_annotated_once(screen: Screen, tmp_path: Path) -> None:
    scene = screen.scene("m" * 20 + "P" * 20, "P" * 40, (_DROP, _RATE))
    view = screen.view(scene, stored=tmp_path / "run.jsonl")
    assert annotate(view)[-1] == "::error::and 12 more: see the summary of the job"


def test_an_advisory_suite_only_warns(screen: Screen, tmp_path: Path) -> None:
    lines = annotate(_failed(screen, tmp_path, 3 + 5, advisory=True))
    assert len(lines) == 8
    assert all(line.startswith("::warning file=") for line in lines)


def test_errors_come_before_warnings(screen: Screen, tmp_path: Path) -> None:
    advised = screen.scene("m" * 20 + "P" * 20, "P" * 40, (_DROP,), "new", advisory=True)
    blocking = screen.scene("mmm", None, ({"kind": "must-pass"},), "safety")
    lines = annotate(screen.view(advised, blocking, stored=tmp_path / "run.jsonl"))
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 4 + ["::warning"] * 5 + ["::warning::and"]


def test_an_inconclusive_gate_warns(screen: Screen) -> None:
    view = screen.view(screen.scene("P" * 35 + "m" * 5, None, ({**_RATE, "min": 0.8},)), warn=False)
    [line] = annotate(view)
    assert line.startswith("::warning title=support-faq%3A CI >= 80%25::40 cases cannot decide this gate.")


def test_a_pass_has_no_annotation(screen: Screen) -> None:
    assert annotate(screen.view(screen.scene("P" * 40, "P" * 40, (_DROP,)))) == ()


def test_files_are_named_from_the_root_of_the_repository(screen: Screen, tmp_path: Path) -> None:
    links = Links("https://github.com/acme/bot", "8" * 40, "services/bot")
    lines = annotate(replace(_failed(screen, tmp_path), links=links))
    assert lines[1].startswith(f"::error file=services/bot/{_FILE},line=1,")


@pytest.mark.parametrize("text", ALL, ids=ascii)
def test_no_text_can_add_a_command(text: str) -> None:
    for line in annotate(view_of(text)):
        assert re.fullmatch(r"::(error|warning)( (file=[^:,]*,line=3,)?title=[^:,]*)?::[^\r\n]*", line)
        assert "##[" not in line
        assert line.isprintable() or not line.isascii()


def test_long_texts_are_cut() -> None:
    links = Links("https://github.com/acme/bot", "8" * 40)
    longest = max(map(len, annotate(view_of("5 MB " * 1_000_000, links))))
    assert longest < 2_000


def _read(text: str) -> dict[str, str]:
    """Read outputs as a runner does."""
    found, lines = {}, iter(text.split("\n"))
    for line in lines:
        if line:
            name, delimiter = line.split("<<", 1)
            found[name] = "\n".join(iter(lines.__next__, delimiter))
    return found


def test_outputs_of_one_suite_are_numbers(screen: Screen, tmp_path: Path) -> None:
    view = replace(_failed(screen, tmp_path), report_file=".evalgate/report.html")
    view = replace(view, verdict=replace(view.verdict, calls=Calls(cost_usd=0.83)))
    assert _read(outputs(view, "END")) == {
        "verdict": "fail",
        "exit_code": "1",
        "pass_rate": "0.916667",
        "delta": "-0.083333",
        "cost_usd": "0.830000",
        "report_path": ".evalgate/report.html",
    }


def test_outputs_of_several_suites_are_objects(screen: Screen) -> None:
    view = screen.view(screen.scene("PP", "PP", (_DROP,)), screen.scene("P-", None, (_RATE,), "part"))
    read = _read(outputs(view, "END"))
    assert json.loads(read["pass_rate"]) == {"support-faq": 1.0, "part": None}
    assert json.loads(read["delta"]) == {"support-faq": 0.0, "part": None}


def test_unknown_values_are_empty(screen: Screen) -> None:
    read = _read(outputs(screen.view(screen.scene("P-", None, (_RATE,))), "END"))
    assert (read["pass_rate"], read["delta"], read["report_path"]) == ("", "", "")


@pytest.mark.parametrize("text", ALL, ids=ascii)
def test_no_text_can_add_an_output(text: str) -> None:
    read = _read(outputs(view_of(text), "r4nd0m"))
    assert list(read) == ["verdict", "exit_code", "pass_rate", "delta", "cost_usd", "report_path"]
    assert (read["verdict"], read["exit_code"], read["report_path"]) == ("fail", "1", text)


def _environ(folder: Path) -> dict[str, str]:
    files = {"GITHUB_STEP_SUMMARY": str(folder / "summary"), "GITHUB_OUTPUT": str(folder / "output")}
    return {"GITHUB_ACTIONS": "true", **files}


def test_the_run_is_reported_in_the_log_and_the_files_of_the_runner(screen: Screen, tmp_path: Path) -> None:
    view, lines = _failed(screen, tmp_path), list[str]()
    (tmp_path / "summary").write_text("of an earlier command\n")
    (tmp_path / "output").write_text("earlier=1\n")
    write_github(view, _environ(tmp_path), lines.append)
    assert tuple(lines) == annotate(view)
    assert (tmp_path / "summary").read_text("utf-8").startswith("of an earlier command\n## Eval gate: FAIL")
    text = (tmp_path / "output").read_text("utf-8")
    assert text.startswith("earlier=1\nverdict<<evalgate-")
    assert _read(text.removeprefix("earlier=1\n"))["verdict"] == "fail"


def test_a_delimiter_is_never_used_again(screen: Screen, tmp_path: Path) -> None:
    for _ in range(2):
        write_github(_failed(screen, tmp_path), _environ(tmp_path), lambda _: None)
    delimiters = set(re.findall(r"<<(evalgate-[0-9a-f]{32})\n", (tmp_path / "output").read_text("utf-8")))
    assert len(delimiters) == 2


@pytest.mark.parametrize("said", [None, "", "false", "1"])
def test_outside_of_github_nothing_is_printed(screen: Screen, tmp_path: Path, said: str | None) -> None:
    environ = {name: value for name, value in _environ(tmp_path).items() if name != "GITHUB_ACTIONS"}
    lines: list[str] = []
    write_github(_failed(screen, tmp_path), environ | ({} if said is None else {"GITHUB_ACTIONS": said}), lines.append)
    assert (lines, (tmp_path / "summary").exists(), (tmp_path / "output").exists()) == ([], False, False)


def test_without_files_the_run_is_reported_in_the_log(screen: Screen, tmp_path: Path) -> None:
    view, lines = _failed(screen, tmp_path), list[str]()
    write_github(view, {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": ""}, lines.append)
    assert tuple(lines) == annotate(view)


@pytest.mark.parametrize("path", ["missing/summary", ".", "nul\0"])
def test_a_file_that_cannot_be_written_is_one_line(screen: Screen, tmp_path: Path, path: str) -> None:
    lines: list[str] = []
    environ = _environ(tmp_path) | {"GITHUB_STEP_SUMMARY": f"{tmp_path}/{path}"}
    write_github(screen.view(screen.scene("PP", "PP", (_DROP,))), environ, lines.append)
    [line] = lines
    assert line.startswith("evalgate: GITHUB_STEP_SUMMARY was not written: ")
    assert "\0" not in line
    assert (tmp_path / "output").exists()


def test_a_summary_that_would_hide_all_others_is_not_written(screen: Screen, tmp_path: Path) -> None:
    (tmp_path / "summary").write_bytes(b"x" * (1 << 20))
    lines: list[str] = []
    write_github(screen.view(screen.scene("PP", "PP", (_DROP,))), _environ(tmp_path), lines.append)
    assert (tmp_path / "summary").stat().st_size == 1 << 20
    assert "already has 1,048,576 of 1,048,576 bytes" in lines[0]


def test_keys_are_redacted_in_log_and_files(tmp_path: Path) -> None:
    key = "sk-live-abcdefgh"
    lines: list[str] = []
    write_github(replace(view_of(f"a {key}"), report_file=key), _environ(tmp_path), lines.append, Redactor((key,)))
    written = [*lines, (tmp_path / "summary").read_text("utf-8"), (tmp_path / "output").read_text("utf-8")]
    assert not [text for text in written if key in text]
    assert all("***" in text.replace("\\", "") for text in written[-2:])


_SHA, _HEAD = "a" * 40, "b" * 40
_PUSH = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/bot",
    "GITHUB_SHA": _SHA,
    "GITHUB_RUN_ID": "77",
}
_ROOT = Path("/w/bot")


def test_of_a_push() -> None:
    links = links_of(_PUSH, _ROOT)
    assert links == Links("https://github.com/acme/bot", _SHA, "", "https://github.com/acme/bot/actions/runs/77")
    assert links.line(Place("golden sets/ü#1.jsonl", 7)) == (
        f"https://github.com/acme/bot/blob/{_SHA}/golden%20sets/%C3%BC%231.jsonl#L7"
    )


def test_a_pull_request_is_linked_at_its_head_commit(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"sha": _HEAD}}}))
    found = links_of({**_PUSH, "GITHUB_EVENT_PATH": str(event)}, _ROOT)
    assert found is not None
    assert found.commit == _HEAD


def test_a_comment_after_another_workflow_links_the_run_of_that_one(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"workflow_run": {"id": 4711, "head_sha": _HEAD}}))
    found = links_of({**_PUSH, "GITHUB_EVENT_PATH": str(event)}, _ROOT)
    assert found == Links("https://github.com/acme/bot", _HEAD, "", "https://github.com/acme/bot/actions/runs/4711")


@pytest.mark.parametrize(
    "event",
    [
        "",
        "[]",
        '{"workflow_run": {"id": "x", "head_sha": "y"}}',
        "{",
        '{"pull_request": null}',
        '{"pull_request": {"head": {"sha": 1}}}',
    ],
)
def test_an_event_without_a_commit_is_ignored(tmp_path: Path, event: str) -> None:
    path = tmp_path / "event.json"
    path.write_text(event)
    found = links_of({**_PUSH, "GITHUB_EVENT_PATH": str(path)}, _ROOT)
    assert found is not None
    assert found.commit == _SHA


def test_a_root_folder_below_the_checkout() -> None:
    found = links_of({**_PUSH, "GITHUB_WORKSPACE": "/w"}, _ROOT)
    assert found is not None
    assert found.line(Place("g.jsonl", 1)).endswith(f"/blob/{_SHA}/bot/g.jsonl#L1")


@pytest.mark.parametrize(
    "wrong",
    [
        {"GITHUB_SERVER_URL": "javascript:alert(1)//"},
        {"GITHUB_REPOSITORY": "acme/bot](https://evil)"},
        {"GITHUB_SHA": "HEAD"},
        {"GITHUB_SERVER_URL": ""},
    ],
)
def test_other_environments_have_no_links(wrong: dict[str, str]) -> None:
    assert links_of({**_PUSH, **wrong}, _ROOT) is None
    assert links_of({}, _ROOT) is None


def test_annotations_go_round_the_suites_the_worst_first(screen: Screen, tmp_path: Path) -> None:
    little = screen.scene("m" * 20 + "P" * 220, "P" * 240, (_DROP,), "little", file="a.jsonl")
    much = screen.scene("m" * 60 + "P" * 180, "P" * 240, (_DROP,), "much", file="b.jsonl")
    safety = screen.scene("m" + "P" * 30, "P" * 31, ({"kind": "must-pass"},), "safety", file="c.jsonl")
    lines = annotate(screen.view(little, much, safety, stored=tmp_path / "run.jsonl"))
    assert lines[0].startswith("::error title=eval gate%3A FAIL::safety: 1 of 31 cases did not pass in every trial")
    files = [line.partition("file=")[2].partition(",")[0] for line in lines[1:-1]]
    assert files[:5] == ["c.jsonl", "b.jsonl", "a.jsonl", "b.jsonl", "a.jsonl"]


def test_only_cases_that_changed_are_annotated(screen: Screen, tmp_path: Path) -> None:
    scene = screen.scene("mmmm" + "P" * 16, "mmPP" + "P" * 16, (_RATE,))
    lines = annotate(screen.view(scene, stored=tmp_path / "run.jsonl"))
    assert [line.partition("line=")[2].partition(",")[0] for line in lines[1:]] == ["3", "4"]
