"""Problems of a request, as answers of HTTP: a status, a reason, and the parameter that is wrong."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import UserError
from pytest_evalgate.judges.label_saving import LabelRefused
from pytest_evalgate.store import StoreError
from pytest_evalgate.store.filters import FilterError
from pytest_evalgate.store.questions import NotStoredError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class RequestError(UserError):
    """A request that is refused.

    ``parameter`` is the name of the wrong parameter, if one is, and ``headers`` are those of the answer.
    """

    def __init__(
        self, status: int, reason: str, parameter: str | None = None, headers: Mapping[str, str] = _NO_HEADERS
    ) -> None:
        """Keep the parts of the answer."""
        self.status, self.reason, self.parameter, self.headers = status, reason, parameter, headers
        super().__init__(reason)

    def as_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        return {"error": {"status": self.status, "reason": self.reason, "parameter": self.parameter}}


def problem_of(error: UserError) -> RequestError:
    """Return the answer to an error of the store, of a filter or of a run file."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, FilterError):
        return RequestError(400, error.reason, error.parameter)
    if isinstance(error, LabelRefused):
        return RequestError(400, str(error))
    if isinstance(error, NotStoredError):
        return RequestError(404, str(error))
    # the store is away or damaged; else a run file or a setting cannot be used, and this answer stays the same
    return RequestError(503 if isinstance(error, StoreError) else 409, str(error))
