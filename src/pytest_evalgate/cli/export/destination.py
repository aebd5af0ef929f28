"""Destination of an export: files of a warehouse, or another tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Destination:
    """One value of ``--to``.

    Args:
        run: Function that exports the runs that match the filters, and returns the exit code.
        add_arguments: Function that adds the options that only this destination has.
    """

    run: Callable[[argparse.Namespace], int]
    add_arguments: Callable[[argparse.ArgumentParser], None]
