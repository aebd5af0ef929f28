"""Markdown as GitHub renders it: the summary of a step, and the comment on a pull request."""

from pytest_evalgate.reports.markdown.comment import render_comment
from pytest_evalgate.reports.markdown.summary import render_summary

__all__ = ("render_comment", "render_summary")
