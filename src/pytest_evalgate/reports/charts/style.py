"""What charts look like: blue for what is, orange for what is bad, ink for all else; each in light and dark."""

from __future__ import annotations

from typing import Final

_TYPEFACE: Final = 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif'
_LETTERS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"

STYLE: Final = f"""\
.chart {{ --now: #0969da; --bad: #bc4c00; max-width: 100%; height: auto; break-inside: avoid }}
@media screen and (prefers-color-scheme: dark) {{ .chart {{ --now: #58a6ff; --bad: #f0883e }} }}
.chart text {{ font: 12px {_TYPEFACE}; font-variant-numeric: tabular-nums; fill: currentColor }}
.chart .head {{ font-size: 14px; font-weight: 600 }}
.chart .name, .chart .name text {{ font-family: {_LETTERS} }}
.chart .small text {{ font-size: 10px }}
.chart .word, .chart .word text {{ fill: var(--bad); font-weight: 600 }}
.chart line, .chart polyline, .chart path {{ stroke: currentColor; fill: none }}
.chart .grid {{ stroke-opacity: .15 }}
.chart .even {{ stroke-opacity: .5; stroke-dasharray: 4 3 }}
.chart .gate {{ stroke-width: 1.5; stroke-dasharray: 5 3 }}
.chart .change {{ stroke-opacity: .6; stroke-dasharray: 1 3 }}
.chart .changed {{ fill: currentColor }}
.chart .before {{ stroke-width: 2 }}
.chart .curve {{ stroke-opacity: .6 }}
.chart .count {{ fill: currentColor; fill-opacity: .25 }}
.chart .range {{ stroke: var(--now); stroke-width: 2 }}
.chart .now {{ fill: var(--now); stroke: none }}
.chart .bar {{ fill: var(--now); fill-opacity: .55; stroke: none }}
.chart .bad {{ fill: var(--bad); stroke: none }}
.chart .fail {{ stroke: var(--bad); stroke-width: 2.5 }}
.chart .unsure {{ fill: none; stroke-width: 2 }}
"""
"""Style sheet of all charts of a page; it says nothing of what is not inside of one."""

INK: Final = """\
.chart { color: #1f2328 }
@media screen and (prefers-color-scheme: dark) { .chart { color: #f0f6fc } }
"""
"""What a page gives a chart, for one that is a file of its own."""
