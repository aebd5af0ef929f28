"""What ``lint`` says: the facts of the files first, then the findings, the gravest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_evalgate.data import Json
    from pytest_evalgate.golden.lint import Facts, Finding, Severity

_GRAVEST_FIRST: Final[tuple[Severity, ...]] = ("error", "warning", "note")
_FOUND: Final = 1


@dataclass(frozen=True, slots=True)
class Report:
    """The facts of the files, and the findings in the order in which they are shown."""

    facts: tuple[Facts, ...]
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, facts: Iterable[Facts], findings: Iterable[Finding]) -> Report:
        """Put findings in order, each once."""
        return cls(tuple(facts), tuple(sorted(dict.fromkeys(findings), key=_order)))

    def exit_code(self, *, strict: bool) -> int:
        """Return 1 where there is an error, or a warning where these count as errors."""
        grave = {"error", "warning"} if strict else {"error"}
        return _FOUND if any(finding.severity in grave for finding in self.findings) else 0

    def lines(self) -> Iterator[str]:
        """Write one line a fact and one a finding, with a heading a severity, and the count last."""
        yield from (one_line(line) for facts in self.facts for line in facts.lines())
        for severity in _GRAVEST_FIRST:
            if found := self._of(severity):
                yield from ("", f"{severity}s:", *(one_line(str(finding)) for finding in found))
        yield ""
        yield ", ".join(count(len(self._of(severity)), severity) for severity in _GRAVEST_FIRST)

    def as_json(self) -> dict[str, Json]:
        """Return all of it as JSON."""
        return {
            "files": [facts.as_json() for facts in self.facts],
            "findings": [_as_json(finding) for finding in self.findings],
            **{f"{severity}s": len(self._of(severity)) for severity in _GRAVEST_FIRST},
        }

    def _of(self, severity: Severity) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity == severity]


def _order(finding: Finding) -> tuple[int, str, int]:
    return _GRAVEST_FIRST.index(finding.severity), finding.place.file, finding.place.line


def _as_json(finding: Finding) -> dict[str, Json]:
    place = finding.place
    return {
        "file": place.file,
        "line": place.line or None,
        "kind": finding.kind,
        "severity": finding.severity,
        "message": finding.message,
    }
