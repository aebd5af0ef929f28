"""Import of configurations of promptfoo (https://www.promptfoo.dev/docs/configuration/reference/)."""

from __future__ import annotations

from pytest_evalgate.importing.promptfoo.reading import read_config

__all__ = ["read_config"]
