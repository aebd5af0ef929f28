from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.http1 import BODY_LIMIT, HEAD_LIMIT, Message, format_head, take_message
from tests.support.replies import Response

BODIES = st.binary(max_size=200)


def sized(body: bytes) -> bytes:
    return b"POST /v1/x HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    framed = b"".join(b"%X;note=1\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    return b"POST /v1/x HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n" + framed


def fed(wire: bytes, size: int) -> list[Message]:
    """The messages of ``wire`` where it arrives in pieces."""
    buffer, messages = bytearray(), []
    for start in range(0, len(wire), size):
        buffer += wire[start : start + size]
        while (message := take_message(buffer)) is not None:
            messages.append(message)
    assert not buffer
    return messages


@given(bodies=st.lists(BODIES, min_size=1, max_size=4), size=st.integers(1, 400))
def test_requests_are_parsed_from_any_split_of_the_bytes(bodies: list[bytes], size: int) -> None:
    assert [message.body for message in fed(b"".join(map(sized, bodies)), size)] == bodies


@given(body=BODIES, chunk=st.integers(1, 100), size=st.integers(1, 400))
def test_a_chunked_body_is_put_together(body: bytes, chunk: int, size: int) -> None:
    (message,) = fed(chunked(body, chunk), size)
    assert message.body == body


def test_a_request_that_is_not_all_there_stays_in_the_buffer() -> None:
    for wire in (sized(b"abc"), chunked(b"abc", 2)):
        for end in range(len(wire)):
            buffer = bytearray(wire[:end])
            assert take_message(buffer) is None
            assert buffer == wire[:end]


@given(st.binary(max_size=300))
def test_any_bytes_are_taken_awaited_or_refused(wire: bytes) -> None:
    for head in (b"", b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"):
        buffer = bytearray(head + wire)
        try:
            message = take_message(buffer)
        except ValueError:
            continue
        assert message is None or len(buffer) < len(head + wire)


def test_the_head_is_read() -> None:
    (message,) = fed(b"GET /_stats?a=b HTTP/1.1\r\nX-Key:  a:b \r\nConnection: Close\r\n\r\n", 1000)
    assert message == Message("GET", "/_stats?a=b", {"x-key": "a:b", "connection": "Close"}, b"")
    assert message.is_last
    assert not fed(sized(b""), 1000)[0].is_last


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (b"\x16\x03\x01\x02\r\n\r\n", "not an HTTP/1.1 request line"),
        (b"GET / HTTP/2\r\n\r\n", "not an HTTP/1.1 request line"),
        (b"GET / HTTP/1.1\r\nnonsense\r\n\r\n", "not a header: 'nonsense'"),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "content-length is not a number: '-1'"),
        (b"GET / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", "content-length is not a number"),
        (b"GET / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT + 1), "the limit is"),
        (b"GET / HTTP/1.1\r\nContent-Length: %b\r\n\r\n" % (b"9" * 5000), "content-length is not a number"),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", "not a chunk size"),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", "the limit is"),
        (b"A" * HEAD_LIMIT, "the head of the request is longer"),
    ],
)
def test_a_malformed_request_is_refused(wire: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        take_message(bytearray(wire))


def test_the_head_of_a_response() -> None:
    response = Response(429, "é".encode(), "text/plain", {"Retry-After": "1", "X-Note": "é"})
    lines = format_head(response).decode("utf-8").split("\r\n")
    assert lines == [
        "HTTP/1.1 429 Too Many Requests",
        "content-type: text/plain",
        "content-length: 2",
        "Retry-After: 1",
        "X-Note: é",
        "",
        "",
    ]


def test_the_last_response_announces_the_close() -> None:
    assert b"connection: close\r\n\r\n" in format_head(Response(), is_last=True)
    assert b"connection" not in format_head(Response())


def test_a_status_that_http_does_not_name_has_a_phrase_all_the_same() -> None:
    assert format_head(Response(529)).startswith(b"HTTP/1.1 529 Unknown\r\n")
