"""Web application: it routes a request to a page, and answers with HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pytest_evalgate.server.pages import case_page, compare_page, labels_page, overview_page, run_page, suite_page
from pytest_evalgate.server.view_sources import PageQuery, ViewSources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from pytest_evalgate.app.project import Project

PAGES: Final[Mapping[str, Callable[[ViewSources, PageQuery], str]]] = {
    "/": overview_page.page,
    "/suites/{suite}": suite_page.page,
    "/runs/{run}": run_page.page,
    "/compare": compare_page.page,
    "/suites/{suite}/cases/{case}": case_page.page,
    "/labels/{judge}": labels_page.page,
}


@dataclass(frozen=True, slots=True)
class Site:
    """ASGI application of one project."""

    project: Project

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        form = dict(parse_qsl((await request.body()).decode())) if request.method == "POST" else None
        response = await to_thread.run_sync(self._answer, request, form, limiter=CapacityLimiter(1))
        await response(scope, receive, send)

    def _answer(self, request: Request, form: Mapping[str, str] | None) -> Response:
        for pattern, page in PAGES.items():
            names = names_in(pattern, request.scope["raw_path"].decode("latin-1"))
            if names is None:
                continue
            with ViewSources.opened(self.project) as sources:
                query = PageQuery(names, dict(request.query_params), sources.runs)
                if form is not None:
                    return RedirectResponse(labels_page.save(sources, query, form), 303)
                return HTMLResponse(sources.redactor.redact(page(sources, query)))
        return HTMLResponse("<!doctype html><title>404</title>", 404)


def names_in(pattern: str, path: str) -> dict[str, str] | None:
    """Return the names in a path, decoded; None if it does not match the pattern."""
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
