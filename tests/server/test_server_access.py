from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from starlette.datastructures import Headers
from tests.server.conftest import TOKEN

from pytest_evalgate.server.access import Access
from pytest_evalgate.server.app import MOST_BODY_BYTES, PAGES
from pytest_evalgate.server.request_problem import RequestError

if TYPE_CHECKING:
    from tests.server.conftest import Served

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_PATHS = ("/", "/v1/runs", "/v1/openapi.json", "/login", "/assets/none.css", "/none")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost@evil.example", "", "10.0.0.7"]
)
@pytest.mark.parametrize("path", _PATHS)
def test_a_host_that_is_not_ours_is_refused(served: Served, host: str, path: str) -> None:
    """DNS rebinding: the browser believes that evil.example is at 127.0.0.1, and sends its name."""
    found = served.get(path, headers={"Host": host.format(port=served.port)})
    assert (found.status_code, "run-" in found.text) == (421, False)


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST", "[::1]:{port}", "127.0.0.1:1"])
def test_loopback_names_are_served(served: Served, host: str) -> None:
    assert served.get("/v1/runs", headers={"Host": host.format(port=served.port)}).status_code == 200


def test_a_request_without_a_host_is_refused(served: Served) -> None:
    assert b" 421 " in served.raw(b"GET /v1/runs HTTP/1.0\r\n\r\n").splitlines()[0]
    two = f"GET /v1/runs HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nHost: evil.example\r\n\r\n"
    assert b" 400 " in served.raw(two.encode()).splitlines()[0]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:{port}"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Referer": "https://evil.example/127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:{port}", "Referer": "https://evil.example/"},
        {"Origin": "http://[broken"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/v1/query"), ("POST", "/labels/faq")])
def test_a_request_that_another_site_made_is_refused(
    served: Served, method: str, path: str, headers: dict[str, str]
) -> None:
    given = {name: value.format(port=served.port) for name, value in headers.items()}
    found = served.send(method, path, headers=_FORM | given, content="a=1" if method == "POST" else None)
    assert found.status_code == 403
    assert "another site" in found.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Origin": "http://127.0.0.1:{port}", "Referer": "http://127.0.0.1:{port}/suites/faq"},
        {"Referer": "http://127.0.0.1:{port}/"},
    ],
)
def test_a_request_of_our_own_pages_is_answered(served: Served, headers: dict[str, str]) -> None:
    given = {name: value.format(port=served.port) for name, value in headers.items()}
    assert served.get("/v1/runs", headers=given).status_code == 200


def test_a_form_needs_the_proof_that_browsers_send(served: Served) -> None:
    refused = served.send("POST", "/labels/faq", headers=_FORM, content="a=1")
    assert (refused.status_code, "needs the header Origin" in refused.text) == (403, True)


@pytest.mark.parametrize("path", _PATHS[:3])
def test_with_a_token_nothing_is_answered_without_it(locked: Served, path: str) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
        {"Cookie": f"evalgate_view_{locked.port}={TOKEN}"},
    ):
        found = locked.get(path, headers=headers)
        assert (found.status_code, found.headers["www-authenticate"]) == (401, "Bearer")
        assert "run-" not in found.text
    assert locked.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_the_login_sets_a_cookie_that_proves_the_token(locked: Served) -> None:
    assert locked.get("/login?token=wrong").status_code == 401
    assert locked.get("/login").status_code == 401
    found = locked.get(f"/login?token={TOKEN}")
    assert (found.status_code, found.headers["location"]) == (303, "/")
    cookie = found.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert locked.get("/v1/runs", headers={"Cookie": cookie.partition(";")[0]}).status_code == 200


def test_a_login_from_another_site_is_refused(locked: Served) -> None:
    found = locked.get(f"/login?token={TOKEN}", headers={"Sec-Fetch-Site": "cross-site"})
    assert (found.status_code, "set-cookie" in found.headers) == (403, False)


