"""Throw-away projects: a golden set, a configuration, and pytest's own floor beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.processes import KEY_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

GOLDEN = "golden.jsonl"
PASSAGE = "modulo 97?"
"""Stands in every question."""

_JUDGE = '[judges.sure]\nmodel = "scripted"\ncriteria = "Does it ask for a number?"\nreport_only = true\n'
_JUDGED = '"exact", { judge = "sure" }'

FLOOR = """
import json
import pytest

class File(pytest.File):
    def collect(self):
        for line in self.path.open():
            yield Item.from_parent(self, name=json.loads(line)["id"])

class Item(pytest.Item):
    def runtest(self):
        pass

def pytest_collect_file(file_path, parent):
    if file_path.name == "golden.jsonl":
        return File.from_parent(parent, path=file_path)
"""
"""The smallest plugin that makes one item of each line of the same file and does nothing with it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A model at the scripted server, and how it is asked; ``judged`` has it asked once more, as the judge."""

    base_url: str
    client: str
    concurrency: int
    trials: int = 1
    judged: bool = False
    requests_per_minute: int | None = None

    def toml(self) -> str:
        """Return its tables, and those of a suite that asks it."""
        pace = "" if self.requests_per_minute is None else f"requests_per_minute = {self.requests_per_minute}\n"
        return (
            f'[models.scripted]\nmodel = "scripted"\nbase_url = "{self.base_url}"\napi_key_env = "{KEY_VARIABLE}"\n'
            f'client = "{self.client}"\nmax_concurrency = {self.concurrency}\n{pace}'
            "price = { input_per_mtok = 0.15, output_per_mtok = 0.60 }\n"
            + (_JUDGE if self.judged else "")
            + suite_toml('{ model = "scripted" }', self.trials, _JUDGED if self.judged else '"exact"')
        )


def suite_toml(target: str, trials: int = 1, scorer: str = '"exact"') -> str:
    """Return the table of a suite with that target and scorer."""
    return f'[suites.bench]\ngolden = "{GOLDEN}"\ntarget = {target}\ntrials = {trials}\nscorers = [{scorer}]\n'


def write(folder: Path, cases: int, toml: str) -> Path:
    """Write a project whose every case expects its own input, which is what the scripted server answers."""
    folder.mkdir(parents=True)
    with (folder / GOLDEN).open("w", encoding="utf-8") as file:
        for number in range(cases):
            text = question(number)
            file.write(json.dumps({"id": f"case-{number:06}", "input": text, "expected": text}) + "\n")
    (folder / "evalgate.toml").write_text(toml, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "floor.py").write_text(FLOOR, encoding="utf-8")
    return folder


def question(number: int) -> str:
    """Return the input of a case: some 400 characters, as a short question with its context has."""
    return f"What is {number} {PASSAGE} " * 15
