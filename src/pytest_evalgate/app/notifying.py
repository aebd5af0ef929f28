"""Notification: send the events of a decided run to the configured webhooks. A failure is one line, and no more."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from pytest_evalgate.records.alerts import AlertedRun
from pytest_evalgate.runs.state import in_ci
from pytest_evalgate.text.wording import count, first_few

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.app.decide import RunDecider
    from pytest_evalgate.config import Notify
    from pytest_evalgate.engine.webhook import Message
    from pytest_evalgate.records.alerts import Alert
    from pytest_evalgate.records.results import Run
    from pytest_evalgate.records.verdicts import Verdict
    from pytest_evalgate.text.redaction import Redactor

_PAGERDUTY: Final = "https://events.pagerduty.com/v2/enqueue"
_INTEGRATION_KEY: Final = re.compile(r"[0-9A-Za-z]{32}")


class _Unusable(Exception):  # noqa: N818 - a reason, caught below
    """A variable whose value cannot be used. The message does not contain it."""


def notify(
    run: Run,
    facts: Mapping[str, str],
    verdict: Verdict,
    decider: RunDecider,
    redactor: Redactor,
    environ: Mapping[str, str] = os.environ,
) -> Iterator[str]:
    """Send the events of a run, and yield a line about each webhook that had one. Takes 10 s at most; never raises.

    A webhook whose variable is not set is skipped; in CI, where it is probably a mistake, with a line.
    """
    if not decider.settings.notify:
        return
    try:
        yield from _notify(run, facts, verdict, decider, redactor, environ)
    except Exception as error:  # noqa: BLE001 - nothing here may change a verdict or an exit code
        yield redactor.redact(f"notify: nothing was sent: {type(error).__name__}: {error}; the verdict is unchanged")


def _notify(
    run: Run,
    facts: Mapping[str, str],
    verdict: Verdict,
    decider: RunDecider,
    redactor: Redactor,
    environ: Mapping[str, str],
) -> Iterator[str]:
    from pytest_evalgate.app.alerting import AlertFinder  # noqa: PLC0415 - only if webhooks are configured
    from pytest_evalgate.engine.webhook import send_all  # noqa: PLC0415 - the same
    from pytest_evalgate.reports.alert_bodies import bodies  # noqa: PLC0415 - the same

    settings = decider.settings
    with_reasons = settings.report.content != "none" and not settings.report.redact
    finder = AlertFinder(run, facts, verdict, decider, with_reasons=with_reasons)
    about = AlertedRun(run.id, run.created, run.commit, verdict.tier, verdict.verdict, verdict.exit_code)
    sent: list[tuple[Notify, Sequence[Alert], list[Message]]] = []
    for webhook in settings.notify:
        found = finder.find(webhook.on)
        if not found:
            continue
        name = webhook.webhook_env
        value = environ.get(name, "").strip()
        if not value:
            if in_ci(environ):
                yield f"notify: {name} is not set, so {_named(found)} was not sent; the verdict is unchanged"
            continue
        redacted = redactor.redact_json(bodies(webhook.format, about, found, webhook.runbook))
        try:
            sent.append((webhook, found, _messages(webhook, value, redacted)))
        except _Unusable as reason:
            yield f"notify: {name}: {reason}; the verdict is unchanged"
    reasons = iter(send_all([message for _, _, messages in sent for message in messages]))
    for webhook, alerts, messages in sent:
        failed = list(dict.fromkeys(filter(None, (next(reasons) for _ in messages))))
        if failed:
            yield f"notify: {webhook.webhook_env}: {_named(alerts)} not sent: {failed[0]}; the verdict is unchanged"
        else:
            yield f"notify: sent {_named(alerts)} to {webhook.webhook_env}"


def _named(alerts: Sequence[Alert]) -> str:
    return f"{count(len(alerts), 'alert')} ({first_few(list(dict.fromkeys(alert.kind for alert in alerts)), 6)})"


def _messages(webhook: Notify, value: str, redacted: Sequence[dict[str, Any]]) -> list[Message]:
    """Return the requests to a webhook. Redaction comes first: the key of PagerDuty is part of its body.

    Raises:
        _Unusable: the value of the variable is neither a URL nor, for PagerDuty, an integration key.
    """
    from pytest_evalgate.engine.webhook import Message  # noqa: PLC0415 - only if there is an event

    extra = {}
    if webhook.format == "pagerduty":
        value, extra["routing_key"] = _pagerduty(value)
    if not value.lower().startswith(("https://", "http://")):
        raise _Unusable("its value must be a URL that begins with https://")
    return [Message(value, json.dumps({**body, **extra}).encode("ascii")) for body in redacted]


def _pagerduty(value: str) -> tuple[str, str]:
    """Return the URL and the routing key in the value of a variable."""
    if _INTEGRATION_KEY.fullmatch(value):
        return _PAGERDUTY, value
    parts = urlsplit(value)
    keys = parse_qs(parts.query).get("routing_key", [])
    if len(keys) != 1:
        raise _Unusable(
            "its value must be an integration key of 32 characters, or https://HOST/v2/enqueue?routing_key=KEY"
        )
    return parts._replace(query="").geturl(), keys[0]
