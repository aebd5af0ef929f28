"""Plans, runs and baselines, and how they are stored."""

from __future__ import annotations
