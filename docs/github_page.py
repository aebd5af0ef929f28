"""Pages as GitHub shows a comment: its Markdown, without the HTML that GitHub removes, with its style sheet.

The allow-list is that of https://github.com/gjtorikian/html-pipeline (SanitizationFilter), as far as reports could use
it; the style sheet is the npm package github-markdown-css if npm can install it, else a few rules like it.
"""

# ruff: noqa: INP001 - beside the scripts that use it

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt

_TAGS: Final = frozenset(
    re.findall(
        r"\w+",
        "h1 h2 h3 h4 h5 h6 br b i strong em a pre code img tt div ins del sup sub p picture ol ul table thead tbody "
        "tfoot blockquote dl dt dd kbd q samp var hr ruby rt rp li tr td th s strike summary details caption figure "
        "figcaption abbr bdo cite dfn mark small source span time wbr",
    )
)
_ATTRIBUTES: Final = frozenset(
    {"align", "alt", "colspan", "href", "open", "rowspan", "src", "start", "title", "width"}
)
_VOID: Final = frozenset({"br", "hr", "img", "source", "wbr"})
_REMOVED_WHOLE: Final = frozenset({"script", "style"})
_ADDRESS: Final = re.compile(r"(https?|mailto):|[^:]*$", re.IGNORECASE)

_OWN_STYLE: Final = """
.markdown-body { font: 14px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; color: #1f2328 }
.markdown-body h2 { font-size: 1.5em; border-bottom: 1px solid #d1d9e0b3; padding-bottom: .3em; margin: 0 0 16px }
.markdown-body table { border-collapse: collapse; display: block; overflow: auto; margin-bottom: 16px }
.markdown-body th, .markdown-body td { border: 1px solid #d1d9e0; padding: 6px 13px }
.markdown-body tr:nth-child(2n) { background: #f6f8fa }
.markdown-body code { background: #818b981f; border-radius: 6px; padding: .2em .4em; font-size: 85% }
.markdown-body pre { background: #f6f8fa; border-radius: 6px; padding: 16px; overflow: auto }
.markdown-body pre code { background: none; padding: 0 }
"""
_FRAME: Final = """
body { margin: 0; padding: 16px; background: light-dark(#ffffff, #0d1117) }
.comment { border: 1px solid light-dark(#d1d9e0, #3d444d); border-radius: 6px; max-width: 860px; margin: auto }
.author { padding: 8px 16px; border-bottom: 1px solid light-dark(#d1d9e0, #3d444d); border-radius: 6px 6px 0 0;
  background: light-dark(#f6f8fa, #151b23); color: light-dark(#59636e, #9198a1);
  font: 14px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif }
.author b { color: light-dark(#1f2328, #f0f6fc) }
.markdown-body { padding: 16px; font-size: 14px; border-radius: 0 0 6px 6px }
"""


class _Sanitiser(HTMLParser):
    """A copy of a page with only the elements and attributes that GitHub keeps."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.kept: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _REMOVED_WHOLE:
            self._inside = tag
        if tag not in _TAGS or self._inside:
            return
        good = [(key, value or "") for key, value in attrs if key in _ATTRIBUTES]
        given = "".join(
            f' {key}="{escape(value)}"' for key, value in good if key not in {"href", "src"} or _ADDRESS.match(value)
        )
        self.kept.append(f"<{tag}{given}>")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""
        elif tag in _TAGS - _VOID and not self._inside:
            self.kept.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.kept.append(escape(data, quote=False))

    def handle_entityref(self, name: str) -> None:
        self.kept.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.kept.append(f"&#{name};")


def sanitise(html: str) -> str:
    """Return HTML without what GitHub removes: unknown elements, attributes, addresses of scripts, comments."""
    parser = _Sanitiser()
    parser.feed(html)
    parser.close()
    return "".join(parser.kept)


def rendered(markdown: str) -> str:
    """Return a comment as HTML, as GitHub shows it."""
    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    html = renderer.render(markdown).replace('style="text-align:left"', 'align="left"')  # as GitHub writes it
    return sanitise(html)


def comment_page(markdown: str, style: str = _OWN_STYLE) -> str:
    """Return a page with one comment of GitHub's bot."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=color-scheme content='light dark'>"
        f"<title>Comment</title><style>{style}{_FRAME}</style><div class=comment>"
        "<div class=author><b>github-actions</b> bot commented now</div>"
        f"<div class=markdown-body>{rendered(markdown)}</div></div></html>"
    )


def github_style() -> str:
    """Return GitHub's style sheet from the npm registry, or a few rules like it if npm cannot install it."""
    npm = shutil.which("npm")
    if npm is None:
        return _OWN_STYLE
    with tempfile.TemporaryDirectory() as folder:
        install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, "github-markdown-css@5"]
        done = subprocess.run(install, check=False, capture_output=True)  # noqa: S603 - npm, with fixed arguments
        sheet = Path(folder, "node_modules", "github-markdown-css", "github-markdown.css")
        return sheet.read_text("utf-8") if done.returncode == 0 and sheet.exists() else _OWN_STYLE
