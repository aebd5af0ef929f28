"""Import of configurations of promptfoo (https://www.promptfoo.dev/docs/configuration/reference/)."""

from __future__ import annotations

from pytest_evalgate.importing.promptfoo.reading import is_promptfoo, read_config

__all__ = ["is_promptfoo", "read_config"]
