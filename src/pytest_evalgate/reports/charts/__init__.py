"""SVG charts: text stays text, colours follow the light or dark scheme, and charts contain no scripts."""

from __future__ import annotations
