"""What reports are written, and how much of the cases stands in them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pytest_evalgate.settings.fields import Table

ReportFormat = Literal["html", "markdown", "csv", "json", "junit"]


class Report(Table):
    """The reports of a run, written beside ``verdict.json`` or into ``--eval-report``.

    ``content`` says how much of inputs, expected answers, outputs and reasons they show: all, the first 200
    characters, or nothing. ``redact`` are dotted paths into them that are taken out, such as ``input.customer``.
    """

    formats: tuple[ReportFormat, ...] = ("html",)
    content: Literal["full", "excerpt", "none"] = "full"
    redact: tuple[Annotated[str, Field(pattern=r"^(input|expected|output)(\.[^.]+)+$")], ...] = ()
