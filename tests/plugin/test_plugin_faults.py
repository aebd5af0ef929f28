"""Every fault of an endpoint as the user sees it: what becomes of the case, what was sent, what is said."""

from __future__ import annotations

import base64
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from tests.support.behaviours import QUOTA_CODES, Behaviour

from pytest_evalgate.engine.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.plugin.conftest import Project
    from tests.support.replies import Request
    from tests.support.server import ScriptedServer

_CLIENTS = ("openai", "http")
_HANGS = {"timeout_s": "0.3"}
"""Meant to fire. On a busy machine it fires for the other cases as well, which then are asked again."""


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pauses between attempts short, in this process."""
    monkeypatch.setattr(RetryPolicy, "pause_s", lambda *_: 0.01)


def _asking_for(id_: str, fault: Behaviour) -> Callable[[Request], Behaviour]:
    """Have one case meet the fault, and all others an answer."""
    return lambda request: fault if request.body["messages"][-1]["content"] == id_ else Behaviour.text("yes")


@dataclass(frozen=True)
class Row:
    """A fault that case b meets, and what becomes of it."""

    fault: Behaviour
    sent: int
    says: str
    outcome: str = "errored"
    code: int = 11
    model: Mapping[str, str] = field(default_factory=dict)


_ROWS = {
    "F03 429 for ever": Row(Behaviour.rate_limited(0), 5, "5 attempts: 429 rate limit (last Retry-After 0 s)"),
    "F09 the same 500": Row(Behaviour.status(500), 3, "3 attempts: 500 server error"),
    "F10 503": Row(Behaviour.status(503), 5, "5 attempts: 503 unavailable"),
    "F10 529": Row(Behaviour.status(529), 5, "5 attempts: 529 unavailable"),
    "F11 reset": Row(Behaviour.reset(), 5, "5 attempts: no connection"),
    "F12 hangs": Row(Behaviour.hang(), 5, "5 attempts: timeout: no complete reply within 0.", model=_HANGS),
    "F12 trickles": Row(Behaviour.trickle(60, 0.1), 5, "timeout: no complete reply within 0.", model=_HANGS),
    "F13 torn": Row(Behaviour.truncated(), 3, "3 attempts: 200 malformed reply"),
    "F13 a page": Row(Behaviour.html(), 3, "3 attempts: 200 malformed reply"),
    "F13 an error inside 200": Row(Behaviour.error_object(), 3, "3 attempts: 200 server error"),
    "F13 no choices": Row(Behaviour.no_choices(), 3, "3 attempts: 200 malformed reply"),
    "F13 null for choices": Row(Behaviour.no_choices(null=True), 3, "3 attempts: 200 malformed reply"),
    "400": Row(Behaviour.status(400), 1, "1 attempt: 400 refused"),
    "a 403 about the input": Row(
        Behaviour.status(403, {"error": {"message": "Your input was flagged"}}), 1, "filter withheld", "missed", 0
    ),
    "a prompt that is too long": Row(
        Behaviour.status(400, {"error": {"message": "no", "code": "context_length_exceeded"}}),
        1,
        "the prompt is longer than the model's context",
        "missed",
        0,
    ),
    "F14 filtered": Row(Behaviour.content_filter(), 1, "the endpoint's content filter withheld", "missed", 0),
    "F14 refused": Row(Behaviour.refusal(), 1, "the model refused", "missed", 0),
    "F14 cut off": Row(Behaviour.cut_off(), 1, "cut off at the token limit: raise max_tokens", "missed", 0),
}


@pytest.mark.parametrize("client", _CLIENTS)
@pytest.mark.parametrize("row", _ROWS.values(), ids=_ROWS.keys())
def test_what_becomes_of_a_case(project: Project, server: ScriptedServer, row: Row, client: str) -> None:
    project.model_suite(server, "a", "b", "c", model={"client": f'"{client}"', **row.model})
    server.answer_with(_asking_for("b", row.fault))
    results = project.answer()
    asked = Counter(project.asked(server))
    if row.model is _HANGS:  # on a busy machine, an attempt can time out before the server has read its request
        assert 1 <= asked["b"] <= row.sent
    else:
        assert asked == {"a": 1, "b": row.sent, "c": 1}
    assert {id_: result.outcome for id_, result in results.items()} == {"a": "passed", "b": row.outcome, "c": "passed"}
    reason = results["b"].reason
    assert row.says in reason
    if row.outcome == "errored":
        assert server.base_url in reason
    (call,) = results["b"].trials[0].calls
    assert call.attempts == row.sent


@pytest.mark.parametrize("fault", ["F09 the same 500", "F14 filtered"])
def test_a_session_with_a_fault_and_the_next_one(project: Project, server: ScriptedServer, fault: str) -> None:
    row = _ROWS[fault]
    project.model_suite(server, "a", "b", "c")
    server.answer_with(_asking_for("b", row.fault))
    result = project.run()
    assert result.ret == project.verdict["exit_code"] == row.code
    assert project.outcomes == {"a": "passed", "b": row.outcome, "c": "passed"}
    assert row.says in project.rows["b"]["reason"]
    asked = Counter(project.asked(server))
    server.script(Behaviour.text("yes"))
    assert project.run().ret == 0  # an output that is not complete is requested again
    assert Counter(project.asked(server)) - asked == {"b": 1}


@pytest.mark.parametrize("client", _CLIENTS)
@pytest.mark.parametrize(
    "fault",
    [
        Behaviour.rate_limited(0.05),
        Behaviour.rate_limited(50, form="milliseconds"),
        Behaviour.rate_limited(0, form="date", skew_s=3600),
        *(Behaviour.rate_limited(text) for text in ("soon", "-5", "inf", "nan", "1e99")),
    ],
    ids=["F01 seconds", "F01 milliseconds", "F02 date", "soon", "negative", "inf", "nan", "1e99"],
)
def test_a_429_is_waited_for_and_lost_is_nothing(
    project: Project, server: ScriptedServer, fault: Behaviour, client: str
) -> None:
    project.model_suite(server, "a", "b", model={"client": f'"{client}"'})
    server.queue(fault)
    results = project.answer()
    assert [result.outcome for result in results.values()] == ["passed", "passed"]
    assert sorted(call.attempts for result in results.values() for call in result.trials[0].calls) == [1, 2]
    assert server.calls == 3


def test_f04_a_server_that_asks_to_wait_for_longer_than_the_run_may_take_ends_it(
    project: Project, server: ScriptedServer
) -> None:
    project.model_suite(server, "a", "b", "c", model={"max_concurrency": "1"})
    project.configure("max_duration_s = 30")
    server.queue(Behaviour.text("yes"), Behaviour.rate_limited(3600))
    assert project.run().ret == 11
    assert server.calls == 2
    assert "asks to wait 3600 s, beyond the end of this run: run again later" in project.rows["c"]["reason"]


def test_a_403_before_any_success_ends_the_run(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, *"abcd", model={"max_concurrency": "1"})
    server.script(Behaviour.unauthorized(403))
    results = project.answer()
    assert server.calls == 1
    assert {result.outcome for result in results.values()} == {"errored"}
    assert "check the environment variable CANDIDATE_KEY" in results["d"].reason


def test_a_403_after_a_success_concerns_its_case(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, *"abcd", model={"max_concurrency": "1"})
    server.queue(Behaviour.text("yes"))
    server.answer_with(_asking_for("c", Behaviour.unauthorized(403)))
    results = project.answer()
    assert {id_: result.outcome for id_, result in results.items()} == dict.fromkeys("abd", "passed") | {
        "c": "errored"
    }
    assert "CANDIDATE_KEY" not in results["c"].reason


_FATAL = {
    **{f"F05 {code}": (Behaviour.quota(code), "add credit or raise the limit") for code in QUOTA_CODES},
    "F05 402": (Behaviour.quota(status=402), "add credit or raise the limit"),
    "F06 401": (Behaviour.unauthorized(), "check the environment variable CANDIDATE_KEY"),
    "F08 unknown model": (Behaviour.unknown_model(), "check the model name 'gpt-x-mini' and base_url"),
}


def _fails_after_two(project: Project, server: ScriptedServer, fault: Behaviour, client: str) -> None:
    project.model_suite(server, *"abcdefgh", model={"client": f'"{client}"', "max_concurrency": "1"})
    server.queue(Behaviour.text("yes"), Behaviour.text("yes"))
    server.script(fault)


@pytest.mark.parametrize(("fault", "says"), _FATAL.values(), ids=_FATAL.keys())
@pytest.mark.parametrize("client", _CLIENTS)
def test_what_no_call_can_mend_ends_the_run(
    project: Project, server: ScriptedServer, fault: Behaviour, says: str, client: str
) -> None:
    _fails_after_two(project, server, fault, client)
    results = project.answer()
    assert server.calls == 3
    assert [result.outcome for result in results.values()] == ["passed"] * 2 + ["errored"] * 6
    assert says in results["c"].reason
    assert says in results["h"].reason


def test_a_session_that_was_ended_is_resumed(project: Project, server: ScriptedServer) -> None:
    _fails_after_two(project, server, Behaviour.unauthorized(), "openai")
    result = project.run()
    assert result.ret == project.verdict["exit_code"] == 11
    resume = "run the same command again to resume this run: cached replies are not requested again"
    result.stdout.fnmatch_lines(["STOPPED: *", f"fix the reasons, then {resume}"])
    server.script(Behaviour.text("yes"))
    assert project.run().ret == 0
    assert server.calls == 3 + 6


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "n2"])
def test_f07_a_missing_key_is_refused_before_anything_is_sent(
    project: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    project.model_suite(server, "a", "b")
    monkeypatch.delenv("CANDIDATE_KEY")
    result = project.run(*args)
    assert result.ret == 4
    assert server.calls == 0
    result.stdout.fnmatch_lines(
        ["*INVALID: *models.candidate.api_key_env: the environment variable CANDIDATE_KEY is*"]
    )
    assert project.verdict["exit_code"] == 4
    assert project.verdict["verdict"] == "invalid"


def test_an_endpoint_that_fails_for_all_is_left_alone_after_ten_calls(
    project: Project, server: ScriptedServer
) -> None:
    project.model_suite(server, *(f"case-{number:02}" for number in range(40)), model={"max_concurrency": "2"})
    server.script(Behaviour.status(400))
    assert project.run().ret == 11
    assert 10 <= server.calls <= 12
    assert "10 of the last 10 calls to" in project.rows["case-39"]["reason"]
    assert set(project.outcomes.values()) == {"errored"}


def test_a_refused_connection_names_the_endpoint(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", model={"base_url": '"http://127.0.0.1:9/v1"'})
    assert project.run().ret == 11
    assert "http://127.0.0.1:9/v1" in project.rows["a"]["reason"]
    assert server.calls == 0


def _forms(key: str) -> list[str]:
    encoded = base64.b64encode(key.encode()).decode().rstrip("=")
    return [key, quote(key, safe=""), encoded, base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")]


def _repeating(status: int, form: str) -> Behaviour:
    return Behaviour.status(status, {"error": {"message": f"wrong key: {form} it is", "code": form}})


@pytest.mark.parametrize("client", _CLIENTS)
@pytest.mark.parametrize("args", [(), ("-n2",), ("--eval-fail-cases", "-l", "-vv")], ids=" ".join)
def test_the_key_is_shown_nowhere(
    project: Project, server: ScriptedServer, key: str, client: str, args: tuple[str, ...]
) -> None:
    project.model_suite(server, *"abcdefg", model={"client": f'"{client}"'})
    faults = [_repeating(400, form) for form in _forms(key)]
    faults += [_repeating(200, key), Behaviour.html(), _repeating(401, key)]
    server.queue(*faults)
    result = project.run(*args)
    assert result.ret != 0
    assert any(request.headers["authorization"] == f"Bearer {key}" for request in server.requests)
    shown = result.stdout.str() + result.stderr.str()
    assert "wrong key: ***" in "".join(row.get("reason", "") for row in project.rows.values())
    files = b"".join(path.read_bytes() for path in project.path.rglob("*") if path.is_file())
    for form in _forms(key):
        assert form not in shown
        assert form.encode() not in files


_WARNING = """
def answer(question):
    import os, warnings
    warnings.warn("made with " + os.environ["CANDIDATE_KEY"])
    return "yes"
