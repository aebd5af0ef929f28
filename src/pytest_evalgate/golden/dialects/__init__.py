"""Rows that were written for other tools: which tool, and what they are in the canonical record."""

from pytest_evalgate.golden.dialects.dialect import Dialect
from pytest_evalgate.golden.dialects.known import DIALECTS
from pytest_evalgate.golden.dialects.recognise import recognise
from pytest_evalgate.golden.dialects.translate import Mapped, mapping_of, parse_foreign

__all__ = ["DIALECTS", "Dialect", "Mapped", "mapping_of", "parse_foreign", "recognise"]
