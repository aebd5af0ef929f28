"""Access to the server: which host names it serves, requests from other sites, and the token.

A page on the internet can make a browser send requests to 127.0.0.1, and by DNS rebinding even read the answers. The
Host header names the site that the browser believes to talk to, so that other names than ours are refused
(https://owasp.org/www-community/attacks/DNS_Rebinding). Requests that another site made are recognised by
Sec-Fetch-Site, which pages cannot set, and in older browsers by Origin and Referer.
"""

from __future__ import annotations

import hmac
import socket
from hashlib import sha256
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.server.request_problem import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.datastructures import Headers

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
LOGIN_PATH: Final = "/login"
_OWN_SITE: Final = frozenset({"same-origin", "none"})  # none: the user typed the address or opened a bookmark
_HOST_ADVICE: Final = "open the address that pytest-evalgate view printed"
_LOGIN_ADVICE: Final = "open the address with /login?token= that pytest-evalgate view printed"
_SITE_ADVICE: Final = "another site made this request: type the address into the address bar"


@dataclass(frozen=True, slots=True)
class Access:
    """Rules of access.

    Args:
        host: The address that the server binds, as given.
        port: Its port.
        token: The secret of the clients; None if every client on this machine may read.
    """

    host: str
    port: int
    token: str | None = None

    def check(self, method: str, headers: Headers) -> None:
        """Raise if the request is for another host, or another site made it.

        Raises:
            RequestError: It is refused.
        """
        given = headers.getlist("host")
        if len(given) != 1 or not self._serves(_host_name(given[0])):
            raise RequestError(421, f"this server does not serve the host {', '.join(given)[:100]!r}: {_HOST_ADVICE}")
        site = headers.get("sec-fetch-site")
        if site is not None:
            if site not in _OWN_SITE:
                raise RequestError(403, _SITE_ADVICE)
            return
        sources = [value for name in ("origin", "referer") if (value := headers.get(name)) is not None]
        if any(_netloc(value) != given[0].lower() for value in sources):
            raise RequestError(403, _SITE_ADVICE)
        is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        if method == "POST" and is_form and not sources:
            raise RequestError(403, "a form needs the header Origin or Sec-Fetch-Site, which browsers send")

    def check_token(self, headers: Headers, cookies: Mapping[str, str]) -> None:
        """Raise if the server has a token, and the request has neither it nor the cookie of the login.

        Raises:
            RequestError: It has not.
        """
        if self.token is None:
            return
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _is_equal(bearer.strip(), self.token):
            return
        if not _is_equal(cookies.get(self.cookie, ""), self.cookie_value):
            raise _without_token()

    def check_login(self, token: str) -> None:
        """Raise if ``token`` is not the token of the server.

        Raises:
            RequestError: It is not.
        """
        if self.token is None or not _is_equal(token, self.token):
            raise _without_token()

    @property
    def cookie(self) -> str:
        """Name of the cookie. It has the port, because browsers send cookies to all ports of a host."""
        return f"evalgate_view_{self.port}"

    @property
    def cookie_value(self) -> str:
        """Value of the cookie: it proves the token, and does not contain it."""
        return hmac.new((self.token or "").encode(), b"pytest-evalgate view", sha256).hexdigest()

    @property
    def url(self) -> str:
        """Address of the overview; with a token, that of the login."""
        name = socket.gethostname() if self.host in WILDCARDS else self.host
        login = "" if self.token is None else f"{LOGIN_PATH.removeprefix('/')}?token={self.token}"
        return f"http://{f'[{name}]' if ':' in name else name}:{self.port}/{login}"

    def _serves(self, name: str) -> bool:
        if name in LOOPBACK or name == self.host.lower():
            return True
        # all addresses are bound: a rebinding attack needs a name, and has no token
        return self.host in WILDCARDS and (_is_address(name) or name == socket.gethostname().lower())


def _without_token() -> RequestError:
    return RequestError(401, _LOGIN_ADVICE, headers={"WWW-Authenticate": "Bearer"})


def _host_name(host: str) -> str:
    """Return the name in a Host header, lower-case; "" if it cannot be read."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 - raises if it is no number
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.netloc == host and "@" not in host else ""


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_equal(given: str, wanted: str) -> bool:
    """Compare in constant time; by digests, so that not even the length shows in the time."""
    digests = (sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (given, wanted))
    return hmac.compare_digest(*digests)
