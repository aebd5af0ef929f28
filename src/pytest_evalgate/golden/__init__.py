"""Golden sets: JSONL files of cases, checked, identified and fingerprinted."""

from __future__ import annotations

from pytest_evalgate.golden.load import ReadFile, load, read_file
from pytest_evalgate.golden.record import ParsedRow, check_unique, fingerprint, parse_row

__all__ = ["ParsedRow", "ReadFile", "check_unique", "fingerprint", "load", "parse_row", "read_file"]
