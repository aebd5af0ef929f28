"""What lies in the folders in which the documentation's pages are run: texts by path, the same each time."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Files = dict[str, str]

_LANGUAGES: Final = ("en", "de")
_REFUND: Final = "How long is the refund period?"
_INI: Final = {"pytest.ini": "[pytest]\npythonpath = .\n"}


def days(item: int) -> int:
    """Return for how many days the shop of the pages takes an item back."""
    return 14 + item % 5


def _lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def _case(item: int) -> dict[str, Any]:
    return {
        "id": f"refund-{item:03}",
        "input": f"For how long may I return item {item}?",
        "expected": f"{days(item)} days",
        "tags": [f"lang:{_LANGUAGES[item % 2]}", *(["safety"] if item % 20 == 0 else [])],
    }


def _cases(count: int, first: int = 0) -> str:
    return _lines(_case(item) for item in range(first, first + count))


def _answer(item: int, *, right: bool) -> str:
    return f"You may return it within {days(item) if right else 90} days."


_PLANNED: Final = """
[suites.support]
golden = "golden_sets/support.jsonl"
target = { recorded = [OUTPUTS] }
trials = 1
scorers = ["icontains"]
gates = [{ kind = "no-regression", margin = 0.05 }, { kind = "pass-rate", min = 0.7 }]
"""


def _simulated(case: Mapping[str, Any], trial: int) -> dict[str, Any]:
    """Return an output that a case of this id gets by its own chance: half of the cases always pass."""
    chance = random.Random(case["id"]).choice([1, 1, 1, 0.95, 0.8, 0.5, 0])  # noqa: S311 - the same each time
    passes = random.Random(f"{case['id']} {trial}").random() < chance  # noqa: S311 - the same
    return {"id": case["id"], "output": case["expected"] if passes else "I do not know."}


def _planning() -> Files:
    cases = [{**_case(item), "id": f"faq-{item + 1:03}"} for item in range(200)]
    outputs = {f"outputs/{trial}.jsonl": _lines(_simulated(case, trial) for case in cases) for trial in range(10)}
    config = _PLANNED.replace("OUTPUTS", ", ".join(f'"{path}"' for path in outputs))
    return {**_INI, **outputs, "evalgate.toml": config, "golden_sets/support.jsonl": _lines(cases)}


def _labelled(count: int) -> str:
    """Return so many outputs that people passed, and as many that they failed."""
    return _lines(
        {
            "id": f"{label}-{number}",
            "input": _REFUND,
            "expected": "30 days",
            "output": f"It is {period} days (letter {number}).",
            "label": label,
        }
        for label, period in (("pass", 30), ("fail", 90))
        for number in range(count)
    )


def _probing() -> Files:
    """Return labels, a set of anchors, and a golden set with recorded outputs."""
    cases = _lines(
        {"id": f"c{number}", "input": f"{_REFUND} ({number})", "expected": "30 days", "output": "It is 30 days."}
        for number in range(5)
    )
    labels = {"labels/faq.jsonl": _labelled(30), "labels/anchors.jsonl": _labelled(100)}
    return {**_INI, **labels, "golden_sets/support.jsonl": cases}


_COSTLY: Final = """
budget_usd = 5.0

[models.candidate]
model = "gpt-x-mini-2026-09-01"
max_concurrency = 8
price = { input_per_mtok = 2.5, output_per_mtok = 10.0 }
"""


def _suite(name: str) -> str:
    keys = f'golden = "golden/{name}.jsonl"\ntarget = {{ model = "candidate" }}\nscorers = ["icontains"]'
    return f"\n[suites.{name}]\n{keys}\n"


def _costing() -> Files:
    sizes = {"support-faq": 240, "sql-gen": 40, "tone": 60}
    golden = {f"golden/{name}.jsonl": _cases(size, 1000 * index) for index, (name, size) in enumerate(sizes.items())}
    return {**_INI, "evalgate.toml": _COSTLY + "".join(map(_suite, sizes)), **golden}


_EARLIER: Final = """
import json

FILE = ".evalgate/history.jsonl"
[line] = open(FILE)
with open(FILE, "w") as file:
    for day in range(1, 18):
        slid = max(0, day - 9) * 0.005
        row = {**json.loads(line), "run_id": f"202611{day:02}T021500Z-4c{day:02}", "pass_rate": 0.934 - slid}
        print(json.dumps(row | {"created": f"2026-11-{day:02}T02:15:00Z", "commit": f"8c1f2{day:02}"}), file=file)
"""


def _sliding() -> Files:
    """Return a suite of 500 cases with their outputs, and a program that makes 17 earlier runs of its first."""
    right = {item: item % 100 < 90 for item in range(500)}
    outputs = _lines({"id": _case(item)["id"], "output": _answer(item, right=good)} for item, good in right.items())
    config = """
[suites.support]
golden = "golden/support.jsonl"
target = { recorded = "outputs.jsonl" }
scorers = ["icontains"]
gates = [{ kind = "pass-rate", min = 0.85 }]
"""
    return {**_INI, "evalgate.toml": config, "golden/support.jsonl": _cases(500), "outputs.jsonl": outputs} | {
        "earlier.py": _EARLIER
    }


_BOT: Final = """
import re


def answer(question):
    [item] = re.findall("item ([0-9]+)", question) or [0]
    return f"You may return it within {14 + int(item) % 5} days."


