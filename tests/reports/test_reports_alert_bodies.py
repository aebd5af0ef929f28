from __future__ import annotations

import json
import re
import tomllib
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from pytest_evalgate.config import Notify
from pytest_evalgate.records.alerts import Alert, AlertedRun
from pytest_evalgate.reports.alert_bodies import bodies

_RUN = AlertedRun("r2", "2026-01-03T00:00:00Z", "5d6e7f8a9b", "default", "fail", 1)
_ALERT = Alert(
    "fail", "faq", "11 worse, 2 better vs faq.json", "-15.0 pp (-23.1..-6.9)", "run r1 (commit 1a2b3c4)",
    ("prompt: a.md (1) -> a.md (2)", "code: commit 1a2b3c4 -> 5d6e7f8"), "search team",
)  # fmt: skip
_PAGE = Path(__file__).parents[2] / "docs" / "tell-slack.md"
_WIKI = "https://wiki.example/evals"


def test_json_has_what_by_how_much_since_when_why_and_the_runbook() -> None:
    (body,) = bodies("json", _RUN, [_ALERT], _WIKI)
    assert body["run_id"] == "r2"
    assert body["exit_code"] == 1
    assert body["alerts"] == [
        {
            "event": "fail",
            "subject": "faq",
            "owner": "search team",
            "what": "11 worse, 2 better vs faq.json",
            "amount": "-15.0 pp (-23.1..-6.9)",
            "since": "run r1 (commit 1a2b3c4)",
            "causes": ["prompt: a.md (1) -> a.md (2)", "code: commit 1a2b3c4 -> 5d6e7f8"],
            "runbook": "https://wiki.example/evals#fail",
        }
    ]


def test_slack_shows_the_same_as_text() -> None:
    (body,) = bodies("slack", _RUN, [_ALERT], _WIKI)
    head, text = (block["text"]["text"] for block in body["blocks"])
    assert head == "eval gate: fail (exit 1), run r2, commit 5d6e7f8"
    assert text == (
        "*faq: FAIL* -15.0 pp (-23.1..-6.9)\n11 worse, 2 better vs faq.json\nowner: search team\n"
        "since run r1 (commit 1a2b3c4)\n"
        "• prompt: a.md (1) -&gt; a.md (2)\n• code: commit 1a2b3c4 -&gt; 5d6e7f8\n"
        "<https://wiki.example/evals#fail|runbook>"
    )


def test_the_page_about_slack_shows_this_message_and_these_fields() -> None:
    page = _PAGE.read_text("utf-8")
    settings, shown = (block for block in re.findall(r"^```\w*\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))
    (slack,) = bodies("slack", _RUN, [_ALERT], _WIKI)
    assert shown == unescape("".join(f"{block['text']['text']}\n" for block in slack["blocks"]))
    (webhook,) = tomllib.loads(settings)["notify"]
    assert Notify.model_validate(webhook).runbook == _WIKI
    (body,) = bodies("json", _RUN, [_ALERT], _WIKI)
    assert all(f"`{field}`" in page for field in body["alerts"][0])


def test_a_text_of_users_cannot_mention_a_channel_in_slack() -> None:
    (body,) = bodies("slack", _RUN, [Alert("stalled", "", "<!channel> <https://evil.example|look>\n*x*")], None)
    text = json.dumps(body)
    assert "<!" not in text
    assert "<https" not in text
    assert "runbook: docs/runbooks.md#stalled" in text


def test_long_texts_and_many_alerts_stay_below_the_limits_of_slack() -> None:
    alerts = [Alert("fail", f"s{number}", "x" * 5000, causes=("y" * 5000,)) for number in range(80)]
    (body,) = bodies("slack", _RUN, alerts, None)
    assert len(body["blocks"]) <= 50
    assert all(len(block["text"]["text"]) <= 3000 for block in body["blocks"])


def test_a_recovery_resolves_the_incident_of_the_failure() -> None:
    def event(alert: Alert) -> dict[str, Any]:
        (body,) = bodies("pagerduty", _RUN, [alert], _WIKI)
        return body

    failed, recovered = event(_ALERT), event(Alert("recovered", "faq", "passes after 2 failed runs"))
    assert (failed["event_action"], recovered["event_action"]) == ("trigger", "resolve")
    assert failed["dedup_key"] == recovered["dedup_key"]
    assert failed["dedup_key"] != event(Alert("fail", "other", ""))["dedup_key"]
    assert failed["payload"]["severity"] == "error"
    assert failed["links"] == [{"href": f"{_WIKI}#fail", "text": "runbook"}]
    assert "routing_key" not in failed


@pytest.mark.parametrize("kind", ["fail", "recovered", "trend", "drift", "stalled", "cost"])
def test_every_event_has_a_severity_that_pagerduty_knows(kind: Any) -> None:
    (body,) = bodies("pagerduty", _RUN, [Alert(kind, "faq", "x" * 2000)], None)
    assert body["payload"]["severity"] in {"critical", "error", "warning", "info"}
    assert len(body["payload"]["summary"]) <= 1024
    assert "links" not in body
