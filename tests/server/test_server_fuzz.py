"""Schemathesis, a client that knows only the OpenAPI document, finds no error of the server and no wrong answer.

It is in an environment of its own (``make fuzz``): it loads a plugin into every session of pytest, and wants an older
jsonschema-rs. ``make fuzz`` sends more than 2,000 requests; by default a few hundred are sent.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_evalgate.server import openapi

if TYPE_CHECKING:
    from tests.server.conftest import Served

    from pytest_evalgate.app.project import Project

_PROGRAM: Final = Path(sys.prefix) / "fuzz" / "bin" / "schemathesis"
_EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "10"))
_IS_WHOLE: Final = _EXAMPLES >= 100
_PHASES: Final = "coverage,fuzzing" if _IS_WHOLE else "fuzzing"
_LEFT_OUT: Final = "positive_data_acceptance"  # no schema can say which characters are printable
_NAMES: Final = {
    "suite": ["faq", "fag"],
    "run": ["run-01", "run-16", "run-99"],
    "case": ["c1", "c39", "c99"],
    "a": ["previous", "run-01"],
    "b": ["newest", "run-16"],
    "by": ["lang", "lang,kind", "language"],
    "metric": ["pass_rate", "error_rate"],
}
"""Names that are stored, and some near them: with random names, most answers would be 404."""


def _with_names(document: Any) -> Any:
    """Return the document with stored names as a choice beside any other text."""
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                schema = parameter["schema"]
                if parameter["name"] in _NAMES and "enum" not in schema:
                    parameter["schema"] = {"anyOf": [{"type": "string", "enum": _NAMES[parameter["name"]]}, schema]}
    return document


@pytest.mark.skipif(not _PROGRAM.exists(), reason="schemathesis is not installed: make fuzz")
def test_a_client_of_the_document_finds_no_error(served: Served, shop: Project, tmp_path: Path) -> None:
    before = (shop.state.path / "store.db").read_bytes()
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(_with_names(openapi.document())), "utf-8")
    found = subprocess.run(
        [
            *(_PROGRAM, "run", document, "--url", f"http://127.0.0.1:{served.port}"),
            *("--max-examples", str(_EXAMPLES), "--seed", "1", "--phases", _PHASES),
            *("--checks", "all", "--exclude-checks", _LEFT_OUT, "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert served.lines == []
    assert (shop.state.path / "store.db").read_bytes() == before
    sent = re.search(r"(\d+) generated, .*passed", found.stdout)
    assert sent is not None, found.stdout
    assert int(sent[1]) > (2000 if _IS_WHOLE else 100)
