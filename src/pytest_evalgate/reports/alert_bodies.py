"""Bodies of alerts, for Slack, PagerDuty and any other receiver of JSON.

A message for Slack::

    *faq: FAIL* -15.0 pp (-23.1..-6.9)
    11 worse, 2 better vs faq.json
    owner: search team
    since run 20261121T101500Z-3f9c (commit 1a2b3c4)
    • code: commit 1a2b3c4 -> 5d6e7f8
    <https://wiki.example/evals#fail|runbook>
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.text.escape import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.config import NotifyFormat
    from pytest_evalgate.records.alerts import Alert, AlertedRun, AlertKind

_TITLES: Final[Mapping[AlertKind, str]] = {
    "fail": "FAIL",
    "recovered": "passes again",
    "trend": "declines",
    "drift": "judge has drifted",
    "stalled": "no decision",
    "cost": "cost",
}
_SEVERITY: Final[Mapping[AlertKind, str]] = {
    "fail": "error",
    "recovered": "info",
    "trend": "warning",
    "drift": "warning",
    "stalled": "error",
    "cost": "warning",
}
"""Severity in PagerDuty's Events API v2."""

_PAGE: Final = "docs/runbooks.md"
_SCHEMA: Final = 1
_LONGEST: Final = 600
_LONGEST_SUMMARY: Final = 1000  # of PagerDuty: 1,024
_MOST_BLOCKS: Final = 45  # of Slack: 50


def bodies(form: NotifyFormat, run: AlertedRun, alerts: Sequence[Alert], runbook: str | None) -> list[dict[str, Any]]:
    """Return the bodies of the requests: one for all alerts, in PagerDuty one for each, without its routing key.

    ``runbook`` is the URL of the runbooks.
    """
    if form == "pagerduty":
        return [_event(run, alert, runbook) for alert in alerts]
    return [_slack(run, alerts, runbook) if form == "slack" else _json(run, alerts, runbook)]


def _title(alert: Alert) -> str:
    return f"{alert.subject}: {_TITLES[alert.kind]}" if alert.subject else _TITLES[alert.kind]


def _link(alert: Alert, runbook: str | None) -> str:
    return f"{runbook or _PAGE}#{alert.kind}"


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _facts(run: AlertedRun) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "created": run.created,
        "commit": run.commit,
        "tier": run.tier,
        "verdict": run.verdict,
        "exit_code": run.exit_code,
    }


def _fields(alert: Alert, runbook: str | None) -> dict[str, Any]:
    return {
        "event": alert.kind,
        "subject": alert.subject,
        "owner": alert.owner,
        "what": _short(alert.what),
        "amount": _short(alert.amount),
        "since": alert.since,
        "causes": list(map(_short, alert.causes)),
        "runbook": _link(alert, runbook),
    }


def _json(run: AlertedRun, alerts: Sequence[Alert], runbook: str | None) -> dict[str, Any]:
    return {
        "schema": _SCHEMA,
        "source": "pytest-evalgate",
        **_facts(run),
        "alerts": [_fields(alert, runbook) for alert in alerts],
    }


def _slack(run: AlertedRun, alerts: Sequence[Alert], runbook: str | None) -> dict[str, Any]:
    commit = f", commit {run.commit[:7]}" if run.commit else ""
    head = f"eval gate: {run.verdict} (exit {run.exit_code}), run {run.run_id}{commit}"
    texts = [head, *(_slack_text(alert, runbook) for alert in alerts[:_MOST_BLOCKS])]
    if len(alerts) > _MOST_BLOCKS:
        texts.append(f"and {len(alerts) - _MOST_BLOCKS} more")
    summary = "; ".join(map(_title, alerts))
    return {
        "text": _mrkdwn(_short(f"eval gate: {summary}")),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text}} for text in texts],
    }


def _slack_text(alert: Alert, runbook: str | None) -> str:
    lines = [f"*{_mrkdwn(_title(alert))}* {_mrkdwn(_short(alert.amount))}".rstrip(), _mrkdwn(_short(alert.what))]
    lines += [f"owner: {_mrkdwn(_short(alert.owner))}"] if alert.owner else []
    lines += [f"since {_mrkdwn(alert.since)}"] if alert.since else []
    lines += [f"• {_mrkdwn(_short(cause))}" for cause in alert.causes]
    link = _link(alert, runbook)
    return "\n".join([*lines, f"<{link}|runbook>" if runbook else f"runbook: {link}"])


def _mrkdwn(text: str) -> str:
    """Escape a text for Slack, so that it can neither mention a channel nor contain a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _event(run: AlertedRun, alert: Alert, runbook: str | None) -> dict[str, Any]:
    """Return an event of PagerDuty; ``recovered`` resolves the incident of ``fail`` with the same subject."""
    kind: AlertKind = "fail" if alert.kind == "recovered" else alert.kind
    key = f"pytest-evalgate/{kind}/{run.tier}/{alert.subject}"
    summary = f"{_title(alert)} {_short(alert.amount)}: {_short(alert.what)}"
    event = {
        "event_action": "resolve" if alert.kind == "recovered" else "trigger",
        "dedup_key": hashlib.sha256(key.encode()).hexdigest(),
        "client": "pytest-evalgate",
        "payload": {
            "summary": summary[:_LONGEST_SUMMARY],
            "source": "pytest-evalgate",
            "severity": _SEVERITY[alert.kind],
            "timestamp": run.created,
            "component": alert.subject or "run",
            "class": alert.kind,
            "custom_details": {**_facts(run), **_fields(alert, runbook)},
        },
    }
    return event | ({"links": [{"href": _link(alert, runbook), "text": "runbook"}]} if runbook else {})
