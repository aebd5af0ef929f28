"""Golden rows that were written for other tools: recognised by their field names, and translated to canonical rows."""

from __future__ import annotations

from pytest_evalgate.golden.dialects.known import DIALECTS, recognise
from pytest_evalgate.golden.dialects.translate import Dialect, TranslatedRow, mapping_of, translate_row

__all__ = ["DIALECTS", "Dialect", "TranslatedRow", "mapping_of", "recognise", "translate_row"]
