"""Prompts of a promptfoo configuration, as files with templates of Jinja.

A prompt is inline text or a file: text (several prompts between lines of ``---``), Markdown, Jinja, JSON or YAML (a
list of messages), JSONL and CSV (one prompt a row). Code that builds a prompt is left out.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.importing.imported import ImportingError
from pytest_evalgate.importing.promptfoo.nunjucks import NunjucksError, translate
from pytest_evalgate.importing.promptfoo.source import CODE, FILE, ConfigSource, place_of, plain, slug
from pytest_evalgate.importing.yaml_document import parse_document
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.records.cases import Place

_DELIMITER: Final = "---"
_HOSTED: Final = ("langfuse://", "portkey://", "helicone://", "exec:")
_ENDS: Final = (".txt", ".md", ".j2", ".jinja", ".jinja2", ".json", ".jsonl", ".yaml", ".yml", ".csv", *CODE)
_OWN_NAMES: Final = frozenset({"vars", "case"})
_PAIR: Final = 2
FOLDER: Final = "prompts"


@dataclass(frozen=True, slots=True)
class ImportedPrompt:
    """A prompt.

    ``text`` is the template; ``messages`` are set instead if the prompt is a list of messages. ``names`` are the
    variables that it reads. ``own_file`` is the file of the configuration that can be used as it is; else files are
    written whose names begin with ``stem``.
    """

    label: str
    place: Place
    text: str
    messages: tuple[Mapping[str, Any], ...] = ()
    names: frozenset[str] = frozenset()
    own_file: str = ""
    slug: str = ""
    stem: str = ""

    def matches(self, reference: str) -> bool:
        """Return whether a reference of a test or a provider, such as ``Support:*``, means this prompt."""
        if reference.endswith("*") and self.label.startswith(reference[:-1]):
            return True
        return self.label == reference or self.label.startswith(f"{reference}:")

    def file(self) -> tuple[str, list[tuple[str, str]]]:
        """Return the one file with the whole prompt, and the files to write."""
        if self.own_file or not self.messages:
            keys, made = self.target()
            return keys["prompt"], made
        name = f"{FOLDER}/{self.stem}.json"
        return name, [(name, self._as_json())]

    def _as_json(self) -> str:
        return json.dumps([dict(message) for message in self.messages], ensure_ascii=False, indent=2) + "\n"

    def target(self) -> tuple[dict[str, str], list[tuple[str, str]]]:
        """Return the keys of a model target, and the files that they name."""
        if self.own_file:
            return {"prompt": self.own_file}, []
        base = f"{FOLDER}/{self.stem}"
        if not self.messages:
            # Jinja removes one line end at the end of a template
            return {"prompt": f"{base}.md"}, [(f"{base}.md", f"{self.text}\n")]
        roles = [message["role"] for message in self.messages]
        texts = [message.get("content") for message in self.messages]
        if roles == ["system", "user"] and all(isinstance(one, str) and one for one in texts) and self._is_plain():
            keys = {"system": f"{base}.system.md", "prompt": f"{base}.md"}
            return keys, [(name, f"{text}\n") for name, text in zip(keys.values(), texts, strict=True)]
        return {"prompt": f"{base}.json"}, [(f"{base}.json", self._as_json())]

    def _is_plain(self) -> bool:
        return all(message.keys() == {"role", "content"} for message in self.messages)


def read_prompts(config: Mapping[str, Any], source: ConfigSource) -> tuple[ImportedPrompt, ...]:
    """Return the prompts that can be imported, with distinct slugs; the others are left out."""
    given = config.get("prompts")
    place = place_of(config, "prompts")
    if given in (None, [], ""):
        return _named([ImportedPrompt("prompt", place, "{{ prompt }}", names=frozenset({"prompt"}))], source)
    entries = given if isinstance(given, list) else [given]
    if isinstance(given, dict):  # {file: label}, an old form
        entries = [{"id": name, "label": label} for name, label in given.items()]
    found: list[ImportedPrompt] = []
    for index, entry in enumerate(entries):
        found += _entry(entry, place_of(given, index, place), source)
    return _named(found, source)


def _entry(entry: Any, place: Place, source: ConfigSource) -> Iterator[ImportedPrompt]:
    label, given = "", entry
    if isinstance(entry, dict):
        label = str(entry.get("label") or "")
        given = entry.get("raw") or entry.get("id") or entry.get("file")
        for key in ("config", "prefix", "suffix", "function", "template"):
            if entry.get(key):
                source.leave_out(place_of(entry, key), f"{key} of a prompt", "the target of the suite has no such key")
    if isinstance(given, list):
        yield from _raw(json.dumps(plain(given)), label or "messages", place, source)
        return
    if not isinstance(given, str) or not given.strip():
        source.leave_out(place, "a prompt", "it is neither a text nor the name of a file")
        return
    if given.startswith(_HOSTED):
        source.leave_out(place, f"prompt {given}", "it is stored elsewhere, or made by a program: save it as a file")
        return
    if not _is_file(given):
        yield from _raw(given, label or given, place, source)
        return
    if given.removeprefix(FILE).partition(":")[0].endswith(CODE):
        source.leave_out(place, f"prompt {given}", "it is code: write the prompt as a template")
        return
    for path in source.expand(given, place):
        yield from _file(path, label, place, source)


def _is_file(text: str) -> bool:
    if text.startswith(FILE):
        return True
    path = text.partition(":")[0]
    return "\n" not in text and "{{" not in text and path.endswith(_ENDS)


def _file(path: Path, label: str, place: Place, source: ConfigSource) -> Iterator[ImportedPrompt]:
    name, end = source.name_of(path), path.suffix.lower()
    if end in CODE:
        source.leave_out(place, f"prompt {name}", "it is code: write the prompt as a template")
        return
    if end == ".csv":
        for index, row in enumerate(source.read_table(path, place)):
            if row.get("prompt"):
                where = place_of(row)
                yield from _raw(row["prompt"], row.get("label") or label or f"{path.stem}-{index + 1}", where, source)
        return
    text = source.read_text(path, place)
    if end in (".yaml", ".yml"):
        value = parse_document(text.encode(), name)
        yield from _raw(json.dumps(plain(value), ensure_ascii=False), label or name, place, source)
    elif end == ".jsonl":
        yield from _several([line for line in text.splitlines() if line.strip()], label or name, place, source)
    elif end == ".txt" and len(parts := [part for part in _parts(text) if part]) > 1:
        yield from _several(parts, label or name, place, source)
    else:
        for made in _raw(text.strip() if end == ".txt" else text, label or name, place, source):
            is_same = not made.messages and made.text in (text, text.removesuffix("\n")) and source.is_in_project(path)
            yield replace(made, own_file=name) if is_same else made


def _several(texts: Sequence[str], label: str, place: Place, source: ConfigSource) -> Iterator[ImportedPrompt]:
    for number, text in enumerate(texts, start=1):
        yield from _raw(text, f"{label}: {number}", place, source)


def _parts(text: str) -> list[str]:
    """Return the prompts between lines of ``---``, without the white space around them."""
    found: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip() == _DELIMITER:
            found.append([])
        else:
            found[-1].append(line)
    return ["\n".join(lines).strip() for lines in found]


def _raw(text: str, label: str, place: Place, source: ConfigSource) -> Iterator[ImportedPrompt]:
    """Yield the prompt with this text, unless it has no equivalent."""
    shown = label.partition("\n")[0]
    try:
        messages = _messages(text)
        if messages is not None:
            names: set[str] = set()
            made = tuple(_translated(message, source, names) for message in messages)
            yield _checked(ImportedPrompt(label, place, "", made, frozenset(names)))
            return
        translated = translate(_not_messages(text), source.env)
        yield _checked(ImportedPrompt(label, place, translated.text, (), translated.names))
    except NunjucksError as error:
        source.leave_out(place, f"prompt {shown}", str(error))


def _not_messages(text: str) -> str:
    if text.lstrip().startswith("[") and '"role"' in text:
        raise NunjucksError("its messages are made by tags, or are not JSON: write a list of messages")
    return text


def _checked(prompt: ImportedPrompt) -> ImportedPrompt:
    if "_conversation" in prompt.names:
        raise NunjucksError("it continues the conversation of the tests before it, and every case is asked alone")
    taken = sorted(prompt.names & _OWN_NAMES)
    if taken:
        raise NunjucksError(f'it has a variable "{taken[0]}", which has another meaning in templates here: rename it')
    return prompt


def _messages(text: str) -> list[dict[str, Any]] | None:
    """Return the messages of a prompt that is a list of them in JSON or YAML; None for any other text."""
    stripped = text.strip()
    value: Any = None
    try:
        if stripped.startswith(("[", "{")) and not stripped.startswith(("{{", "{%", "{#")):
            value = jsonl.loads(stripped)
        elif stripped.startswith("- role:"):
            value = plain(parse_document(stripped.encode(), "prompt"))
    except (ValueError, ImportingError):
        return None
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    is_chat = isinstance(value, list) and bool(value)
    return (
        value if is_chat and all(isinstance(one, dict) and isinstance(one.get("role"), str) for one in value) else None
    )


def _translated(value: Any, source: ConfigSource, names: set[str]) -> Any:
    if isinstance(value, str):
        made = translate(value, source.env)
        names |= made.names
        return made.text
    if isinstance(value, dict):
        return {key: _translated(member, source, names) for key, member in value.items()}
    return [_translated(member, source, names) for member in value] if isinstance(value, list) else value


def _named(prompts: Sequence[ImportedPrompt], source: ConfigSource) -> tuple[ImportedPrompt, ...]:
    """Return the prompts with distinct slugs, such as a short label, and stems that name no file that was read."""
    taken: set[str] = set()
    named: list[ImportedPrompt] = []
    for index, prompt in enumerate(prompts, start=1):
        short = prompt.label if len(prompt.label) <= 60 and "{{" not in prompt.label else ""  # noqa: PLR2004 - a name
        file, _, number_in_file = short.partition(": ")
        base = slug(f"{PurePosixPath(file).stem} {number_in_file}" if file.endswith(_ENDS) else short)
        base = base or ("prompt" if len(prompts) == 1 else f"prompt-{index}")
        made, count = base, 1
        while made in taken:
            count += 1
            made = f"{base}-{count}"
        taken.add(made)
        named.append(replace(prompt, slug=made, stem=f"{made}-imported" if _is_source(made, source) else made))
    return tuple(named)


def _is_source(slug_of_prompt: str, source: ConfigSource) -> bool:
    """Return whether a prompt of this slug would be written over a file that was read."""
    ends = (".md", ".json", ".system.md")
    return any(source.project / FOLDER / f"{slug_of_prompt}{end}" in source.read for end in ends)
