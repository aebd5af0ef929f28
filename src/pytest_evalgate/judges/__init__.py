"""Judges: scorers that ask a model by a protocol of its own, and what their word is worth."""

from __future__ import annotations
