"""Short expressions of JavaScript and Python in asserts, read as rules; nothing is run.

An expression is translated only if a rule gives the same result for every output. Everything else is code, which a
golden set does not contain.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.golden.dialects import javascript
from pytest_evalgate.golden.dialects.transforms import dotted
from pytest_evalgate.golden.dialects.translate import TranslationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    Spec = dict[str, Any]


def read_javascript(code: str, variables: Mapping[str, Any]) -> list[Spec] | None:
    """Return the rules that all have to pass for the expression to be true; None if it is other code."""
    text = code.strip()
    if text.startswith("return ") and text.count("return") == 1:
        text = text.removeprefix("return ")
    text = text.rstrip("; \n")
    if named := _NAMED.fullmatch(text):
        text = re.sub(rf"(?<![.\w]){named['name']}\b", "JSON.parse(output)", named["rest"])
    if "\n" in text or ";" in _QUOTED.sub("", text):
        return None
    ternary = re.fullmatch(r"(.+?)\s*\?\s*(?:1|true)(?:\.0)?\s*:\s*(?:0|false)(?:\.0)?", text)
    return _all_of(ternary[1] if ternary else text, variables)


_NAMED: Final = re.compile(
    r"(?:const|let|var)\s+(?P<name>\w+)\s*=\s*JSON\.parse\(\s*output\s*\)\s*;?\s*return\s+(?P<rest>[^;]+)", re.DOTALL
)
_REGEX: Final = re.compile(r"/(?![/*])(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")


def _split(text: str, operator: str) -> list[str]:
    """Split at an operator that is outside of quotes, patterns and parentheses."""
    parts, depth, start, at = [], 0, 0, 0
    while at < len(text):
        literal = _QUOTED.match(text, at)
        if literal is None and (at == 0 or text[at - 1] in "(!&| "):
            literal = _REGEX.match(text, at)
        if literal is not None:
            at = literal.end()
            continue
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(text[at], 0)
        if depth == 0 and text.startswith(operator, at):
            parts.append(text[start:at].strip())
            at += len(operator)
            start = at
            continue
        at += 1
    return [*parts, text[start:].strip()]


def _all_of(text: str, variables: Mapping[str, Any]) -> list[Spec] | None:
    text = _bare(text)
    found: list[Spec] = []
    for part in _split(text, "&&"):
        made = _any_of(_bare(part), variables)
        if made is None:
            return None
        found += made
    return found


def _bare(text: str) -> str:
    """Remove parentheses around the whole expression."""
    while text.startswith("(") and text.endswith(")"):
        depth = 0
        for at, character in enumerate(text):
            depth += {"(": 1, ")": -1}.get(character, 0)
            if depth == 0 and at < len(text) - 1:
                return text
        text = text[1:-1].strip()
    return text


def _any_of(text: str, variables: Mapping[str, Any]) -> list[Spec] | None:
    parts = _split(text, "||")
    if len(parts) == 1:
        if text.startswith(("(", "!(")) and len(_split(_bare(text.removeprefix("!")), "&&")) > 1:
            return None if text.startswith("!") else _all_of(text, variables)
        one = _condition(text, variables)
        return None if one is None else [one]
    made = [_condition(_bare(part), variables) for part in parts]
    kinds = {None if one is None else one["kind"] for one in made}
    if kinds <= {"contains", "icontains"} and len(kinds) == 1:
        [kind] = kinds
        return [{"kind": f"{kind}-any", "values": [one["value"] for one in made if one is not None]}]
    return None


_TEXT: Final = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`$\\]*`"""
_VARIABLE: Final = r"""context\.vars(?:\.\w+|\[["'][^"']+["']\])"""
_VALUE: Final = rf"(?P<value>{_TEXT}|-?[0-9]+(?:\.[0-9]+)?|true|false|null|{_VARIABLE})"
_QUOTED: Final = re.compile(_TEXT)
_METHOD: Final = r"(?:includes|startsWith|endsWith|toLowerCase|trim|length|match)\b"
_PATH: Final = rf"""(?:\??\.(?!{_METHOD})[A-Za-z_$][\w$]*|\[(?:[0-9]+|'[^']+'|"[^"]+")\])"""
_SUBJECT: Final = rf"(?:String\(output\)|(?:JSON\.parse\(\s*output\s*\)|output)(?P<path>{_PATH}*))\??"
_CALL: Final = re.compile(
    rf"(?P<not>!?)\s*{_SUBJECT}(?P<lower>\.toLowerCase\(\))?\.(?P<name>includes|startsWith|endsWith)\(\s*{_VALUE}(?P<vlower>\.toLowerCase\(\))?\s*\)"
)
_EQUAL: Final = re.compile(
    rf"{_SUBJECT}(?P<lower>\.toLowerCase\(\))?(?P<trim>\.trim\(\))?(?P<lower2>\.toLowerCase\(\))?\s*(?P<operator>[!=]==?)\s*{_VALUE}"
)
_LENGTH: Final = re.compile(r"output\.length\s*(?P<operator><=|>=|<|>|===?)\s*(?P<number>[0-9]{1,9})")
_TEST: Final = re.compile(
    rf"(?P<not>!?)\s*(?:/(?P<test>.+)/(?P<flags>[a-z]*)\.test\(\s*(?:{_SUBJECT})\s*(?:\|\|\s*(?:''|\"\"))?\s*\)|output\.match\(\s*/(?P<match>.+)/(?P<mflags>[a-z]*)\s*\))(?:\s*!==?\s*null)?"
)
_MEMBER: Final = re.compile(
    rf"(?:JSON\.parse\(\s*output\s*\)|output)(?P<path>(?:\??\.[A-Za-z_$][\w$]*|\[[^\[\]]+\])+)\s*===\s*{_VALUE}"
)
_RULES: Final = {"includes": "contains", "startsWith": "starts-with", "endsWith": "ends-with"}
_FLAGS: Final = {"i": "ignorecase", "g": "", "u": ""}  # m and s change what ^, $ and . mean


