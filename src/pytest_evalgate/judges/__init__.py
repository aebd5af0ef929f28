"""Judges: scorers that ask a model, and the calibration that shows how far to trust them."""

from __future__ import annotations
