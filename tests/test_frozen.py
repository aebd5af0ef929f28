"""`pytest_evalgate.frozen.dataclass` beside the one of the standard library: each class is defined with both."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    Define = Callable[..., Any]

_KINDS = [
    {},
    {"slots": True},
    {"frozen": True},
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "eq": False},
]


def _both(define: Callable[[Define], Any], **options: bool) -> tuple[Any, Any]:
    """Return what ``define`` makes with the decorator of the standard library, and with ours."""
    return tuple(define(made(**options)) for made in (dataclasses.dataclass, frozen.dataclass))


def _fields(decorate: Define) -> Any:
    @decorate
    class Noun:
        """A noun."""

        name: str
        size: int = 1
        parts: list[int] = field(default_factory=list)
        hidden: str = field(default="h", repr=False, compare=False)
        unhashed: float = field(default=0.5, hash=False)

        @property
        def double(self) -> int:
            return 2 * self.size

    return Noun


def _facts(noun: Any) -> list[Any]:
    """Return what can be observed of a class with the fields of `_fields`."""
    one, same, other = noun("a"), noun("a"), noun("b", 2, [3], hidden="x", unhashed=2.0)
    facts: list[Any] = [repr(one), repr(other), one == same, one == other, one == noun("a", hidden="y"), one == "a"]
    facts += [one.parts, one.parts is not same.parts, other.double, noun.__match_args__, noun.__doc__, noun.__name__]
    facts += [dataclasses.asdict(other), dataclasses.astuple(other), [part.name for part in dataclasses.fields(noun)]]
    facts += [repr(dataclasses.replace(other, size=7)), repr(copy.copy(other)), repr(copy.deepcopy(other))]
    facts += [hasattr(one, "__dict__"), hasattr(noun, "__slots__"), noun.__dataclass_params__.frozen]
    facts += [_error(noun), _error(lambda: noun("a", 1, [], "h", 0.5, 6)), _error(lambda: noun("a", nam=1))]
    facts += [_error(lambda: setattr(one, "size", 9)), one.size, _error(lambda: delattr(same, "name"))]
    if not hasattr(noun, "__slots__"):  # there the standard library of Python 3.11 fails with another error
        facts.append(_error(lambda: setattr(one, "new", 9)))
    return facts


def _error(act: Callable[[], object]) -> Any:
    try:
        return act()
    except (TypeError, AttributeError) as error:
        return type(error), str(error).replace("_fields.<locals>.", "")


@pytest.mark.parametrize("options", _KINDS, ids=str)
def test_a_class_can_do_the_same(options: dict[str, bool]) -> None:
    theirs, ours = map(_facts, _both(_fields, **options))
    assert ours == theirs


@pytest.mark.parametrize("options", _KINDS, ids=str)
def test_what_can_be_hashed_is_the_same(options: dict[str, bool]) -> None:
    def hashes(noun: Any) -> Any:
        one, same = noun("a", 1, (2,)), noun("a", 1, (2,), unhashed=9.0)
        is_by_identity = options.get("eq") is False
        return _error(lambda: hash(one) == hash(same) if not is_by_identity else hash(one) == object.__hash__(one))

    theirs, ours = map(hashes, _both(_fields, **options))
    assert ours == theirs


def test_a_value_set_after_the_start_is_a_field_without_a_parameter() -> None:
    def define(decorate: Define) -> Any:
        @decorate
        class Noun:
            given: int
            computed: int = field(init=False)
            constant: str = field(init=False, default="c")
            fresh: list[int] = field(init=False, default_factory=list)
            last: int = field(default=3, kw_only=True)

            def __post_init__(self) -> None:
                object.__setattr__(self, "computed", self.given + 1)

        return Noun

    for options in _KINDS:
        theirs, ours = _both(define, **options)
        assert repr(ours(1, last=5)) == repr(theirs(1, last=5))
        assert [_error(partial(noun, 1, 2))[0] for noun in (theirs, ours)] == [TypeError] * 2
        assert ours(1).fresh is not ours(1).fresh


@pytest.mark.parametrize("options", _KINDS, ids=str)
def test_a_subclass_adds_fields_and_keeps_its_own_methods(options: dict[str, bool]) -> None:
    def define(decorate: Define) -> Any:
        @decorate
        class Base:
            first: int
            second: int = 2

            def __repr__(self) -> str:
                return f"<{self.first}>"

        @decorate
        class Derived(Base):
            second: int = 5
            third: int = 3

            def __eq__(self, other: object) -> bool:
                return self is not other

            def __hash__(self) -> int:
                return 7

        return Derived

    def facts(noun: Any) -> list[Any]:
        one = noun(1)
        return [repr(one), one == noun(1), hash(one), dataclasses.asdict(one), repr(noun.__mro__[1](4))]

    theirs, ours = map(facts, _both(define, **options))
    assert [str(fact).replace("test_frozen", "") for fact in ours] == [str(fact) for fact in theirs]


def test_a_method_of_the_base_is_not_replaced_by_that_of_a_subclass() -> None:
    @frozen.dataclass(frozen=True)
    class Base:
        first: int

    @frozen.dataclass(frozen=True)
    class Derived(Base):
        second: int = 2

    derived, base = Derived(1), Base(1)
    assert (derived.second, base, base == Base(1), derived == Derived(1), derived == base) == (
        2,
        Base(1),
        True,
        True,
        False,
    )
    assert len({base, Base(1), derived, Derived(1)}) == 2


@frozen.dataclass(frozen=True, slots=True)
class Stored:
    """A class that pickle finds by its name."""

    name: str
    size: int = 1


def test_an_object_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Stored("a", 2))) == Stored("a", 2)  # noqa: S301 - our own


def test_a_frozen_class_and_one_that_is_not_stay_what_they_are() -> None:
    @frozen.dataclass(frozen=True)
    class Base:
        first: int

    @frozen.dataclass(frozen=True)
    class Derived(Base):
        second: int = 2

    for noun in (Base, Derived):
        assert noun.__dataclass_params__.frozen  # type: ignore[attr-defined]
        with pytest.raises(FrozenInstanceError):
            noun(1).first = 2  # type: ignore[misc]


def test_an_object_that_contains_itself_has_a_representation() -> None:
    @frozen.dataclass()
    class Node:
        next: Any = None

    node = Node()
    node.next = node
    assert repr(node).endswith("Node(next=...)")


def test_a_frozen_object_names_the_field_that_cannot_be_set() -> None:
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'size'"):
        Stored("a").size = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'size'"):
        del Stored("a").size


def test_the_compiled_method_has_the_parameters_of_the_class() -> None:
    Stored("a")
    assert str(inspect.signature(Stored.__init__)) == "(self, name, size=1)"
    assert Stored.__init__.__qualname__ == "Stored.__init__"


def test_a_copy_has_the_other_values_and_passes_through_init() -> None:
    @frozen.dataclass(frozen=True, slots=True)
    class Pair:
        first: int
        second: int = 2
        total: int = field(init=False, default=0)

        def __post_init__(self) -> None:
            object.__setattr__(self, "total", self.first + self.second)

    @frozen.dataclass(frozen=True)
    class Single:
        only: int

    pair = Pair(1)
    assert frozen.replace(pair, second=5) == dataclasses.replace(pair, second=5)
    assert frozen.replace(pair, second=5).total == 6
    assert frozen.replace(pair) == pair
    assert frozen.replace(Single(1), only=2) == Single(2)
    for name in ("third", "total"):
        with pytest.raises(TypeError, match=f"Pair has no parameter '{name}'"):
            frozen.replace(pair, **{name: 1})
