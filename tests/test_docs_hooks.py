"""What the page of the hooks says can be pasted: its blocks make one project, which is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

# pytester forgets what a run imported; numpy does not bear being imported twice
import pytest_evalgate.gates
import pytest_evalgate.plugin.session
import pytest_evalgate.plugin.xdist  # noqa: F401 - the same

if TYPE_CHECKING:
    import pytest

_PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "hooks.md"
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_the_hooks_of_the_page_work_as_they_stand(pytester: pytest.Pytester) -> None:
    blocks = _FENCE.findall(_PAGE.read_text("utf-8"))
    pytester.makeconftest("\n".join(text for language, text in blocks if language == "python"))
    keys = "".join(text for language, text in blocks if not language)
    (pytester.path / "evalgate.toml").write_text(f'[suites.faq]\ngolden = "golden.jsonl"\n{keys}', "utf-8")
    (pytester.path / "golden.jsonl").write_text('{"id": "c1", "input": "Yours", "expected": "?"}\n', "utf-8")
    quiet = ("-p", "no:randomly", "-p", "no:asyncio", "-p", "no:anyio", "-p", "no:cacheprovider", "-q")
    assert pytester.runpytest_inprocess(*quiet, "--eval-gate").ret == 0
    missed = (pytester.path / ".evalgate" / "missed.txt").read_text("utf-8")
    reasons = "ends-politely: does not end with 'Kind regards'; ends-politely-2: does not end with 'Yours'"
    assert missed == f"inconclusive\nc1: {reasons}"
    run = next((pytester.path / ".evalgate" / "runs").glob("*/run.jsonl")).read_text("utf-8")
    assert '"YOURS!!"' in run