def _condition(text: str, variables: Mapping[str, Any]) -> Spec | None:
    """Return the rule of one condition; None if it is other code."""
    if found := _LENGTH.fullmatch(text):
        return _bounded("length", found["operator"], int(found["number"]))
    if found := _MEMBER.fullmatch(text):
        return _member(found, variables)
    readers = ((_CALL, _call), (_EQUAL, _equality), (_TEST, _pattern))
    found, read = next(((found, read) for form, read in readers if (found := form.fullmatch(text))), (None, _call))
    spec = None if found is None else read(found, variables)
    path = "" if found is None else dotted(found["path"] or "")
    if spec is None or path is None:
        return None
    return {**spec, "field": path} if path else spec


def _member(found: re.Match[str], variables: Mapping[str, Any]) -> Spec | None:
    path = dotted(found["path"])
    value = _value(found["value"], variables)
    if not path or value is _UNKNOWN or path.split(".")[-1] == "length":
        return None
    return {"kind": "json-fields", "fields": {path: value}}


_UNKNOWN: Final = object()


def _value(text: str, variables: Mapping[str, Any]) -> Any:
    if text.startswith("context.vars"):
        name = re.sub(r"""\Acontext\.vars\.?|[\[\]"']""", "", text)
        return variables.get(name, _UNKNOWN)
    if text[0] in "'\"`":
        return _text(text[1:-1])
    if text in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[text]
    return float(text) if "." in text else int(text)


_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}


def _text(body: str) -> Any:
    """Return a text of JavaScript; unknown if it has an escape other than the usual ones."""
    if re.search(r"\\[^ntr\\'\"`/]", body):
        return _UNKNOWN
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), body, flags=re.DOTALL)


def _call(found: re.Match[str], variables: Mapping[str, Any]) -> Spec | None:
    value = _value(found["value"], variables)
    if not isinstance(value, str) or value == "":
        return None
    kind = _RULES[found["name"]]
    ignores_case = bool(found["lower"])
    if found["vlower"]:
        value = value.lower()
    if ignores_case and value != value.lower():
        return None  # never true
    if ignores_case and kind != "contains":
        return {"kind": f"{'not-' if found['not'] else ''}{kind}", "value": value, "ignore_case": True}
    return {"kind": f"{'not-' if found['not'] else ''}{'i' if ignores_case else ''}{kind}", "value": value}


def _equality(found: re.Match[str], variables: Mapping[str, Any]) -> Spec | None:
    value = _value(found["value"], variables)
    if not isinstance(value, str):
        return None
    lowers = bool(found["lower"] or found["lower2"])
    if (lowers and value != value.lower()) or (found["trim"] and value != value.strip()):
        return None  # never true
    spec: Spec = {"kind": "exact", "value": value}
    spec |= {} if found["trim"] else {"strip": False}
    spec |= {"ignore_case": True} if lowers else {}
    return {**spec, "kind": "not-exact"} if found["operator"].startswith("!") else spec


def _bounded(kind: str, operator: str, number: int) -> Spec | None:
    match operator:
        case "<":
            return {"kind": kind, "max": number - 1} if number > 0 else None
        case "<=":
            return {"kind": kind, "max": number}
        case ">":
            return {"kind": kind, "min": number + 1}
        case ">=":
            return {"kind": kind, "min": number} if number > 0 else None
    return {"kind": kind, "min": number, "max": number}


def _pattern(found: re.Match[str], _: Mapping[str, Any]) -> Spec | None:
    pattern = found["test"] or found["match"]
    flags = found["flags"] or found["mflags"] or ""
    if any(flag not in _FLAGS for flag in flags):
        return None
    try:
        made = javascript.translate_pattern(pattern.replace(r"\/", "/"))
    except TranslationError:
        return None
    spec: Spec = {"kind": "not-regex" if found["not"] else "regex", "pattern": made}
    named = [_FLAGS[flag] for flag in flags if _FLAGS[flag]]
    return spec | ({"flags": named} if named else {})


