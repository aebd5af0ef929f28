"""Hooks of mkdocs: pages as GitHub shows them become pages of the site.

Files outside of docs/ that a page links to are added below repository/, so the same links work on GitHub and on the
site. The comments that tests follow (`tests.docs_reader`) are removed; that of a file becomes the title of its block.
"""  # noqa: INP001 - mkdocs loads it by its path

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_ROOT: Final = Path(__file__).parents[1]
_DOCS: Final = "docs/"
_OUTSIDE: Final = "repository/"
_LINK: Final = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")
_FILE: Final = re.compile(r"^<!-- (?:file|add): (\S+) -->\n```(\w*)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"^<!-- .*? -->\n", re.MULTILINE | re.DOTALL)
_FENCED: Final = re.compile(r"^```jsonl?\b", re.MULTILINE)
_LANGUAGES: Final = {
    ".jsonl": "json",
    ".json": "json",
    ".toml": "toml",
    ".py": "python",
    ".yml": "yaml",
    ".yaml": "yaml",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every file of the repository that a page links to, and those that these link to."""
    waiting = [_DOCS + file.src_uri for file in files.documentation_pages()]
    for path in waiting:
        for linked in _linked(path):
            if linked not in waiting and not linked.startswith(_DOCS):
                waiting.append(linked)
                files.append(File.generated(config, _OUTSIDE + linked, abs_src_path=str(_ROOT / linked)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - as mkdocs calls it
    """Turn links into those of the site, and comments of files into titles."""
    source = page.file.src_uri
    path = source.removeprefix(_OUTSIDE) if source.startswith(_OUTSIDE) else _DOCS + source
    linked = _LINK.sub(lambda link: _on_site(posixpath.dirname(source), _target(path, link[1])), markdown)
    titled = _COMMENT.sub("", _FILE.sub(_titled, linked))
    return _FENCED.sub("```json", titled)  # Pygments has no lexer named jsonl


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001 - as mkdocs calls it
    """Name the theme's search dialog for screen readers."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )


def _titled(block: re.Match[str]) -> str:
    language = block[2] or _LANGUAGES.get(posixpath.splitext(block[1])[1], "text")
    return f'```{language} title="{block[1]}"'


def _linked(path: str) -> Iterator[str]:
    if path.endswith(".md"):
        text = (_ROOT / path).read_text("utf-8")
        yield from (_target(path, link[1]) for link in _LINK.finditer(text))


def _target(path: str, link: str) -> str:
    """Return what a link of the file ``path`` means, from the top of the repository on."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    return f"{target}/README.md" if (_ROOT / target).is_dir() else target


def _on_site(folder: str, target: str) -> str:
    where = target.removeprefix(_DOCS) if target.startswith(_DOCS) else _OUTSIDE + target
    return posixpath.relpath(where, folder or ".")
