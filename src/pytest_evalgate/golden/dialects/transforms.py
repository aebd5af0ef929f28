"""Transforms of promptfoo that a rule makes itself: the part of an output at a path, and the removal of white space.

A transform is translated only if a rule gives the same result for every output. Everything else is code, which a
golden set does not contain.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.dialects.translate import TranslationError
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable

    Spec = dict[str, Any]

TRIMMED: Final = frozenset(
    {
        "contains",
        "icontains",
        "contains-any",
        "contains-all",
        "json-valid",
        "json-schema",
        "contains-json",
        "word-count",
    }
)
"""Rules whose result white space around the output does not change, apart from the icontains forms."""

_PARSED: Final = re.compile(r"\A(?:JSON\.parse\(\s*output\s*\)|output|json)(.*)\Z", re.DOTALL)
_TRIM: Final = re.compile(r"\.trim\(\)\Z")
_STEP: Final = re.compile(
    r"""\.([A-Za-z_$][\w$]*)|\[\s*(?:([0-9]+)|"([^".\s]+)"|'([^'.\s]+)')\s*\]|\?\.(?=[A-Za-z_\[])"""
)


@dataclass(frozen=True, slots=True)
class Transform:
    """A change of the output before it is graded: the part at ``field``, then without white space around it."""

    field: str = ""
    strips: bool = False

    def apply(self, spec: Spec) -> Spec:
        """Return the rule for the changed output.

        Raises:
            TranslationError: There is no such rule.
        """
        made = {**spec, "field": self.field} if self.field else dict(spec)
        if not self.strips:
            return made
        base = spec["kind"].removeprefix("not-")
        if base == "exact":
            made.pop("strip", None)
            if isinstance(spec.get("value"), str) and spec["value"] != spec["value"].strip():
                raise TranslationError("compares trimmed text with a value that has white space around it")
            return made
        texts = [spec.get("value", ""), *spec.get("values", ())]
        if base in TRIMMED and all(not isinstance(one, str) or one == one.strip() for one in texts):
            return made
        raise TranslationError("grades the output after the transform output.trim(), which changes this check")


def read_transform(code: str) -> Transform | None:
    """Return what ``output.a.b``, ``JSON.parse(output).a`` or ``output.trim()`` does; None for other code."""
    text = code.strip().removeprefix("return ").rstrip("; \n")
    strips = _TRIM.search(text) is not None
    found = _PARSED.match(_TRIM.sub("", text))
    path = None if found is None else dotted(found[1].strip())
    if path is None or path.split(".")[-1] == "length":
        return None
    return Transform(path, strips)


def read_transforms(codes: Iterable[Any]) -> Transform:
    """Return the transform that makes several ones after another; empty ones are left out.

    Raises:
        TranslationError: One is code.
    """
    made = Transform()
    for code in filter(None, codes):
        step = read_transform(code) if isinstance(code, str) else None
        if step is None:
            shown = jsonl.quote_text(str(code).strip(), 60)
            raise TranslationError(f"grades the output after the transform {shown}, which is code")
        path = ".".join(filter(None, (made.field, step.field)))
        made = Transform(path, made.strips or step.strips)
    return made


def dotted(expression: str) -> str | None:
    """Return the steps ``.choices[0]["text"]`` as ``choices.0.text``; None if it is more than a path."""
    steps: list[str] = []
    at = 0
    while at < len(expression):
        found = _STEP.match(expression, at)
        if found is None:
            if expression.startswith("?.", at):
                at += 1
                continue
            return None
        at = found.end()
        step = next((one for one in found.groups() if one), "")
        if found[0].startswith("?."):
            at = found.start() + 1
            continue
        steps.append(step)
    return ".".join(steps)
