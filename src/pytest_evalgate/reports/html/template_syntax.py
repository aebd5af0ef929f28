"""What compiling a template of the page depends on; the build hook reads this file alone."""

from __future__ import annotations

from typing import Any, Final

SYNTAX: Final[dict[str, Any]] = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
"""Arguments of the Jinja environment."""

FILTERS: Final = ("line", "truncate", "fragment", "percent", "points", "usd", "p_value", "seconds", "count")
"""Names of the filters that the page adds; each takes the value and plain arguments."""

MADE_FOR: Final = "jinja-version.txt"
"""File beside the compiled templates: the version of Jinja that compiled them, such as ``3.1``."""
