"""Import of files of other tools and of tables: each becomes canonical rows of a golden set, with a place for each."""

from __future__ import annotations

from pytest_evalgate.importing.imported import Imported, ImportedCase, ImportingError, ImportOptions, LeftOut
from pytest_evalgate.importing.sources import read

__all__ = ["ImportOptions", "Imported", "ImportedCase", "ImportingError", "LeftOut", "read"]
