"""Heads of HTTP/1.1 messages, compared with what h11 writes and reads."""

from __future__ import annotations

from typing import Any

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_evalgate.engine.clients.heads import read_usual_head, request_bytes

_LONGEST = 100 * 1024


def _by_h11(method: str, target: str, headers: dict[str, str], content: bytes | None) -> bytes | None:
    """Return the bytes of a request from h11; None if it refuses."""
    state = h11.Connection(h11.CLIENT)
    length = {} if content is None else {"content-length": str(len(content))}
    fields = [*{**headers, **length}.items()]
    try:
        request = h11.Request(method=method, target=target, headers=fields)
        events: list[Any] = [request, *([] if content is None else [h11.Data(data=content)]), h11.EndOfMessage()]
        return b"".join(state.send(event) or b"" for event in events)
    except (h11.LocalProtocolError, UnicodeError):
        return None


def _ours(method: str, target: str, headers: dict[str, str], content: bytes | None) -> bytes | None:
    try:
        return request_bytes(method, target.encode(), headers, content)
    except (h11.LocalProtocolError, UnicodeError):
        return None


_NAMES = st.text("ab-_:\r\n\0 ä", min_size=0, max_size=4).filter(lambda name: name not in {"host", "content-length"})
_VALUES = st.text('ab \t\r\n\0\x7fäé,;="', max_size=6)


@given(
    method=st.sampled_from(["POST", "GET", "P OST", "", "PO\nST"]),
    target=st.text("/ab?= \r\n\0ä", max_size=6),
    headers=st.dictionaries(_NAMES, _VALUES, max_size=3),
    content=st.sampled_from([b"", b"{}", b"\r\n\r\n"]),
)
@example(method="POST", target="/v1", headers={"x-mine": "a\r\nx-other: b"}, content=b"{}")
@example(method="POST", target="/v1", headers={"x-mine": " a "}, content=b"{}")
def test_a_request_has_the_bytes_of_h11_and_the_same_ones_are_refused(
    method: str, target: str, headers: dict[str, str], content: bytes
) -> None:
    whole = {"host": "a:80", **headers}
    assert _ours(method, target, whole, content) == _by_h11(method, target, whole, content)


def test_a_header_that_states_another_framing_is_refused() -> None:
    with pytest.raises(h11.LocalProtocolError, match="transfer-encoding"):
        request_bytes("POST", b"/", {"host": "a", "transfer-encoding": "chunked"}, b"{}")
    once = request_bytes("POST", b"/", {"host": "a", "content-length": "9"}, b"{}")
    assert once == b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"


# --- responses ------------------------------------------------------------------------------------------------------

_USUAL = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"

_LINES = st.sampled_from(
    [
        b"Content-Length: 2",
        b"content-length:2 ",
        b"Content-Length: 02",
        b"Content-Length: 2, 2",
        b"Content-Length: +2",
        b"Content-Length : 2",
        b" Content-Length: 2",
        b"Content-Length: 99999999999",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: identity",
        b"Connection: close",
        b"Connection: Keep-Alive",
        b"Connection: keep-alive, close",
        b"Keep-Alive: timeout=5",
        b"Trailer: x",
        b"X-Id:",
        b"X-Id: a\tb",
        b"X-Id: a\0b",
        b"X-Id: \xe9",
        b"X Id: a",
        b": a",
        b"no colon",
        b" folded",
        b"a\nb: c",
        b"a: b\rc",
        b"Content-Encoding: gzip",
    ]
)
_STARTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 429 Too \xe9 Many",
        b"HTTP/1.0 200 OK",
        b"HTTP/2.0 200 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 304 Not Modified",
        b"HTTP/1.1 700 What",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1 200 a\0b",
        b"http/1.1 200 OK",
        b"SMTP ready",
    ]
)


@given(start=_STARTS, lines=st.lists(_LINES, max_size=4), end=st.sampled_from([b"\r\n\r\n", b"\n\n", b"\r\n", b""]))
@example(start=b"HTTP/1.1 200 OK", lines=[b"Content-Length: 2"] * 2, end=b"\r\n\r\n")
@example(start=b"HTTP/1.1 200 OK", lines=[b"Content-Length: 2", b"Transfer-Encoding: chunked"], end=b"\r\n\r\n")
@example(start=b"HTTP/1.1 200 OK", lines=[b"Connection: Keep-Alive", b"Content-Length: 2"], end=b"\r\n\r\n")
def test_a_usual_head_is_read_as_h11_reads_it_and_keeps_the_connection(
    start: bytes, lines: list[bytes], end: bytes
) -> None:
    data = b"\r\n".join([start, *lines]) + end
    head = read_usual_head(data + b"ok", _LONGEST)
    if head is None:
        return
    state = h11.Connection(h11.CLIENT)
    state.send(h11.Request(method="POST", target="/", headers=[("host", "a")]))
    state.send(h11.EndOfMessage())
    state.receive_data(data + b"ok")
    response = state.next_event()
    assert isinstance(response, h11.Response)
    assert (head.status, head.headers) == (response.status_code, response.headers.raw_items())
    assert (head.size, head.length) == (len(data), 2)
    body = state.next_event()
    assert isinstance(body, h11.Data)
    assert bytes(body.data) == b"ok"
    assert isinstance(state.next_event(), h11.EndOfMessage)
    assert (state.our_state, state.their_state) == (h11.DONE, h11.DONE)  # and may carry the next request


@pytest.mark.parametrize(
    ("data", "is_usual"),
    [
        (_USUAL, True),
        (_USUAL[:-1], False),
        (_USUAL.replace(b"\r\n", b"\n"), False),
        (_USUAL.replace(b"200", b"204"), False),
        (_USUAL.replace(b"Length: 2", b"Length: 2\r\nConnection: close"), False),
        (_USUAL.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked"), False),
        (_USUAL.replace(b"OK", b"OK" + b"!" * _LONGEST), False),
    ],
    ids=["usual", "incomplete", "line feeds", "204", "closing", "chunked", "long"],
)
def test_only_a_usual_head_is_read_here(data: bytes, is_usual: bool) -> None:  # noqa: FBT001 - a table
    assert (read_usual_head(data, _LONGEST) is not None) is is_usual