def test_without_a_token_the_login_leads_to_the_overview(served: Served) -> None:
    found = served.get("/login")
    assert (found.status_code, "set-cookie" in found.headers) == (303, False)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/v1/runs", 200), ("/none", 404), ("/v1/none", 404), ("/v1/runs?limit=x", 400), ("/login", 303)],
)
def test_every_answer_has_the_headers_of_a_closed_page(served: Served, path: str, status: int) -> None:
    found = served.get(path)
    assert found.status_code == status
    policy = found.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["referrer-policy"] == "same-origin"
    assert found.headers["cache-control"]
    assert "access-control-allow-origin" not in found.headers
    assert "server" not in found.headers


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../app.py",
        "/assets/..%2f..%2fapp.py",
        "/assets/%2e%2e/app.py",
        "/assets//etc/passwd",
        "/assets/....//app.py",
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/evalgate.toml",
        "/assets/..%5c..%5capp.py",
        "/assets/view.css%00.py",
        "/runs/..%2f..%2fevalgate.toml",
        "/runs/%2e%2e",
        "/v1/runs/..%2f..%2f..%2fevalgate.toml",
        "/suites/..%2f..%2fgolden.jsonl/cases/..%2fc0",
        "/labels/..%2f..%2f..%2fetc%2fpasswd",
    ],
)
def test_a_path_out_of_the_site_leads_nowhere(served: Served, path: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    found = served.raw(head.encode())
    assert not any(text in found for text in (b"root:", b"base_url", b"import annotations", b'"expected"'))
    assert found.splitlines()[0].split()[1] in {b"200", b"400", b"404", b"409"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/v1/runs", "/v1/openapi.json", "/suites/faq"])
def test_reading_is_all_that_can_be_done(served: Served, method: str, path: str) -> None:
    found = served.send(method, path)
    assert (found.status_code, found.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/suites/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "/runs/%22%3E%3Cimg%20src=x%3E"])
def test_a_name_on_an_error_page_is_text(served: Served, path: str) -> None:
    found = served.get(path)
    assert (found.status_code, found.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<script>" not in found.text
    assert "<img" not in found.text


def test_clients_at_the_same_time_get_the_same(served: Served) -> None:
    paths = ["/v1/suites/faq/cases", "/v1/compare?a=previous&b=newest&suite=faq", "/suites/faq", "/v1/runs"] * 6
    with ThreadPoolExecutor(12) as clients:
        found = list(clients.map(served.get, paths))
    assert [response.status_code for response in found] == [200] * len(paths)
    assert len({(path, response.content) for path, response in zip(paths, found, strict=True)}) == 4


def test_head_has_no_body(served: Served) -> None:
    found = served.send("HEAD", "/v1/runs")
    assert (found.status_code, found.content) == (200, b"")
    assert found.headers["etag"] == served.get("/v1/runs").headers["etag"]


def test_bodies_and_addresses_are_bounded(served: Served) -> None:
    large = b"x" * (MOST_BODY_BYTES + 1)
    found = served.send("POST", "/v1/query", content=large, headers={"Content-Type": "application/json"})
    assert found.status_code == 413
    assert served.get(f"/v1/runs?suite={'x' * 9000}").status_code == 400
    assert served.get("/v1/runs", headers={"X-Large": "x" * 40_000}).status_code == 431


@pytest.mark.parametrize(
    ("method", "path", "content_type", "status"),
    [
        ("POST", "/v1/query", "text/plain", 415),
        ("POST", "/labels/faq", "application/json", 415),
        ("POST", "/labels/faq", "multipart/form-data; boundary=x", 415),
    ],
)
def test_a_body_of_another_type_is_refused(
    served: Served, method: str, path: str, content_type: str, status: int
) -> None:
    headers = {"Content-Type": content_type, "Sec-Fetch-Site": "same-origin"}
    assert served.send(method, path, content="[]", headers=headers).status_code == status


def test_an_error_of_the_server_has_no_traceback(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise RuntimeError("a bug with sk-proj-abcdefghijklmnopqrstuvwxyz")

    monkeypatch.setitem(PAGES, "/compare", fail)
    found = served.get("/compare")
    assert found.status_code == 500
    assert "bug" not in found.text
    assert "Traceback" not in found.text
    (line,) = served.lines
    assert "RuntimeError: a bug with ***" in line
    served.lines.clear()


def _refusal(access: Access, host: str) -> int:
    try:
        access.check("GET", Headers({"host": host}))
    except RequestError as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("bound", "host", "status"),
    [
        ("192.168.1.5", "192.168.1.5:80", 200),
        ("192.168.1.5", "192.168.1.6", 421),
        ("evals.example.org", "EVALS.example.org", 200),
        ("evals.example.org", "other.example.org", 421),
        ("0.0.0.0", "192.168.1.5", 200),  # noqa: S104 - nothing is bound
        ("0.0.0.0", "evil.example", 421),  # noqa: S104 - the same
        ("::", "[2001:db8::1]:8420", 200),
        ("0.0.0.0", socket.gethostname(), 200),  # noqa: S104 - the same
        ("127.0.0.1", "127.0.0.1:x", 421),
    ],
)
def test_other_hosts_are_those_that_were_bound(bound: str, host: str, status: int) -> None:
    assert _refusal(Access(bound, 8420, TOKEN), host) == status


def test_the_printed_address_leads_to_the_login() -> None:
    assert Access("127.0.0.1", 8420).url == "http://127.0.0.1:8420/"
    assert Access("::1", 8420, "abc").url == "http://[::1]:8420/login?token=abc"
    assert Access("0.0.0.0", 1, "abc").url == f"http://{socket.gethostname()}:1/login?token=abc"  # noqa: S104 - as above
