"""Plans, runs, baselines and other records, and the files in which they are stored."""

from __future__ import annotations
