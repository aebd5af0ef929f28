from __future__ import annotations

from tests.support.replies import Request
from tests.support.server import Counts, Traffic

REQUEST = Request(1, "POST", "/v1/x", {}, None, 0.0)


def busy(*, keeps_requests: bool = True) -> Traffic:
    """Two connections; three requests, of which one was refused, one is done and one is in flight."""
    traffic = Traffic(keeps_requests=keeps_requests)
    for _ in range(2):
        traffic.connected()
        traffic.arrived(REQUEST, admitted=True)
    traffic.arrived(REQUEST, admitted=False)
    traffic.ended()
    return traffic


def test_everything_is_counted() -> None:
    traffic = busy()
    assert traffic.counts == Counts(calls=3, refused=1, peak_in_flight=2, connections=2)
    assert (traffic.in_flight, traffic.requests) == (1, (REQUEST,) * 3)


def test_the_requests_need_not_be_kept() -> None:
    traffic = busy(keeps_requests=False)
    assert (traffic.counts.calls, traffic.requests) == (3, ())


def test_a_reset_forgets_all_but_what_is_in_flight() -> None:
    traffic = busy()
    traffic.reset()
    assert traffic.counts == Counts(calls=0, refused=0, peak_in_flight=1, connections=0)
    assert (traffic.in_flight, traffic.requests) == (1, ())
