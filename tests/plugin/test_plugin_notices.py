from __future__ import annotations

from dataclasses import dataclass

from pytest_evalgate.plugin.notices import Notices


@dataclass
class _Wiring:
    refusal: str | None = None
    troubles: tuple[str, ...] = ()
    stopped: str | None = None


def _notices(refusal: str | None = None, *troubles: str, stopped: str | None = None) -> Notices:
    return Notices(_Wiring(refusal, troubles, stopped))  # type: ignore[arg-type]  # as much of it as is used


def test_a_session_without_trouble_has_nothing_to_say() -> None:
    notices = _notices()
    notices.absorb(_notices().export())
    assert (notices.refusal, notices.stop, notices.troubles) == (None, None, ())


def test_why_a_worker_stopped_is_said() -> None:
    notices = _notices()
    notices.absorb(_notices(stopped="401 key refused").export())
    assert notices.stop == "401 key refused"


def test_what_workers_say_is_heard_once() -> None:
    notices = _notices(None, "cache: torn")
    for worker in (_notices("budget", "cache: torn"), _notices("offline", "cache: full"), _notices()):
        notices.absorb(worker.export())
    assert notices.refusal == "budget"
    assert notices.troubles == ("cache: torn", "cache: full")


def test_what_the_session_knows_itself_goes_first() -> None:
    notices = _notices("budget")
    notices.absorb(_notices("offline").export())
    assert notices.refusal == "budget"
