"""JSONL to golden sets: parse, translate, check, identify, fingerprint."""

from pytest_evalgate.golden.fingerprint import fingerprint
from pytest_evalgate.golden.identity import check_unique
from pytest_evalgate.golden.load import ReadFile, load, read_file
from pytest_evalgate.golden.record import ParsedRow, parse_row

__all__ = ["ParsedRow", "ReadFile", "check_unique", "fingerprint", "load", "parse_row", "read_file"]
