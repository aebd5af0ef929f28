"""The part of Jinja that prompt templates are written in: names, if, for and filters, each of which comes to an end.

Templates come from configuration files and are as trusted as their branch; the values that they are filled with are
data. A thread that renders cannot be stopped from outside, so whatever could run or grow without end is refused when
the template is loaded, or counted while it is rendered:

* Names are bound by ``for`` alone, and literals hold constants only: a name never stands for more than was in the
  case, so that no chain of doublings can be built.
* Nothing is called, so nothing recurses, and no Python attribute is read: ``a.b`` is the key ``b`` of ``a``, or it is
  undefined.
* Strings grow by ``+`` and the filters below alone; these check the size first. ``*`` and ``%`` take numbers only.
* The rounds of all loops of one rendering are counted together, and are held against the processor time of the thread.
  What is left, one round, costs no more than the length of the template times the size of the case.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateAssertionError, TemplateRuntimeError, Undefined, nodes, pass_context
from jinja2.filters import FILTERS
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MOST_CHARACTERS: Final = 1 << 20
MOST_ROUNDS: Final = 10_000
MOST_CPU_S: Final = 2.0
METER: Final = "the meter"
"""Where the meter of a rendering stands among its variables: no template can write a name with a space in it."""

_COUNTED: Final = "counted rounds"
_KNOWN_FILTERS: Final = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "last", "length"),
    *("list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort"),
    *("string", "title", "trim", "truncate", "unique", "upper"),
)
_KNOWN_NODES: Final = frozenset(
    {
        *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem),
        *(nodes.Slice, nodes.Filter, nodes.Test, nodes.Keyword, nodes.If, nodes.For, nodes.CondExpr, nodes.Compare),
        *(nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul),
        *(nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair),
    }
)
_WRITTEN: Final = {
    nodes.Call: "a call",
    nodes.Assign: "set",
    nodes.AssignBlock: "set",
    nodes.Concat: "~ (write one {{ }} after the other)",
    nodes.Pow: "**",
}


class TooCostlyError(TemplateRuntimeError):
    """A rendering that goes on for too long, or becomes too large."""


class Meter:
    """Counts what one rendering costs."""

    def __init__(self) -> None:
        """Start to count."""
        self._rounds = 0
        self._characters = 0
        self._ends = time.thread_time() + MOST_CPU_S

    def rounds(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield ``items``, and count a round for each."""
        for item in items:
            self._rounds += 1
            if self._rounds > MOST_ROUNDS:
                raise TooCostlyError(f"its loops take more than {MOST_ROUNDS:,} rounds")
            if time.thread_time() > self._ends:
                raise TooCostlyError(f"its loops take more than {MOST_CPU_S:g} s")
            yield item

    def piece(self, text: str) -> str:
        """Return a piece of the text, and count its characters."""
        self._characters += len(text)
        _require_size(self._characters)
        return text


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Compiles and renders templates of that language."""

    intercepted_binops = frozenset({"+", "*", "%"})

    def __init__(self) -> None:
        """Take out what the language does not have."""
        super().__init__(
            autoescape=False,  # a prompt is text for a model, not HTML
            undefined=StrictUndefined,
            finalize=_shown,
        )
        self.globals.clear()
        self.filters = {**{name: FILTERS[name] for name in _KNOWN_FILTERS}, **_OWN_FILTERS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up ``obj.attribute`` as a key; a loop alone has attributes."""
        return super().getattr(obj, attribute) if isinstance(obj, LoopContext) else self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look up a key, an index or a slice; what is not there is undefined."""
        if isinstance(obj, Undefined):  # it is the first name that is missing
            return obj
        if not isinstance(obj, Mapping | list | tuple | str):
            return self.undefined(obj=obj, name=argument)
        try:
            return obj[argument]
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Calculate with numbers, and put strings together."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            _require_size(len(left) + len(right))
        elif not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise TypeError(f"{operator} of {type(left).__name__} and {type(right).__name__}: it takes numbers here")
        return super().call_binop(context, operator, left, right)


def counting(tree: nodes.Template) -> nodes.Template:
    """Return a parsed template with every loop counted.

    Raises:
        TemplateAssertionError: it holds what is not part of the language; names the line.

    """
    for node in tree.find_all(nodes.Node):
        if fault := _fault(node):
            raise TemplateAssertionError(fault, node.lineno)
    _CountedLoops().visit(tree)
    return tree


class _CountedLoops(NodeTransformer):
    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - the visitor looks for this name
        self.generic_visit(node)
        node.iter = nodes.Filter(
            node.iter, _COUNTED, [], [], None, None, lineno=node.lineno, environment=node.environment
        )
        return node


def _fault(node: nodes.Node) -> str:
    kind = type(node)
    if kind not in _KNOWN_NODES and not issubclass(kind, nodes.Helper):
        return (
            f"{_WRITTEN.get(kind, kind.__name__.lower())} is not part of prompt templates: use names, if, for, filters"
        )
    if isinstance(node, nodes.Filter) and node.name not in _ALLOWED_FILTERS:
        return f"no filter is named {node.name}; there are {', '.join(_ALLOWED_FILTERS)}"
    if isinstance(node, nodes.For) and node.recursive:
        return "a recursive loop is not part of prompt templates"
    if isinstance(node, nodes.List | nodes.Tuple | nodes.Dict) and not _is_constant(node):
        return "a list or dict that is written in a prompt template holds constants only"
    return ""


def _is_constant(node: nodes.Node) -> bool:
    if getattr(node, "ctx", "load") == "store":  # the names of a loop: for key, value in ...
        return True
    return all(isinstance(part, nodes.Const | nodes.Pair) for part in node.iter_child_nodes()) and all(
        isinstance(part, nodes.Const) for pair in node.find_all(nodes.Pair) for part in pair.iter_child_nodes()
    )


def _require_size(characters: int) -> None:
    if characters > MOST_CHARACTERS:
        raise TooCostlyError(f"its text is longer than {MOST_CHARACTERS:,} characters")


def _shown(value: Any) -> Any:
    """Return what stands in the prompt for a value; the undefined ones are left for Jinja to complain of."""
    return value if isinstance(value, str | Undefined) else _json_text(value)


def _json_text(value: Any, indent: int | None = None) -> str:
    """Write JSON as people do; piece by piece, since indentation multiplies its size."""
    meter = Meter()
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=indent)
    return "".join(map(meter.piece, encoder.iterencode(value)))


def _join(items: Iterable[Any], separator: str = "") -> str:
    texts = list(map(str, map(_shown, items)))
    _require_size(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _replace(text: str, old: str, new: str) -> str:
    _require_size(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


@pass_context
def _rounds(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    meter: Meter = context[METER]
    return meter.rounds(items)


_ALLOWED_FILTERS: Final = tuple(sorted((*_KNOWN_FILTERS, "join", "replace", "tojson")))
_OWN_FILTERS: Final[dict[str, Any]] = {"join": _join, "replace": _replace, "tojson": _json_text, _COUNTED: _rounds}
