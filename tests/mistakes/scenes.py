"""Mistakes that people make in their first hour, each as a small scene: files, steps, and what went wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Files = dict[str, str | None]
"""Texts by path; None removes the file."""


@dataclass(frozen=True)
class Scene:
    """A mistake.

    Args:
        name: Its name.
        files: Files that differ from those of the project.
        steps: Commands, and files that are written between them. The output of the last command is reviewed.
        only: Pattern of the lines that are reviewed, of a screen that shows more than the mistake.
        env: Environment variables.
    """

    name: str
    files: Files = field(default_factory=dict)
    steps: tuple[str | Files, ...] = ("pytest --eval-gate",)
    only: str = ""
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The command with the mistake."""
        return next(step for step in reversed(self.steps) if isinstance(step, str))


def jsonl(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


_CASES: Final = [
    {
        "id": f"faq-{number:02}",
        "input": f"How long may I return item {number}?",
        "expected": f"{14 + number} days",
        "tags": ["safety", "lang:de"] if number % 4 == 0 else ["lang:en"],
    }
    for number in range(40)
]
_BOT: Final = """import re


def answer(question):
    [number] = re.findall("[0-9]+", question)
    return f"{14 + int(number)} days"
"""
_OUTPUTS: Final = jsonl({"id": case["id"], "output": case["expected"]} for case in _CASES)
_KEYS: Final = {
    "golden": '"golden/faq.jsonl"',
    "target": '{ python = "bot:answer" }',
    "scorers": '["exact"]',
    "slices": '["lang"]',
    "gates": '[{ kind = "pass-rate", min = 0.5 }]',
}


def suite(*more: str, name: str = "faq", **keys: str) -> str:
    """Return the table of a suite; ``keys`` replace those of the project's, ``more`` are lines below it."""
    lines = [f"{key} = {value}" for key, value in (_KEYS | keys).items() if value]
    return "\n".join([f"[suites.{name}]", *lines, *more]) + "\n"


def config(*more: str, **keys: str) -> Files:
    return {"evalgate.toml": suite(*more, **keys)}


def bot(code: str) -> Files:
    return {"bot.py": code}


def golden(text: str) -> Files:
    return {"golden/faq.jsonl": text}


PROJECT: Final[Files] = {
    "pytest.ini": "[pytest]\npythonpath = .\n",
    "evalgate.toml": suite(),
    "golden/faq.jsonl": jsonl(_CASES),
    "outputs.jsonl": _OUTPUTS,
    "prompts/faq.md": "{{ input }}\n",
    "bot.py": _BOT,
}
"""The project in which every mistake is made: a Python target that answers every case."""


def _model(base_url: str, key: str = '""', target: str = '{ model = "candidate" }') -> Files:
    table = (
        f'[models.candidate]\nmodel = "gpt-x-mini"\nbase_url = "{base_url}"\napi_key_env = {key}\nclient = "http"\n'
    )
    return {"evalgate.toml": table + suite(target=target)}


def _gate(text: str) -> Files:
    return config(gates=f"[{text}]")


def _edited(count: int) -> Files:
    return golden(
        jsonl({**case, "input": f"{case['input']} Please!"} if at < count else case for at, case in enumerate(_CASES))
    )


def _compared(baseline: str) -> Files:
    return config(baseline=f'"{baseline}"', gates='[{ kind = "no-regression" }]')


_RUN: Final = "pytest --eval-gate -q"
_PROMOTE: Final = 'pytest-evalgate baseline promote --reason "first release"'
_REGRESSION: Final = config(gates='[{ kind = "no-regression" }]')
_BASE: Final = (_RUN, _PROMOTE)
_GATES: Final = r"^(evalgate: [A-Z]|  [A-Z]{2,} |  not paired|       |ERROR)"
"""Lines of a screen about the gates and their reasons."""
_CALLS: Final = r"^(evalgate: [A-Z]|  INCOMPLETE|  ERROR Nx \d attempts?:)"
"""Lines of a screen about failed calls; which call reports that the run was stopped is a matter of timing."""
_REASONS: Final = r"^(evalgate: [A-Z]|  [A-Z]{2,} |  reasons: |  faq-\d+ |look: |ERROR)"
"""Lines of a screen about the gates and the missed cases."""


SCENES: Final = (
    # misspelt names
    Scene("misspelt key", config(scorer='["exact"]')),
    Scene("misspelt gates", config(gates="", gate='[{ kind = "pass-rate", min = 0.5 }]')),
    Scene("misspelt kind of gate", _gate('{ kind = "passrate", min = 0.5 }')),
    Scene("misspelt scorer", config(scorers='["exat"]')),
    Scene("misspelt parameter of a scorer", config(scorers='[{ kind = "contains", vlaue = "days" }]')),
    Scene("misspelt tag", _gate('{ kind = "must-pass", tags = ["safty"] }')),
    Scene("misspelt slice", config(slices='["land"]')),
    Scene("misspelt slice of a gate", _gate('{ kind = "slice", by = "lnag", min = 0.5 }')),
    Scene("misspelt tier", steps=("pytest --eval-gate --eval-tier nightl",)),
    Scene("misspelt target spec", steps=("pytest --eval-gate --eval-target bot:answer",)),
    Scene("misspelt model", _model("http://127.0.0.1:9/v1", target='{ model = "candidat" }')),
    Scene("misspelt judge", config(scorers='[{ judge = "tone" }]')),
    Scene("misspelt field of a row", golden(jsonl([{**case, "expcted": case["expected"]} for case in _CASES]))),
    Scene("misspelt verb", steps=("pytest-evalgate inti",)),
    Scene("misspelt option", steps=("pytest --eval-gate --eval-trails 3",)),
    Scene("misspelt suite of a verb", steps=(_RUN, "pytest-evalgate baseline promote --suite fqa")),
    # wrong paths
    Scene("wrong path of golden set", config(golden='"golden/faqs.jsonl"')),
    Scene("golden set beside the folder", config(golden='"faq.jsonl"')),
    Scene("golden set is a CSV file", {**config(golden='"faq.csv"'), "faq.csv": "Question,Answer\nHow?,So\n"}),
    Scene("wrong path of outputs", config(target='{ recorded = "output.jsonl" }')),
    Scene(
        "wrong path of baseline",
        _compared("baselines/faq.json"),
        (_RUN, _PROMOTE, _compared("baselines/fag.json"), "pytest --eval-gate"),
        only=_GATES,
    ),
    Scene(
        "wrong path of prompt",
        _model("http://127.0.0.1:9/v1", target='{ model = "candidate", prompt = "prompts/fag.md" }'),
    ),
    Scene("missing baseline", _REGRESSION, only=_GATES),
    Scene("missing baseline in CI", _REGRESSION, env={"CI": "true"}, only=_GATES),
    Scene(
        "wrong id in outputs",
        {**config(target='{ recorded = "outputs.jsonl" }'), "outputs.jsonl": _OUTPUTS.replace('"faq-', '"FAQ-')},
        only=r"evalgate: |no recorded|outputs.jsonl",
    ),
    # models
    Scene("no key", _model("http://127.0.0.1:9/v1", '"CANDIDATE_KEY"')),
    Scene("key in place of its name", _model("http://127.0.0.1:9/v1", '"sk-proj-AbCdEf123456"')),
    Scene("closed port", _model("http://127.0.0.1:9/v1"), only=_CALLS),
    Scene("wrong base_url", _model("http://SERVER/wrong"), only=_CALLS),
    # files of rows
    Scene("empty file", golden("")),
    Scene("pretty-printed rows", golden(json.dumps(_CASES[0], indent=2))),
    Scene("array of rows", golden(json.dumps(_CASES[:2], indent=1))),
    Scene("single quotes", golden("".join(f"{case}\n" for case in _CASES))),
    Scene("duplicate id", golden(jsonl([*_CASES, _CASES[3]]))),
    Scene("merge conflict", golden(f"<<<<<<< HEAD\n{jsonl(_CASES[:1])}=======\n{jsonl(_CASES[1:2])}>>>>>>> topic\n")),
    Scene("tags as text", golden(jsonl({**case, "tags": "safety, lang:de"} for case in _CASES))),
    Scene(
        "expected is missing",
        {**golden(jsonl({"id": case["id"], "input": case["input"]} for case in _CASES)), **config(slices="")},
    ),
    # configuration
    Scene("two suites of one name", {"evalgate.toml": suite() + suite()}),
    Scene("invalid regex", config(scorers='[{ kind = "regex", pattern = "(days" }]')),
    Scene("percent in quotes", _gate('{ kind = "pass-rate", min = "85%" }')),
    Scene("percent", _gate('{ kind = "pass-rate", min = 85 }')),
    Scene("no gates", config(gates="[]")),
    Scene("gates as a table", config(gates="{}")),
    Scene("no scorers", config(scorers="[]")),
    Scene("empty contains", config(scorers='[{ kind = "contains", value = "" }]')),
    Scene("TOML syntax", {"evalgate.toml": suite(gates="").replace('"golden/faq.jsonl"', "golden/faq.jsonl")}),
    Scene(
        "evalgate.yaml", {"evalgate.toml": None, "evalgate.yaml": "suites:\n  faq:\n    golden: golden/faq.jsonl\n"}
    ),
    Scene("two configurations", {"pyproject.toml": "[tool.evalgate]\non_inconclusive = 'fail'\n"}),
    Scene(
        "3 cases with a tight gate",
        {**golden(jsonl(_CASES[:3])), **config(slices="[]", gates='[{ kind = "pass-rate", min = 0.9 }]')},
    ),
    # the target
    Scene("wrong module", config(target='{ python = "bots:answer" }')),
    Scene("wrong function", config(target='{ python = "bot:anwser" }')),
    Scene("wrong signature", bot("def answer(question, context):\n    return question\n")),
    Scene("wrong return type", bot("def answer(question):\n    return object()\n"), only=_REASONS),
    Scene(
        "target prints",
        {
            **bot('print("loading")\nprint("3 days")\n'),
            **golden(jsonl(_CASES[:8])),
            **config(target='{ command = ["python", "bot.py"] }', slices="[]"),
        },
        only=_REASONS,
    ),
    Scene("target raises", bot("def answer(question):\n    return {}['answer']\n"), only=_REASONS),
    Scene("target exits", bot("import sys\n\n\ndef answer(question):\n    sys.exit(3)\n"), only=_REASONS),
    Scene("target misses a dependency", bot("import langchian\n")),
    Scene("target has a syntax error", bot("def answer(question)\n    return question\n")),
    # commands
    Scene("-k with a typing error", steps=("pytest --eval-gate -k refnud",)),
    Scene("--eval-gate is forgotten", steps=("pytest golden/faq.jsonl",)),
    Scene("path with tests only", {"tests/test_a.py": "def test_a():\n    pass\n"}, ("pytest --eval-gate tests",)),
    Scene(
        "--eval-gate in addopts, one unit test",
        {
            "pytest.ini": "[pytest]\npythonpath = .\naddopts = --eval-gate\n",
            "tests/test_a.py": "def test_a():\n    pass\n",
        },
        ("pytest tests/test_a.py",),
    ),
    Scene("another folder", {"docs/a.md": "", "docs/pytest.ini": "[pytest]\n"}, ("cd docs", "pytest --eval-gate")),
    # baselines
    Scene("promote before a run", steps=(_PROMOTE,)),
    Scene("promote after -k", steps=(f"{_RUN} -k faq-01", _PROMOTE)),
    Scene("promote in CI", steps=(_RUN, _PROMOTE), env={"CI": "true"}),
    Scene("promote without a reason", _REGRESSION, steps=(_RUN, _PROMOTE, "pytest-evalgate baseline promote")),
    Scene("all questions edited", _REGRESSION, (*_BASE, _edited(40), "pytest --eval-gate"), only=_GATES),
    Scene("one question edited", _REGRESSION, (*_BASE, _edited(1), "pytest --eval-gate"), only=_GATES),
    Scene(
        "scorer changed",
        _REGRESSION,
        (*_BASE, config(gates='[{ kind = "no-regression" }]', scorers='["iexact"]'), "pytest --eval-gate"),
        only=_GATES,
    ),
    Scene("key-less CI", _model("http://127.0.0.1:9/v1", '"OPENAI_API_KEY"'), env={"CI": "true"}),
)
