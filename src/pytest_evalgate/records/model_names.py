"""Names of models: whether the model that replied is the one that was asked for.

An endpoint may resolve a name to a dated snapshot (``gpt-4o`` to ``gpt-4o-2024-08-06``), or leave out the provider.
Any other difference is another model: a fallback of a gateway, or a name that was moved.
"""

from __future__ import annotations

import re
from typing import Final

# Providers before the name on Bedrock: "us.anthropic.claude-3-haiku-20240307-v1:0".
_REGION: Final = re.compile(
    r"^(?:(?:us|eu|apac|global)\.)?(?:ai21|amazon|anthropic|cohere|deepseek|meta|mistral|openai)\."
)
# ":free" and the like choose an offer of a router, "-v1:0" is a version of Bedrock's interface, not of the model.
_OFFER: Final = re.compile(r"(?:-v\d+)?(?::(?:free|nitro|floor|online|exacto|thinking|latest|\d+))?$")
# YYYY-MM-DD, YYYYMMDD, YYYY-MM, MM-DD or MMDD or YYMM, 001, latest
_SNAPSHOT: Final = re.compile(
    r"[-@:](?:20\d\d-?(?:0[1-9]|1[0-2])(?:-?(?:0[1-9]|[12]\d|3[01]))?"
    r"|(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])|2\d(?:0[1-9]|1[0-2])|0\d\d|latest)$"
)


def other_model(asked: str, served: str) -> str:
    """Return ``served`` if it is another model than ``asked``, else an empty text.

    An unknown name is not another model. A snapshot of ``asked`` is the same model, another snapshot is not.

    Example::

        other_model("openai/gpt-4o", "gpt-4o-2024-08-06")  # ""
        other_model("gpt-4o", "gpt-4o-mini")  # "gpt-4o-mini"
    """
    if not asked.strip() or not served.strip():
        return ""
    before, now = _normalized(asked), _normalized(served)
    if before == now or _without_snapshot(now) == before:
        return ""
    undated = _without_snapshot(before)
    # "claude-3-5-sonnet-latest" resolves to a date; a name without a date is that of any of its snapshots
    if undated != before and undated == (_without_snapshot(now) if before.endswith("latest") else now):
        return ""
    return served


def _normalized(name: str) -> str:
    last = name.strip().casefold().rpartition("/")[2]
    return _OFFER.sub("", _REGION.sub("", last))


def _without_snapshot(name: str) -> str:
    return _SNAPSHOT.sub("", name)
