"""Statistics of the gates and of judges: numbers in, frozen dataclasses out."""

from __future__ import annotations