def read_python(code: str, variables: Mapping[str, Any]) -> list[Spec] | None:
    """Return the rules that all have to pass for a Python expression to be true; None if it is other code."""
    try:
        tree = ast.parse(code.strip().removeprefix("return "), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return _Python(variables).all_of(tree)


_COMPARED: Final = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "=="}


class _Python:
    """Reader of a Python expression; ``variables`` are those of ``context["vars"]``."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables

    def all_of(self, node: ast.expr) -> list[Spec] | None:
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            made = [self.all_of(one) for one in node.values]
            return None if None in made else [spec for part in made if part is not None for spec in part]
        if isinstance(node, ast.BoolOp):
            return self._any_of(node.values)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.all_of(node.operand)
            return negated(inner)
        one = self._condition(node)
        return None if one is None else [one]

    def _any_of(self, nodes: list[ast.expr]) -> list[Spec] | None:
        made = [self._condition(one) for one in nodes]
        kinds = {None if one is None else one["kind"] for one in made}
        if kinds in ({"contains"}, {"icontains"}):
            [kind] = kinds
            return [{"kind": f"{kind}-any", "values": [one["value"] for one in made if one is not None]}]
        return None

    def _condition(self, node: ast.expr) -> Spec | None:
        match node:
            case ast.Compare(left=left, ops=[ast.In() | ast.NotIn() as operator], comparators=[subject]):
                return self._contained(left, subject, inside=isinstance(operator, ast.In))
            case ast.Compare(
                left=ast.Call(func=ast.Name(id="len"), args=[counted]), ops=[operator], comparators=[bound]
            ):
                return self._length(counted, operator, bound)
            case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq() as operator], comparators=[right]):
                return self._equal(left, right, equal=isinstance(operator, ast.Eq))
            case ast.Call(func=ast.Attribute(value=subject, attr="startswith" | "endswith" as name), args=[prefix]):
                text = self._text(prefix)
                kind = "starts-with" if name == "startswith" else "ends-with"
                return {"kind": kind, "value": text} if text and _is_output(subject) else None
        return None

    def _contained(self, left: ast.expr, subject: ast.expr, *, inside: bool) -> Spec | None:
        text = self._text(left)
        lowered = _method(subject, "lower")
        if not text or not _is_output(lowered or subject) or (lowered is not None and text != text.lower()):
            return None
        kind = "icontains" if lowered is not None else "contains"
        return {"kind": kind if inside else f"not-{kind}", "value": text}

    def _length(self, counted: ast.expr, operator: ast.cmpop, bound: ast.expr) -> Spec | None:
        symbol = _COMPARED.get(type(operator))
        words = _method(counted, "split")
        number = bound.value if isinstance(bound, ast.Constant) else None
        if (
            symbol is None
            or isinstance(number, bool)
            or not isinstance(number, int)
            or not _is_output(words or counted)
        ):
            return None
        return _bounded("length" if words is None else "word-count", symbol, number)

    def _equal(self, left: ast.expr, right: ast.expr, *, equal: bool) -> Spec | None:
        text = self._text(right)
        stripped = _method(left, "strip")
        lowered = _method(stripped or left, "lower")
        if text is None or not _is_output(lowered or stripped or left):
            return None
        if (lowered is not None and text != text.lower()) or (stripped is not None and text != text.strip()):
            return None
        spec: Spec = {"kind": "exact" if equal else "not-exact", "value": text}
        spec |= {} if stripped is not None else {"strip": False}
        return spec | ({"ignore_case": True} if lowered is not None else {})

    def _text(self, node: ast.expr) -> str | None:
        value: Any = None
        match node:
            case ast.Constant(value=str() as value):
                pass
            case ast.Subscript(
                value=ast.Subscript(value=ast.Name(id="context"), slice=ast.Constant(value="vars")),
                slice=ast.Constant(value=str() as name),
            ):
                value = self._variables.get(name)
        return value if isinstance(value, str) else None


def _is_output(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "output"


def _method(node: ast.expr, name: str) -> ast.expr | None:
    """Return the object of a method call without arguments."""
    match node:
        case ast.Call(func=ast.Attribute(value=subject, attr=attr), args=[], keywords=[]) if attr == name:
            return subject
    return None


def negated(specs: list[Spec] | None) -> list[Spec] | None:
    """Return the rule that passes if the only one of ``specs`` misses; None if there is no such rule."""
    if specs is None or len(specs) != 1 or specs[0]["kind"] == "json-fields":
        return None
    kind = specs[0]["kind"]
    return [{**specs[0], "kind": kind.removeprefix("not-") if kind.startswith("not-") else f"not-{kind}"}]
