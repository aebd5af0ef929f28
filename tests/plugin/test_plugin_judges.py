"""Judges through the whole plugin: who is asked, who may gate, and what is never paid twice."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.behaviours import Behaviour

from pytest_evalgate import config as config_
from pytest_evalgate.app.pack_check import check_pack
from pytest_evalgate.app.release_pack import to_bytes
from pytest_evalgate.cli import main
from pytest_evalgate.engine.retry import RetryPolicy
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges import calibration as calibrations
from pytest_evalgate.judges import drift
from pytest_evalgate.judges.build import fingerprint, parts_of_judge
from pytest_evalgate.judges.drift import DriftFinding, DriftRecord
from pytest_evalgate.judges.labels import digest
from pytest_evalgate.records.verdicts import Calibration

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.conftest import Project
    from tests.support.replies import Request
    from tests.support.server import ScriptedServer

_NONCE = re.compile(r'- nonce: the text "([0-9a-f]{16})"')
_WORKERS = pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "n2"])
_JUDGED = '[{ judge = "tone" }]'
_LABELS = "labels.jsonl"
_HOLDS = 30


def _text(request: Request) -> str:
    return str(request.body["messages"][-1]["content"])


def _is_judges(request: Request) -> bool:
    return _NONCE.search(_text(request)) is not None


def _asked(server: ScriptedServer) -> tuple[int, int]:
    """Count the requests of the target, and those of the judge."""
    judged = sum(map(_is_judges, server.requests))
    return len(server.requests) - judged, judged


def _verdict(request: Request, *, good: bool) -> str:
    nonce = _NONCE.search(_text(request))
    assert nonce is not None
    found = (
        {"verdict": "pass", "score": 1, "evidence": "blue"}
        if good
        else {"verdict": "fail", "score": 0, "evidence": ""}
    )
    return json.dumps({"nonce": nonce[1], **found})


def _reply(request: Request, *, good: bool) -> Behaviour:
    return Behaviour.text(_verdict(request, good=good))


def _answer(request: Request) -> Behaviour:
    """Answer cases whose id begins with "r" in red and all others in blue; the judge likes blue."""
    if _is_judges(request):
        return _reply(request, good="it is blue" in _text(request))
    return Behaviour.text("it is red" if _text(request).endswith(("r1", "r2")) else "it is blue")


def _broken(request: Request) -> Behaviour:
    return _reply(request, good=True) if _is_judges(request) else Behaviour.text("it is blue")


def _judge(project: Project, *lines: str) -> None:
    project.write("rubrics/tone.md", "The answer names the colour of the sea.")
    project.configure(
        "\n".join(['model = "candidate"', 'rubric = "rubrics/tone.md"', *lines, ""]), table="judges.tone"
    )


def _drift(project: Project, finding: DriftFinding = "drifted", checked: str = "2100-01-01T00:00:00Z") -> None:
    record = DriftRecord("tone", checked, "anchors.jsonl", finding)
    drift.write_drift(record, drift.drift_file(project.path / "calibration" / "tone.json"))


def _calibrate(project: Project, **changed: Any) -> None:
    """Write the record of a judge that erred in 2 of 30 good and 1 of 30 bad outputs."""
    rows = [{"id": f"l{i}", "output": "x", "label": "pass" if i < _HOLDS else "fail"} for i in range(2 * _HOLDS)]
    labels = project.write(_LABELS, "".join(json.dumps(row) + "\n" for row in rows))
    parts = parts_of_judge("tone", config_.load(project.path), root=project.path)
    held = {
        "judge": "tone",
        "fingerprint": fingerprint(parts, None),
        "parts": parts,
        "labels": _LABELS,
        "labels_sha256": digest(labels),
        "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "human_pass": _HOLDS,
        "judge_pass": _HOLDS - 2,
        "human_fail": _HOLDS,
        "judge_fail": _HOLDS - 1,
    }
    (project.path / "calibration").mkdir(exist_ok=True)
    calibrations.write(Calibration(**{**held, **changed}), project.path / "calibration" / "tone.json")


@pytest.fixture
def judged(project: Project, server: ScriptedServer) -> Project:
    """A suite of three good answers and two bad ones, whose judge may gate."""
    server.answer_with(_answer)
    project.write("ask.md", "What colour is {{ input }}?")
    target = '{ model = "candidate", prompt = "ask.md" }'
    project.write("ask.md", "{{ input }}")
    project.model_suite(server, "b1", "b2", "b3", "r1", "r2", target=target, scorers=_JUDGED)
    _judge(project, 'calibration = "calibration/tone.json"')
    _calibrate(project)
    return project


@_WORKERS
def test_a_judge_grades_what_the_target_answers(
    judged: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    assert judged.run(*args).ret == 0
    assert _asked(server) == (5, 5)
    assert judged.outcomes == {"b1": "passed", "b2": "passed", "b3": "passed", "r1": "missed", "r2": "missed"}
    verdict = judged.verdict
    assert verdict["calls"]["sent"] == 10
    [judge] = verdict["suites"]["faq"]["judges"]
    assert (judge["name"], judge["calibrated"], judge["why_not"], judge["scored"]) == ("tone", True, None, 5)
    assert judge["pass_rate"] == 0.6
    assert judge["labels"] == 2 * _HOLDS


def test_a_release_pack_has_the_calibration_and_its_labels(judged: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(judged.path)
    for command in (["init", "-q"], ["add", "-A", ":!.evalgate"], ["commit", "-qm", "first"]):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *command], check=True)
    judged.run()
    assert main(["evidence", "--out", ".evalgate/release"]) == 0
    pack = judged.state / "release"
    assert check_pack(pack, repository=judged.path).problems == ()
    [judge] = json.loads((pack / "models.json").read_text("ascii"))["judges"].values()
    assert (judge["model"], judge["labels"], len(judge["parts"])) == ("candidate", _LABELS, 8)
    labels = pack / "project" / _LABELS
    labels.write_text(labels.read_text("utf-8").replace("fail", "pass", 1), "utf-8")
    manifest = json.loads((pack / "manifest.json").read_text("ascii"))
    manifest["files"][f"project/{_LABELS}"] = hashlib.sha256(labels.read_bytes()).hexdigest()
    (pack / "manifest.json").write_bytes(to_bytes(manifest))
    assert check_pack(pack).problems[0].startswith(f"project/{_LABELS}: its labels are not those of runs/")


def test_only_what_has_changed_is_asked_again(judged: Project, server: ScriptedServer) -> None:
    judged.run()
    counts = [_asked(server)]
    judged.run()
    counts.append(_asked(server))  # nothing
    judged.write("ask.md", "Well: {{ input }}")
    judged.run()
    counts.append(_asked(server))  # the target's, whose answers are the same: so are the judge's
    judged.write("rubrics/tone.md", "The answer names the colour of the sky.")
    _calibrate(judged)
    judged.run()
    counts.append(_asked(server))  # the judge's
    assert counts == [(5, 5), (5, 5), (10, 5), (10, 10)]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (
            lambda project: (project.path / "calibration" / "tone.json").unlink(),
            "does not exist: write it with pytest-evalgate calibrate",
        ),
        (lambda project: project.write("rubrics/tone.md", "The answer names the color of the sea."), "rubric"),
        (lambda project: _calibrate(project, human_fail=3, judge_fail=3), "30"),
        (lambda project: _calibrate(project, created="2024-01-01T00:00:00Z"), "90"),
        (lambda project: _calibrate(project, judge_pass=15, judge_fail=15), "chance"),
        (_drift, "its anchors (anchors.jsonl) have drifted"),
        (lambda project: project.write(_LABELS, (project.path / _LABELS).read_text().replace("l7", "l70")), "label"),
    ],
    ids=["none", "another rubric", "few labels", "old", "worthless", "drifted", "another label"],
)
def test_a_judge_that_may_not_gate(judged: Project, spoil: Callable[[Project], object], why: str) -> None:
    spoil(judged)
    with pytest.raises(SettingsError, match="judge tone may not gate: ") as refused:
        judged.check()
    assert why in str(refused.value)


@_WORKERS
def test_a_judge_that_may_not_gate_is_refused_before_any_call(
    judged: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    (judged.path / "calibration" / "tone.json").unlink()
    result = judged.run(*args)
    assert (result.ret, server.calls) == (4, 0)
    assert "judge tone may not gate: " in result.stderr.str()


@pytest.mark.parametrize(
    ("finding", "checked"), [("steady", "2100-01-01T00:00:00Z"), ("drifted", "2020-01-01T00:00:00Z")]
)
def test_a_check_that_found_nothing_or_was_before_the_calibration_is_no_obstacle(
    judged: Project, finding: DriftFinding, checked: str
) -> None:
    _drift(judged, finding, checked)
    judged.check()


def test_a_judge_that_only_reports_decides_nothing(project: Project, server: ScriptedServer) -> None:
    server.answer_with(_answer)
    project.model_suite(server, "b1", "r1", scorers='[{ kind = "contains", value = "it is" }, { judge = "tone" }]')
    _judge(project, "report_only = true")
    assert project.run().ret == 0
    assert project.outcomes == {"b1": "passed", "r1": "passed"}
    assert [row["trials"][0]["scores"][1]["passed"] for row in project.rows.values()] == [True, False]
    [judge] = project.verdict["suites"]["faq"]["judges"]
    assert judge["calibrated"] is False
    assert "not calibrated" in judge["why_not"]


@_WORKERS
def test_a_suite_of_judges_that_only_report_runs_and_decides_nothing(
    project: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    server.answer_with(_answer)
    project.model_suite(server, "b1", "r1", scorers=_JUDGED)
    _judge(project, "report_only = true")
    result = project.run(*args)
    assert (result.ret, project.verdict["verdict"], project.verdict["exit_code"]) == (12, "not_evaluated", 12)
    assert project.outcomes == {"b1": "unscored", "r1": "unscored"}
    assert project.verdict["accounting"] == {
        "planned": 2, "passed": 0, "missed": 0, "errored": 0, "skipped": 0, "not_run": 0, "unscored": 2
    }  # fmt: skip
    suite = project.verdict["suites"]["faq"]
    assert (suite["pass_rate"], suite["judges"][0]["pass_rate"]) == (None, 0.5)
    [gate] = suite["gates"]
    assert (gate["result"], gate["message"]) == (
        "not_evaluated",
        (
            "nothing decides its cases: its judges only report; label some outputs: "
            "pytest-evalgate label sample --suite faq --out labels/faq.csv"
        ),
    )
    printed = " ".join(result.stdout.str().split())
    assert "2 unscored" in printed
    assert "pytest-evalgate label sample --suite faq --out labels/faq.csv" in printed


def test_labels_of_a_run_correct_the_run_that_follows_with_the_same_outputs(
    project: Project, server: ScriptedServer
) -> None:
    """A suite of judges that only report, its labels, its calibration, and the first run that gates."""
    server.answer_with(_answer)
    ids = [f"b{at}" for at in range(40)] + [f"c{at}r1" for at in range(40)]
    project.model_suite(server, *ids, scorers=_JUDGED)
    _judge(project, 'calibration = "calibration/tone.json"', "report_only = true")
    assert project.run().ret == 12
    assert main(["label", "sample", "--n", "70", "--out", "labels.csv"]) == 0
    with (project.path / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (project.path / "labels.csv").open("w", newline="") as file:
        sheet = csv.DictWriter(file, list(rows[0]))
        sheet.writeheader()
        sheet.writerows({**row, "label": "pass" if "blue" in row["output"] else "fail"} for row in rows)
    assert main(["calibrate", "tone", "--labels", "labels.csv"]) == 0
    configured = (project.path / "evalgate.toml").read_text().replace("report_only = true", "")
    (project.path / "evalgate.toml").write_text(configured)
    project.run()
    corrected = project.verdict["suites"]["faq"]["corrected"]
    assert (corrected["method"], corrected["value"]) == ("ppi", 0.5)
    assert project.verdict["suites"]["faq"]["judges"][0]["corrected"]["method"] == "ppi"


def test_an_unscored_case_is_none_that_missed_or_errored(project: Project, server: ScriptedServer) -> None:
    server.answer_with(lambda request: Behaviour.text("garbage") if _is_judges(request) else _answer(request))
    project.model_suite(server, "b1", scorers=_JUDGED)
    _judge(project, "report_only = true")
    assert project.run("--eval-fail-cases").ret == 12
    assert project.outcomes == {"b1": "unscored"}
    assert project.run("--eval-lf", "--lf").ret != 1


@pytest.mark.parametrize(("always", "judged_calls"), [("false", 3), ("true", 5)])
def test_a_judge_is_not_asked_where_a_rule_has_decided(
    judged: Project, server: ScriptedServer, always: str, judged_calls: int
) -> None:
    config = (judged.path / "evalgate.toml").read_text()
    rules = 'scorers = [{ judge = "tone" }, { kind = "not-contains", value = "red" }]\njudge_always = ' + always
    judged.write("evalgate.toml", config.replace('scorers = [{ judge = "tone" }]', rules))
    assert judged.run().ret == 0
    assert _asked(server) == (5, judged_calls)
    assert list(judged.outcomes.values()) == ["passed"] * 3 + ["missed"] * 2


def test_what_the_judge_cannot_say_is_missing(judged: Project, server: ScriptedServer) -> None:
    server.answer_with(lambda _: Behaviour.text("it is blue"))  # the judge repeats what it was shown
    result = judged.run()
    assert result.ret == judged.verdict["exit_code"] == 11
    assert set(judged.outcomes.values()) == {"errored"}
    [judge] = judged.verdict["suites"]["faq"]["judges"]
    assert (judge["scored"], judge["unreadable"]) == (0, 5)
    assert "retry the job" in result.stdout.str(), "unreadable replies are not cached, so the judge may recover"


def test_an_outage_of_a_judge_is_called_retryable(
    judged: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RetryPolicy, "pause_s", lambda *_: 0.01)
    outage = Behaviour.status(503)
    server.answer_with(lambda request: outage if _is_judges(request) else _answer(request))
    assert "exit 11: retry the job, not the prompt" in judged.run().stdout.str()


@pytest.mark.parametrize("draft", ["", "<think>{}</think>"])
def test_an_unreadable_verdict_is_asked_for_again_by_the_next_run(
    judged: Project, server: ScriptedServer, draft: str
) -> None:
    def prose(request: Request) -> Behaviour:
        if not _is_judges(request) or "it is red" in json.dumps(request.body):
            return _answer(request)
        return Behaviour.text(draft.format(_verdict(request, good=True)) + "I like it.")

    server.answer_with(prose)
    assert judged.run().ret == 11
    assert _asked(server) == (5, 8)  # three of them twice
    judged.run().stdout.fnmatch_lines(["*A re-run sends only 3 cases: the other answers are cached."])
    server.answer_with(_answer)
    assert judged.run().ret == 0
    assert _asked(server) == (5, 17)
    assert judged.run().ret == 0
    assert _asked(server) == (5, 17)


def test_a_readable_second_reply_is_not_paid_for_again(judged: Project, server: ScriptedServer) -> None:
    def second(request: Request) -> Behaviour:
        if not _is_judges(request):
            return _answer(request)
        asked = json.dumps(request.body)
        return _reply(request, good="it is blue" in asked) if "not be used" in asked else Behaviour.text("I like it.")

    server.answer_with(second)
    assert judged.run().ret == 0
    assert _asked(server) == (5, 10)
    assert judged.run().ret == 0
    assert _asked(server) == (5, 10)


@_WORKERS
def test_a_judge_that_cannot_tell_its_canaries_apart_makes_the_run_invalid(
    judged: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    canaries = [
        {"input": "the sea", "output": "it is blue", "verdict": "good"},
        {"input": "the sea", "output": "it is red", "verdict": "bad"},
    ]
    judged.write("canaries.jsonl", "".join(json.dumps(row) + "\n" for row in canaries))
    judged.configure('canaries = "canaries.jsonl"', table="judges.other")
    config = (judged.path / "evalgate.toml").read_text().replace("[judges.other]\n", "")
    judged.write("evalgate.toml", config)  # appended to the table of the judge, which stands last
    assert judged.run(*args).ret == 0
    assert _asked(server) == (5, 7)
    server.answer_with(_broken)
    judged.write("rubrics/tone.md", "The answer names the colour of the sky.")
    _calibrate(judged)
    result = judged.run(*args)
    assert result.ret == judged.verdict["exit_code"] == 4
    assert "1 of 2 canaries failed" in judged.verdict["problems"][0]


def test_the_estimate_counts_the_judges_calls(judged: Project, server: ScriptedServer) -> None:
    judged.run("--eval-estimate").stdout.fnmatch_lines(["this run will make 10 calls*"])
    assert server.calls == 0
    judged.run()
    judged.run("--eval-estimate").stdout.fnmatch_lines(["this run will make no calls: all 10 are cached"])


def _noted(request: Request) -> Behaviour:
    """Pass blue outputs, unless the note asks for red; say why."""
    if not _is_judges(request):
        return _answer(request)
    text = _text(request)
    found = json.loads(_verdict(request, good="it is blue" in text and "names red" not in text))
    return Behaviour.text(json.dumps({**found, "rationale": "The sea decides."}))


@_WORKERS
def test_each_note_of_a_row_is_a_score_of_the_suites_judge(
    judged: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    server.answer_with(_noted)
    rows = [
        {"id": "b1", "input": "b1", "rubric": ["names blue", "is brief"]},
        {"id": "b2", "input": "b2", "rubric": ["names blue", "names red"]},
        {"id": "b3", "input": "b3", "asserts": [{"kind": "rubric", "value": "is brief", "name": "brief"}]},
        {"id": "b4", "input": "b4", "rubric": "is brief"},
        {"id": "b5", "input": "b5"},
    ]
    judged.write("golden/faq.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    judged.run("--eval-estimate", *args).stdout.fnmatch_lines(["this run will make 12 calls*"])
    assert judged.run(*args).ret == 0
    assert _asked(server) == (5, 7)
    scores = {name: [score["name"] for score in row["trials"][0]["scores"]] for name, row in judged.rows.items()}
    assert scores == {
        "b1": ["tone:1", "tone:2"], "b2": ["tone:1", "tone:2"], "b3": ["tone:brief"], "b4": ["tone"], "b5": ["tone"]
    }  # fmt: skip
    assert judged.outcomes == {"b1": "passed", "b2": "missed", "b3": "passed", "b4": "passed", "b5": "passed"}
    assert judged.rows["b2"]["reason"] == "tone:2: fail - The sea decides."
    suite = judged.verdict["suites"]["faq"]
    [judge] = suite["judges"]
    assert (judge["name"], judge["scored"]) == ("tone", 7)
    assert "several verdicts on a case, one for each note" in json.dumps(suite)
    judged.run("--eval-estimate").stdout.fnmatch_lines(["this run will make no calls: all 12 are cached"])


@pytest.mark.parametrize(
    "row", [{"rubric": ["is brief", "is polite"]}, {"asserts": [{"kind": "rubric", "value": "is brief"}]}]
)
def test_a_note_in_a_suite_without_a_judge_is_refused_with_its_line(
    project: Project, server: ScriptedServer, row: dict[str, Any]
) -> None:
    project.model_suite(server, "b1", "b2", scorers='["exact"]')
    rows = [{"id": "b1", "input": "b1", "expected": "x"}, {"id": "b2", "input": "b2", "expected": "x", **row}]
    project.write("golden/faq.jsonl", "".join(json.dumps(one) + "\n" for one in rows))
    result = project.run()
    assert (result.ret, server.calls) == (4, 0)
    assert "golden/faq.jsonl:2: " in result.stderr.str()
    assert 'add { judge = "NAME" } to its scorers' in result.stderr.str()


def _checking(request: Request) -> Behaviour:
    """Split outputs into words, and support all but "red"."""
    if not _is_judges(request):
        return _answer(request)
    nonce, block = re.findall(r"\nBEGIN (\w{16})\n(.*)\n", _text(request))[-1]
    shown = json.loads(block)
    if isinstance(shown, str):
        return Behaviour.text(json.dumps({"nonce": nonce, "statements": shown.split()}))
    verdicts = [
        {
            "number": one["number"],
            "evidence": "" if no else "sea",
            "rationale": "So it is.",
            "verdict": "no" if no else "yes",
        }
        for one in shown
        for no in [one["text"] == "red"]
    ]
    return Behaviour.text(json.dumps({"nonce": nonce, "verdicts": verdicts}))


def test_a_share_is_graded_estimated_and_cached_as_other_judges(project: Project, server: ScriptedServer) -> None:
    server.answer_with(_checking)
    project.model_suite(
        server, "b1", "r1", scorers='[{ kind = "contains", value = "it is" }, { judge = "claims", threshold = 0.9 }]'
    )
    rows = [{"id": name, "input": name, "context": ["the sea"]} for name in ("b1", "r1")]
    project.write("golden/faq.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    project.configure('model = "candidate"\nrubric = "claims"\nreport_only = true\n', table="judges.claims")
    project.run("--eval-estimate").stdout.fnmatch_lines(["this run will make 6 calls*"])
    assert project.run().ret == 0
    assert _asked(server) == (2, 4)
    scores = {name: row["trials"][0]["scores"][1] for name, row in project.rows.items()}
    assert scores["b1"]["value"] == 1.0
    assert scores["r1"]["value"] == pytest.approx(2 / 3)
    assert (scores["r1"]["passed"], scores["r1"]["counts"], scores["r1"]["rationale"]) == (False, False, "So it is.")
    project.run("--eval-estimate").stdout.fnmatch_lines(["this run will make no calls: all 6 are cached"])
    project.run()
    assert _asked(server) == (2, 4)


def test_a_judge_of_a_part_is_counted_before_and_asked_about_the_part(judged: Project, server: ScriptedServer) -> None:
    path = judged.path / "evalgate.toml"
    judged.write("evalgate.toml", path.read_text("utf-8").replace(_JUDGED, '[{ judge = "tone", field = "text" }]'))
    judged.run("--eval-estimate").stdout.fnmatch_lines(["this run will make 10 calls*"])
    colour = json.dumps({"text": "it is blue", "internal": "it is red"})
    server.answer_with(
        lambda request: (
            _reply(request, good="red" not in _text(request))
            if _is_judges(request)
            else Behaviour.text("no JSON" if _text(request).endswith("r1") else colour)
        )
    )
    judged.run()
    assert _asked(server) == (5, 4)
    assert judged.outcomes == {**dict.fromkeys(("b1", "b2", "b3", "r2"), "passed"), "r1": "missed"}
    assert judged.rows["r1"]["reason"].startswith("tone: the output has no text: not JSON")


def test_a_golden_set_asks_no_judge(judged: Project, server: ScriptedServer) -> None:
    judged.golden("golden/faq.jsonl", "b1", asserts=[{"judge": "tone"}])
    result = judged.run()
    assert (result.ret, server.calls) == (4, 0)
    assert "a golden set cannot ask a model" in result.stderr.str()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('model = "gone"\ncriteria = "x"', 'judges.bad.model: no model is named "gone"; the models are: candidate'),
        ('model = "candidate"', "a judge needs either rubric"),
        ('model = "candidate"\ncriteria = "x"\nvotes = 2', "votes = 2: must be odd"),
    ],
)
def test_what_is_wrong_with_a_judge_is_said_at_once(
    judged: Project, server: ScriptedServer, text: str, message: str
) -> None:
    judged.configure(text, table="judges.bad")
    result = judged.run()
    assert (result.ret, server.calls) == (4, 0)
    assert message in result.stderr.str()
