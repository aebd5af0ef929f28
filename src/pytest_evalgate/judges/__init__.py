"""Judges: scorers that ask a model, and their calibration against human labels."""

from __future__ import annotations
