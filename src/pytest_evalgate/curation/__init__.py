"""Curation of golden sets: samples of logs, contamination, coverage of production, and labels of other tools."""

from __future__ import annotations