async def ask(question):
    return answer(question)
"""
_CLIENT: Final = """
import pytest

from myapp import bot


@pytest.fixture(scope="session")
def client():
    return bot
"""
_GRADERS: Final = """
def polite(case, output):
    return 1.0 if "You may" in output.value else 0.0
"""
_SHOTS: Final = {"input": "For how long?", "output": "You have 30 days.", "verdict": "pass", "evidence": "30 days"}


def _shop() -> Files:
    """Return an application with its golden sets, prompts, graders and recorded outputs."""
    cases = [_case(item) for item in range(120)]
    outputs = _lines({"id": case["id"], "output": _answer(item, right=True)} for item, case in enumerate(cases))
    return {
        **_INI,
        "golden/support.jsonl": _lines(cases),
        "golden/faq.jsonl": _lines(cases[:20]),
        "outputs.jsonl": outputs,
        "myapp/__init__.py": "",
        "myapp/bot.py": _BOT,
        "conftest.py": _CLIENT,
        "graders.py": _GRADERS,
        "prompts/support.md": "A customer asks: {{ input }}\n",
        "prompts/system.md": "Be brief.\n",
        "rubrics/faq.examples.jsonl": _lines([_SHOTS]),
    }


_UNCALIBRATED: Final = """
[models.judge]
model = "judge-model"

[judges.faq]
model = "judge"
rubric = "correctness"
calibration = "calibration/faq.json"
report_only = true

[suites.support]
golden = "golden_sets/support.jsonl"
target = { recorded = "outputs.jsonl" }
scorers = [{ judge = "faq" }]
"""
_LABELLING: Final = """
import csv

FILE = "labels/support.csv"
with open(FILE, newline="") as file:
    rows = list(csv.DictReader(file))
for row in rows:
    row["label"] = "pass" if row["expected"] in row["output"] else "fail"
with open(FILE, "w", newline="") as file:
    sheet = csv.DictWriter(file, list(rows[0]))
    sheet.writeheader()
    sheet.writerows(rows)
"""


def _calibrating() -> Files:
    """Return a suite of 400 cases, a quarter of them answered wrongly, and a program that labels what was drawn."""
    outputs = _lines(
        {"id": _case(item)["id"], "output": f"You may return item {item} within {days(item) + (item % 4 == 3)} days."}
        for item in range(400)
    )
    return {
        **_INI,
        "evalgate.toml": _UNCALIBRATED,
        "golden_sets/support.jsonl": _cases(400),
        "outputs.jsonl": outputs,
        "label.py": _LABELLING,
    }


def _private() -> Files:
    """Return a golden set with recorded outputs that name a customer."""
    case = {"id": "c1", "input": {"customer": "Jane Roe", "question": "How long?"}, "expected": {"text": "30 days"}}
    output = {"email": "Jane Roe <jane@example.org>", "text": "30 days"}
    return {**_INI, "golden/support.jsonl": _lines([{**case, "output": output}])}


def _asked() -> Files:
    """Return an application whose cases have variables, passages and a conversation, which its answers rest on."""
    said = {"vars": {"language": "English"}, "context": ["We take goods back."], "messages": []}
    cases = [{**_case(item), **said} for item in range(20)]
    return _shop() | {f"golden/{name}.jsonl": _lines(cases) for name in ("faq", "support")}


def _configured() -> Files:
    """Return all that the longest configuration of the pages names."""
    cases = [
        {**_case(item), "expected": f"A: {days(item)}", "metadata": {"type": "period", "document": f"d{item % 30}"}}
        for item in range(120)
    ]
    said = _BOT.replace("You may return it within {14 + int(item) % 5} days.", "A: {14 + int(item) % 5}")
    return _shop() | {
        "golden/support.jsonl": _lines(cases),
        "myapp/bot.py": said,
        "graders.py": _GRADERS.replace("You may", "A: "),
    }


def _judged() -> Files:
    """Return golden sets with recorded outputs, and what a judge of them is made of."""
    cases = [
        {"id": f"c{number}", "input": f"{_REFUND} ({number})", "expected": "30 days", "output": "It is 30 days."}
        for number in range(5)
    ]
    canaries = [
        {"id": verdict, "input": _REFUND, "expected": "30 days", "output": f"It is {period} days.", "verdict": verdict}
        for verdict, period in (("good", 30), ("bad", 90))
    ]
    return {
        **_INI,
        "golden/faq.jsonl": _lines(cases),
        "golden/support.jsonl": _lines(cases),
        "outputs.jsonl": _lines({"id": case["id"], "output": case["output"]} for case in cases),
        "rubrics/faq.md": "It passes when it names the period that the reference names.\n",
        "rubrics/faq.examples.jsonl": _lines([_SHOTS]),
        "rubrics/faq.canaries.jsonl": _lines(canaries),
        "labels.jsonl": _labelled(30),
        "myapp/__init__.py": "",
        "myapp/bot.py": _BOT,
    }


SCENES: Final[Mapping[str, Callable[[], Files]]] = {
    "planning": _planning,
    "probing": _probing,
    "shop": _shop,
    "private": _private,
    "asked": _asked,
    "configured": _configured,
    "judged": _judged,
    "costing": _costing,
    "calibrating": _calibrating,
    "sliding": _sliding,
}
