"""Heads of HTTP/1.1 messages: requests as they are sent, and responses of the usual form.

h11 takes 0.15 ms for the messages of one exchange, more than all other steps of a call. Requests are therefore written
here, by h11's rules. A response is read here only if its head has the usual form: complete in the first bytes,
strictly formed, with a length and without anything that changes the framing. h11 reads every other response.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import h11

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

# RFC 9110, 5.6.2: a token, of which methods and names of fields consist.
_CHARACTERS: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE: Final = re.compile(rf"{_CHARACTERS} [!-~]+ HTTP/1\.1")
_REQUEST_FIELD: Final = re.compile(rf"{_CHARACTERS}: (?:[!-~](?:[\t -~]*[!-~])?)?")

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: [\t -~\x80-\xff]*)?")
_RESPONSE_FIELD: Final = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*"
)
_LENGTH: Final = re.compile(rb"[0-9]{1,9}")  # above the bound of a body, and below that of an integer

# Responses whose body has another length than the header states.
_WITHOUT_BODY: Final = frozenset({204, 205, 304})
# Fields with which a response is framed or ended in another way.
_FRAMING: Final = frozenset({b"transfer-encoding", b"connection", b"upgrade", b"trailer", b"keep-alive"})
_KEPT_OPEN: Final = (b"connection", b"keep-alive")

_END: Final = b"\r\n\r\n"
_TAKE_A_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


def request_bytes(method: str, target: bytes, headers: Mapping[str, str], content: bytes | None) -> bytes:
    """Return a request as it is sent; names in ``headers`` are in lower case, and one of them is ``host``.

    Raises:
        h11.LocalProtocolError: a part contains characters that are not allowed there, such as a line break, or a
            header states another framing than a length.
        UnicodeError: ``target`` is not ASCII.
    """
    lines = [f"{method} {target.decode('ascii')} HTTP/1.1"]
    if not _REQUEST_LINE.fullmatch(lines[0]):
        raise h11.LocalProtocolError(f"invalid method or URL: {lines[0]!r}")
    for name, value in headers.items():
        if name != "content-length":
            lines.append(line := f"{name}: {value}")
            if name == "transfer-encoding" or not _REQUEST_FIELD.fullmatch(line):
                raise h11.LocalProtocolError(f"the header {name!r} cannot be sent")
    if content is not None:
        lines.append(f"content-length: {len(content)}")
    elif method in _TAKE_A_BODY:  # RFC 9110, 8.6: such a method states that there is no body
        lines.append("content-length: 0")
    return b"".join(("\r\n".join(lines).encode("ascii"), _END, content or b""))


@dataclass(frozen=True, slots=True)
class UsualHead:
    """Head of a response of the usual form, after which the connection stays open.

    ``size`` is that of the head, ``length`` that of the body behind it, in bytes.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    size: int
    length: int


def read_usual_head(data: bytes, longest: int) -> UsualHead | None:
    """Return the head with which ``data`` begins; None if it is incomplete, unusual or longer than ``longest`` bytes.

    It is the head that h11 would return: `tests/engine/clients/test_clients_heads.py` compares the two.
    """
    end = data.find(_END, 0, longest)
    if end < 0:
        return None
    status_line, *lines = data[:end].split(b"\r\n")
    status = _STATUS_LINE.fullmatch(status_line)
    if status is None or (code := int(status[1])) in _WITHOUT_BODY:
        return None
    headers: list[tuple[bytes, bytes]] = []
    length: bytes | None = None
    for line in lines:
        field = _RESPONSE_FIELD.fullmatch(line)
        if field is None:
            return None
        pair = field[1], field[2]
        headers.append(pair)
        name = pair[0].lower()
        if name == b"content-length":
            if length is not None or not _LENGTH.fullmatch(pair[1]):
                return None
            length = pair[1]
        elif name in _FRAMING and (name, pair[1].lower()) != _KEPT_OPEN:
            return None
    return None if length is None else UsualHead(code, headers, end + len(_END), int(length))
