"""One escaper a sink: each module knows what its reader would act on, and makes plain text of it."""

from pytest_evalgate.reports.escape.terminal import one_line

__all__ = ("one_line",)
