from __future__ import annotations

from dataclasses import dataclass

from pytest_evalgate.plugin.context import SessionProblems


@dataclass
class _Wiring:
    refused_reason: str | None = None
    warnings: tuple[str, ...] = ()
    stop_reason: str | None = None


def _notices(refused_reason: str | None = None, *warnings: str, stop_reason: str | None = None) -> SessionProblems:
    return SessionProblems(_Wiring(refused_reason, warnings, stop_reason))  # type: ignore[arg-type]  # as much of it as is used


def test_a_session_without_trouble_has_nothing_to_say() -> None:
    session_problems = _notices()
    session_problems.merge_worker(_notices().export())
    assert (session_problems.refused_reason, session_problems.stop_reason, session_problems.warnings) == (
        None,
        None,
        (),
    )


def test_why_a_worker_stopped_is_said() -> None:
    session_problems = _notices()
    session_problems.merge_worker(_notices(stop_reason="401 key refused").export())
    assert session_problems.stop_reason == "401 key refused"


def test_what_workers_say_is_heard_once() -> None:
    session_problems = _notices(None, "cache: torn")
    for worker in (_notices("budget", "cache: torn"), _notices("offline", "cache: full"), _notices()):
        session_problems.merge_worker(worker.export())
    assert session_problems.refused_reason == "budget"
    assert session_problems.warnings == ("cache: torn", "cache: full")


def test_what_the_session_knows_itself_goes_first() -> None:
    session_problems = _notices("budget")
    session_problems.merge_worker(_notices("offline").export())
    assert session_problems.refused_reason == "budget"
