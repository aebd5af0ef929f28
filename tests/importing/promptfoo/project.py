"""All set-ups in one project, so that one session runs them: their suites, models and files get a prefix."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.importing.promptfoo import read_config
from pytest_evalgate.importing.promptfoo.toml_text import table_text
from pytest_evalgate.testing.server import Behaviour

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_evalgate.importing import Imported
    from pytest_evalgate.testing.server import Request

SETUPS: Final = Path(__file__).parent / "setups"
NAMES: Final = tuple(sorted(folder.name for folder in SETUPS.iterdir()))
GOLDEN: Final = "golden/cases.jsonl"


def config_of(folder: Path) -> Path:
    """Return the configuration of promptfoo in a folder."""
    [path] = folder.glob("promptfooconfig.*")
    return path


def imported(folder: Path) -> Imported:
    return read_config(config_of(folder), project=folder, golden=GOLDEN)


def write_project(root: Path, names: Iterable[str], base_url: str) -> dict[str, Imported]:
    """Import set-ups into ``root``; every model and application is at ``base_url``."""
    made: dict[str, Imported] = {}
    tables: list[str] = ['[report]\nformats = ["csv"]']
    for name in names:
        folder = root / name
        shutil.copytree(SETUPS / name, folder)
        found = made[name] = imported(folder)
        texts = dict(found.files)
        texts[GOLDEN] = "".join(f"{json.dumps(case.row)}\n" for case in found.cases)
        settings = tomllib.loads(texts.pop("evalgate.toml"))
        for path, text in texts.items():
            target = folder / path
            if path.endswith(".py"):  # a module is imported by its name
                target = root / f"{_identifier(name)}_{path}"
                text = text.replace("Path(__file__).parent", f"Path(__file__).parent / {name!r}")  # noqa: PLW2901
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
        tables += _prefixed(settings, name, base_url)
    (root / "evalgate.toml").write_text("\n\n".join(tables) + "\n", "utf-8")
    return made


def _identifier(name: str) -> str:
    return name.replace("-", "_")


def _prefixed(settings: Mapping[str, Any], name: str, base_url: str) -> Iterable[str]:
    for model, table in settings.get("models", {}).items():
        yield table_text(f"models.{name}-{model}", {**table, "base_url": base_url, "api_key_env": ""})
    for judge, table in settings.get("judges", {}).items():
        yield table_text(f"judges.{name}-{judge}", {**table, "model": f"{name}-{table['model']}"})
    for suite, table in settings["suites"].items():
        changed = dict(table)
        golden = table["golden"] if isinstance(table["golden"], list) else [table["golden"]]
        changed["golden"] = [f"{name}/{one}" for one in golden]
        changed["target"] = _target(table["target"], name, base_url)
        changed["scorers"] = [{"judge": f"{name}-{one['judge']}"} for one in table["scorers"]]
        yield table_text(f"suites.{name}-{suite}", changed)


def _target(target: Mapping[str, Any], name: str, base_url: str) -> dict[str, Any]:
    changed = dict(target)
    if "model" in target:
        changed["model"] = f"{name}-{target['model']}"
    for key in ("prompt", "system"):
        if key in target:
            changed[key] = f"{name}/{target[key]}"
    if "python" in target:
        changed["python"] = f"{_identifier(name)}_{target['python']}"
    if "http" in target:
        changed["http"] = {**target["http"], "url": base_url.replace("/v1", "/chat"), "headers_env": {}}
    return changed


def replies() -> list[tuple[str, str]]:
    """Return the replies of all set-ups: (text in the question, reply), the longest text first."""
    found: dict[str, str] = {}
    for name in NAMES:
        found |= json.loads((SETUPS / name / "replies.json").read_text("utf-8"))
    return sorted(found.items(), key=lambda pair: -len(pair[0]))


def respond(request: Request) -> Behaviour:
    """Reply to the last message, as `replies` has it; a reply with a tool is a tool call."""
    body = request.body
    if request.path.endswith("/embeddings"):
        count = len(body["input"]) if isinstance(body["input"], list) else 1
        return Behaviour.reply({"data": [{"index": index, "embedding": [0.5, 1.0]} for index in range(count)]})
    if request.path.endswith("/moderations"):
        flags = {"flagged": False, "categories": {"hate": False, "harassment": False}}
        return Behaviour.reply({"results": [flags] * (len(body["input"]) if isinstance(body["input"], list) else 1)})
    messages = body.get("messages") or body.get("input")
    asked = messages if isinstance(messages, str) else json.dumps(messages[-1:], ensure_ascii=False)
    if "THE OUTPUT TO GRADE" in asked:
        return Behaviour.text("no verdict")
    text = next(
        (reply for part, reply in replies() if json.dumps(part, ensure_ascii=False)[1:-1] in asked), "no reply"
    )
    if request.path.startswith("/chat"):
        return Behaviour.reply({"answer": {"text": text}})
    if text.startswith('{"tool"'):
        call = json.loads(text)
        function = {"name": call["tool"], "arguments": json.dumps(call["arguments"])}
        calls = [{"id": "c1", "type": "function", "function": function}]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
        return Behaviour.reply(
            {"id": "r", "object": "chat.completion", "created": 0, "model": body["model"], "usage": usage}
            | {"choices": [choice]}
        )
    return Behaviour.text(text)
