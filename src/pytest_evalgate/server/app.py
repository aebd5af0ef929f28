"""Web application: it checks a request, routes it to a page or to a question of the API, and answers.

It only reads, but for the label files of `labels_page.save`. Pages and answers are made in worker threads, each with
its own connection.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, parse_qsl, unquote

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.server import openapi
from pytest_evalgate.server.access import LOGIN_PATH
from pytest_evalgate.server.batch import answer_batch, answer_one, read_batch
from pytest_evalgate.server.operations import OPERATIONS, VERSION
from pytest_evalgate.server.pages import case_page, compare_page, labels_page, overview_page, run_page, suite_page
from pytest_evalgate.server.pages.page_frame import assets
from pytest_evalgate.server.parameters import FILTERS, read_values
from pytest_evalgate.server.request_problem import RequestError, problem_of
from pytest_evalgate.server.view_sources import PageQuery, ViewSources
from pytest_evalgate.store.filters import read_filter
from pytest_evalgate.text.exceptions import describe_error
from pytest_evalgate.text.redaction import mask_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.types import Receive, Scope, Send

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.server.access import Access
    from pytest_evalgate.server.operations import Operation

WORKERS: Final = 4
"""Answers made at the same time: they compute, so that more threads than processors make none faster."""

MOST_BODY_BYTES: Final = 64 << 10
MOST_URL_BYTES: Final = 8 << 10
MOST_HEAD_BYTES: Final = 32 << 10
BODY_WAIT_S: Final = 10.0
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send forms with Origin: null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=utf-8"

PAGES: Final[Mapping[str, Callable[[ViewSources, PageQuery], str]]] = {
    "/": overview_page.page,
    "/suites/{suite}": suite_page.page,
    "/runs/{run}": run_page.page,
    "/compare": compare_page.page,
    "/suites/{suite}/cases/{case}": case_page.page,
    "/labels/{judge}": labels_page.page,
}
_LABELS: Final = "/labels/{judge}"


@dataclass(frozen=True, slots=True)
class Site:
    """ASGI application of one project; ``report`` prints a line about an error of the server."""

    project: Project
    access: Access
    report: Callable[[str], None]
    workers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(WORKERS))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        path = scope["raw_path"].decode("latin-1")
        try:
            self._check(request, path)
            body = await _body(request)
            response = await to_thread.run_sync(self._answer, request, path, body, limiter=self.workers)
        except UserError as error:
            response = _problem_response(problem_of(error), path)
        except Exception as error:  # noqa: BLE001 - the browser gets no traceback; the terminal gets the reason
            self.report(mask_keys(f"pytest-evalgate view: {path}: {describe_error(error)}"))
            response = _problem_response(RequestError(500, "the server failed; its terminal has the reason"), path)
        for name, value in _HEADERS.items():
            response.headers[name] = value
        await response(scope, receive, send)

    def _check(self, request: Request, path: str) -> None:
        self.access.check(request.method, request.headers)
        if len(path) + len(request.url.query) > MOST_URL_BYTES:
            raise RequestError(400, f"the address has more than {MOST_URL_BYTES:,} bytes")
        if sum(len(name) + len(value) for name, value in request.headers.raw) > MOST_HEAD_BYTES:
            raise RequestError(431, f"the headers have more than {MOST_HEAD_BYTES:,} bytes")
        if path != LOGIN_PATH:
            self.access.check_token(request.headers, request.cookies)

    def _answer(self, request: Request, path: str, body: bytes) -> Response:
        if path == LOGIN_PATH:
            return self._login(request)
        if path.startswith(f"/{VERSION}/"):
            return self._api(request, path, body)
        if path.startswith("/assets/"):
            _require_method(request, "GET")
            return _asset(request, path.removeprefix("/assets/"))
        return self._page(request, path, body)

    def _login(self, request: Request) -> Response:
        _require_method(request, "GET")
        if self.access.token is not None:
            self.access.check_login(request.query_params.get("token", ""))
        response = RedirectResponse("/", 303, {"Cache-Control": "no-store"})
        if self.access.token is not None:
            value = self.access.cookie_value
            response.set_cookie(self.access.cookie, value, httponly=True, samesite="strict")
        return response

    def _page(self, request: Request, path: str, body: bytes) -> Response:
        pattern, names = _route(PAGES, path)
        _require_method(request, *(("GET", "POST") if pattern == _LABELS else ("GET",)))
        with ViewSources.opened(self.project) as sources:
            query = _page_query(request, names, sources)
            if request.method == "POST":
                return RedirectResponse(labels_page.save(sources, query, _form(request, body)), 303)
            html = sources.redactor.redact(PAGES[pattern](sources, query))
        return Response(html.encode("utf-8", "replace"), 200, {"Cache-Control": "no-store"}, _HTML)

    def _api(self, request: Request, path: str, body: bytes) -> Response:
        if path == openapi.OPENAPI_PATH:
            _require_method(request, "GET")
            return _cached(request, _document(), _JSON)
        if path == openapi.BATCH_PATH:
            _require_method(request, "POST")
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
                raise RequestError(415, f"send the questions as {_JSON}")
            asked = read_batch(body)
            with ViewSources.opened(self.project) as sources:
                return _cached(request, _encoded(sources, answer_batch(sources, asked)), _JSON)
        pattern, names = _route(_OPERATIONS, path)
        _require_method(request, "GET")
        given = {**parse_qs(request.url.query, keep_blank_values=True), **{key: [name] for key, name in names.items()}}
        with ViewSources.opened(self.project) as sources:
            return _cached(request, _encoded(sources, answer_one(sources, _OPERATIONS[pattern], given)), _JSON)


_OPERATIONS: Final[Mapping[str, Operation]] = {operation.path: operation for operation in OPERATIONS}


async def _body(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        RequestError: It is too large, or too slow.
    """
    parts = bytearray()
    try:
        async with asyncio.timeout(BODY_WAIT_S):
            async for part in request.stream():
                parts += part
                if len(parts) > MOST_BODY_BYTES:
                    raise RequestError(413, f"the body has more than {MOST_BODY_BYTES:,} bytes")
    except TimeoutError:
        raise RequestError(408, f"the body did not arrive within {BODY_WAIT_S:g} s") from None
    return bytes(parts)