"""


def test_the_key_is_not_shown_in_a_warning(project: Project, server: ScriptedServer, key: str) -> None:
    project.python_suite(_WARNING, "a")
    project.model_suite(server, "u", name="model")
    shown = project.run().stdout.str()
    assert "UserWarning: made with ***" in shown
    assert key not in shown


_CRASHING = """
def answer(question):
    note(question)
    if question == "c":
        import os, sqlite3, time
        until = time.monotonic() + 60
        while time.monotonic() < until:  # until all other answers are stored
            time.sleep(0.5)  # xdist ends with an internal error if a worker dies while it is sent its tests
            with sqlite3.connect("file:.evalgate/cache/cache.db?mode=ro", uri=True) as cache:
                if cache.execute("SELECT COUNT(*) FROM Cache").fetchone()[0] == 8:
                    break
        os._exit(0)
    return "yes"
"""


def test_f18_a_worker_that_dies_costs_its_case_and_keeps_what_was_answered(
    project: Project, server: ScriptedServer
) -> None:
    project.python_suite(_CRASHING, *"abcdef")
    project.model_suite(server, *"uvw", name="model")
    assert project.run("-n2").ret == 1
    assert project.verdict["verdict"] == "incomplete"
    assert project.outcomes == dict.fromkeys("abdefuvw", "passed") | {"c": "errored"}
    assert Counter(project.asked(server)) == dict.fromkeys("uvw", 1)


def _said_once(result: pytest.RunResult, text: str) -> bool:
    return result.stdout.str().count(text) == 1


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "n2"])
def test_f30_a_cache_that_cannot_be_made_is_done_without_and_said_once(
    project: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    project.model_suite(server, "a", "b")
    project.write(".evalgate/cache", "a file where a folder should be")
    result = project.run(*args)
    assert result.ret == 0
    assert server.calls == 2
    assert _said_once(result, "cache: no cache in ")


def test_f30_a_corrupt_cache_is_put_aside_and_said_once(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", "b")
    project.write(".evalgate/cache/cache.db", "SQLite format 3\0" + "garbage" * 1000)
    result = project.run()
    assert result.ret == 0
    assert _said_once(result, "cache: cache.db was moved to cache.db.corrupt-")
    assert list((project.state / "cache").glob("cache.db.corrupt-*"))
    assert not _said_once(project.run(), "cache:")
    assert server.calls == 2


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "n2"])
def test_f29_a_full_disk_costs_the_memory_and_no_answer(
    project: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    project.model_suite(server, "a", "b")
    project.write(
        "conftest.py",
        "import sqlite3\n"
        "from pytest_evalgate.engine.cache.store import ReplyCache\n"
        "def full(self, sealed):\n"
        "    raise sqlite3.OperationalError('database or disk is full')\n"
        "ReplyCache._write = full\n",
    )
    with pytest.MonkeyPatch.context() as patch:
        from pytest_evalgate.engine.cache.store import ReplyCache  # noqa: PLC0415 - to put back what is patched

        patch.setattr(ReplyCache, "_write", ReplyCache._write)
        result = project.run(*args)
    assert result.ret == 0
    assert project.verdict["accounting"]["passed"] == server.calls == 2
    assert _said_once(result, "cache: cache.db is no longer written: database or disk is full")


def test_f30_a_locked_cache_is_done_without(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a")
    project.run()
    holder = sqlite3.connect(project.state / "cache/cache.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    result = project.run()
    holder.close()
    assert result.ret == 0
    assert _said_once(result, "cache: no cache in ")


def test_f30_an_entry_that_was_forged_is_not_used(
    project: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.model_suite(server, "a", "b")
    project.run()
    monkeypatch.setenv("EVALGATE_CACHE_KEY", "another key, of sixteen letters")
    result = project.run()
    assert result.ret == 0
    assert server.calls == 4
    assert _said_once(result, "found an entry that was changed, or written with another key: not used")


def test_a_cache_without_a_key_is_called_unauthenticated(
    project: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.model_suite(server, "a")
    monkeypatch.setenv("CI", "true")
    result = project.run()
    assert result.ret == 0
    assert _said_once(result, "cache: unauthenticated")
    monkeypatch.setenv("EVALGATE_CACHE_KEY", "a key of sixteen letters or more")
    assert "cache: unauthenticated" not in project.run().stdout.str()


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "n2"])
def test_f29_nothing_is_sent_where_the_plan_cannot_be_written(
    project: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    project.model_suite(server, "a", "b")
    project.write(".evalgate/runs", "a file where a folder should be")
    assert project.run(*args).ret != 0
    assert server.calls == 0


_APPLICATION = {
    "answers": (Behaviour.reply({"answer": "yes"}), 1, "passed", ""),
    "is down": (Behaviour.status(503), 5, "missed", "5 attempts: 503 unavailable"),
    "fails": (Behaviour.status(500, "boom"), 3, "missed", "3 attempts: 500 server error: boom"),
    "finds nothing": (Behaviour.status(404), 1, "missed", "1 attempt: 404 refused"),
    "refuses the input": (Behaviour.status(422, "too long"), 1, "missed", "1 attempt: 422 refused: too long"),
    "limits the rate": (Behaviour.rate_limited(0), 5, "errored", "5 attempts: 429 rate limit"),
    "hangs up": (Behaviour.reset(), 5, "errored", "5 attempts: no connection"),
    "redirects": (
        Behaviour.status(307, headers={"Location": "/ask/"}),
        1,
        "errored",
        "1 attempt: 307: it redirects to /ask/: write that as url (http://",
    ),
    "redirects to a login page": (
        Behaviour.status(302, headers={"Location": "https://me:pass@sso.example.org/login?to=1"}),
        1,
        "errored",
        "1 attempt: 302: it redirects to https://sso.example.org/login: check url (http://",
    ),
    "answers otherwise": (Behaviour.reply({"text": "yes"}), 1, "missed", "in the reply, there is"),
    "refuses the key": (Behaviour.unauthorized(), 1, "errored", "check the environment variable CANDIDATE_KEY"),
}


@pytest.mark.parametrize(("behaviour", "sent", "outcome", "says"), _APPLICATION.values(), ids=_APPLICATION.keys())
def test_an_application_behind_http(
    project: Project, server: ScriptedServer, behaviour: Behaviour, sent: int, outcome: str, says: str
) -> None:
    url = server.base_url.replace("/v1", "/ask")
    project.suite(
        {"a": None},
        target=f'{{ http = {{ url = "{url}", body = {{ q = "{{{{ input }}}}" }}, output = "answer", '
        'headers_env = { Authorization = "CANDIDATE_KEY" } }, version = "1" }',
    )
    server.script(behaviour)
    result = project.answer()["a"]
    assert [request.body for request in server.requests] == [{"q": "a"}] * sent
    assert result.outcome == outcome
    assert says in result.reason