def _route(patterns: Mapping[str, Any], path: str) -> tuple[str, dict[str, str]]:
    """Return the pattern that a path matches, and the names in the path.

    Raises:
        RequestError: There is none.
    """
    for pattern in patterns:
        names = names_in(pattern, path)
        if names is not None:
            return pattern, names
    raise RequestError(404, f"there is no such page; there are: {', '.join(patterns)}")


def names_in(pattern: str, path: str) -> dict[str, str] | None:
    """Return the names in a path, decoded; None if it does not match the pattern. A name can contain ``%2F``."""
    wanted, given = pattern.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    names = {}
    for want, part in zip(wanted, given, strict=True):
        if want.startswith("{") and part:
            names[want[1:-1]] = unquote(part)
        elif want != part:
            return None
    return names


def _require_method(request: Request, *methods: str) -> None:
    allowed = (*methods, "HEAD") if "GET" in methods else methods
    if request.method not in allowed:
        listed = ", ".join(allowed)
        raise RequestError(405, f"the method is not one of {listed}", headers={"Allow": listed})


def _page_query(request: Request, names: Mapping[str, str], sources: ViewSources) -> PageQuery:
    """Return the question to a page; its filters are read as those of the API, other parameters are its own."""
    given = parse_qs(request.url.query, keep_blank_values=True)
    named = {parameter.name: parameter for parameter in FILTERS}
    values = read_values(FILTERS, {name: texts for name, texts in given.items() if name in named and any(texts)})
    labels = values.pop("label")
    runs = read_filter(sources.name, {**values, "run_id": values.pop("run")}, labels, datetime.now(UTC))
    return PageQuery(names, {name: texts[-1] for name, texts in given.items()}, runs)


def _form(request: Request, body: bytes) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise RequestError(415, f"send the form as {_FORM}")
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise RequestError(400, "the body is no form") from None


def _encoded(sources: ViewSources, value: Any) -> bytes:
    return sources.redactor.redact(json.dumps(value)).encode("ascii")


@cache
def _document() -> bytes:
    return json.dumps(openapi.document()).encode("ascii")


def _asset(request: Request, name: str) -> Response:
    found = assets().get(name)
    if found is None:
        raise RequestError(404, "there is no such file")
    return _cached(request, found.content, found.media_type)


def _cached(request: Request, content: bytes, media_type: str) -> Response:
    """Return an answer with its digest; 304 without content if the client has it."""
    etag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if request.method != "POST" and etag in _etags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, media_type)


def _etags(header: str) -> Sequence[str]:
    return [part.strip().removeprefix("W/") for part in header.split(",")]


def _problem_response(problem: RequestError, path: str) -> Response:
    headers = {"Cache-Control": "no-store", **problem.headers}
    if path.startswith(f"/{VERSION}/"):
        return Response(json.dumps(problem.as_json()), problem.status, headers, _JSON)
    text = escape(problem.reason if problem.parameter is None else f"{problem.parameter}: {problem.reason}")
    page = _PROBLEM_PAGE.format(status=problem.status, text=text)
    return Response(page.encode("utf-8", "replace"), problem.status, headers, _HTML)


_PROBLEM_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{status}</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/assets/view.css"></head>
<body><main><h1>{status}</h1><p>{text}</p><p><a href="/">Overview</a></p></main></body>
</html>
"""
