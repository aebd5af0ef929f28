"""Refusals of a model's endpoint, classified by the body of the response.

A refusal concerns the input of one case, or the key, the account, the model or the parameters, which every call of the
run shares. Endpoints use the same status for both (400, 403, 429), so the codes of the body decide first, then the
wording of its message.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.engine.error_body import ErrorBody, parse_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.records.calls import Finish

Refusal = Literal["quota", "auth", "unknown_model", "bad_parameter", "too_large"]
"""A refusal that the body explains. ``too_large``: this request exceeds the limit of a minute; others may not."""

_BY_CODE: Final[Mapping[str, Refusal]] = {
    "insufficient_quota": "quota",
    "credit_balance_exhausted": "quota",
    "organization_usage_limit_exceeded": "quota",
    "enforced_spend_limit_reached": "quota",
    "insufficient_balance": "quota",
    "exceeded_current_quota_error": "quota",
    "insufficient_credits": "quota",
    "arrearage": "quota",
    "accountoverdueerror": "quota",
    "invalid_api_key": "auth",
    "api_key_invalid": "auth",
    "api_key_expired": "auth",
    "api_key_service_blocked": "auth",
    "consumer_suspended": "auth",
    "service_disabled": "auth",
    "invalid_authentication_error": "auth",
    "authentication_error": "auth",
    "unauthenticated": "auth",
    "account_deactivated": "auth",
    "unsupported_country_region_territory": "auth",
    "model_not_found": "unknown_model",
    "invalid_model": "unknown_model",
    "unknown_model": "unknown_model",
    "model_not_available": "unknown_model",
    "deploymentnotfound": "unknown_model",
    "unsupported_parameter": "bad_parameter",
    "unsupported_value": "bad_parameter",
    "unknown_parameter": "bad_parameter",
    "invalid_json_schema": "bad_parameter",
    "invalid_function_parameters": "bad_parameter",
}

# Parameters that a configuration sets. A refusal of any other one, such as messages[3].content, concerns the case.
_CONFIGURED: Final = frozenset(
    [
        "model",
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "n",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "repetition_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "reasoning",
        "reasoning_effort",
        "response_format",
        "text",
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "parallel_tool_calls",
        "stream",
        "stream_options",
        "user",
        "service_tier",
        "store",
        "metadata",
        "verbosity",
        "modalities",
        "thinking",
        "truncation",
        "include",
    ]
)

_OF_THE_CASE: Final = frozenset({"messages", "input", "prompt", "contents"})

_REFUSED: Final = (400, 401, 403, 422, 429)
_BAD_REQUESTS: Final = (400, 404, 422)
_AUTH: Final = re.compile(
    r"api[ _-]?key\b.{0,30}\b(?:not valid|invalid|expired|not found|leaked|revoked|disabled|missing)"
    r"|(?:invalid|incorrect|wrong|no|missing|unknown) (?:x-)?api[ _-]?key|invalid authentication"
    r"|location is not supported",
    re.IGNORECASE,
)
_QUOTA: Final = re.compile(
    r"credit balance|balance is (?:too low|insufficient)"
    r"|insufficient[ _](?:account )?(?:balance|credits?|funds|quota)"
    r"|(?:not have|n't have|out of|no) (?:any |enough |sufficient |more )?credits?\b|credits? (?:are|is|have been) "
    r"(?:depleted|exhausted|used up)|(?:reached|exceeded|hit) your (?:specified |monthly |organization'?s? )*"
    r"(?:api |workspace )*(?:usage|spend(?:ing)?|billing) limits?|check your billing|billing (?:is not|not|hard)"
    r"|payment required|overdue|good standing",
    re.IGNORECASE,
)
_UNKNOWN_MODEL: Final = re.compile(
    r"not a valid model|model\b[^.]{0,80}\b(?:does not exist|doesn't exist|not exist|not found|is not available)"
    r"|(?:invalid|unknown|no such) model\b",
    re.IGNORECASE,
)
_PARAMETER: Final = re.compile(
    r"(?:unsupported|unknown|unrecognized|unexpected|invalid|deprecated) (?:request )?"
    r"(?:parameter|argument|keyword|field|name \"|value: '(?!messages|input))"
    r"|(?:unrecognized|unsupported) (?:request )?arguments?|extra (?:inputs|fields) (?:are )?not permitted"
    r"|propert(?:y|ies) '?[\w.]+'? (?:is|are) (?:unsupported|not supported)"
    r"|does not support (?:the )?(?:parameter|param|tools?\b|function|response_format|json|system|temperature|stream)"
    r"|(?:parameter|param|response_format|temperature|tools?|tool_choice|top_p|max_tokens|stop|logprobs)['\"`]* "
    r"(?:is|are) (?:not supported|not allowed|unsupported|deprecated|too large)"
    r"|max(?:_\w+)?_tokens['\"`]*:? (?:must be|\d+ >)|maximum allowed number of output tokens"
    r"|missing required parameter|cannot both be specified",
    re.IGNORECASE,
)

_FILTERED: Final = frozenset(
    [
        "content_filter",
        "content_policy_violation",
        "responsibleaipolicyviolation",
        "moderation_blocked",
        "data_inspection_failed",
        "datainspectionfailed",
        "invalid_prompt",
        "safety_check_failed",
        "policy_violation",
        "content_moderation",
        "sensitive_content_detected",
        "sensitivecontentdetected",
        "prompt_blocked",
        "guardrail_intervened",
    ]
)
_MODERATION: Final = re.compile(
    r"\bflagged\b|\bmoderation\b|content[ _-](?:polic(?:y|ies)|filter\w*|safety|management|moderation|violation)"
    r"|usage polic(?:y|ies)|inappropriate content|safety (?:system|filter|reasons?|check)|guardrail|prompt was blocked"
    r"|prohibited (?:content|use)|(?:unsafe|harmful|sensitive) (?:content|input|prompt|words?)",
    re.IGNORECASE,
)
# A 403 is about the key unless its body mentions the input.
_INPUT: Final = re.compile(r"\b(?:input|prompt|user message|message content)s?\b", re.IGNORECASE)

_TOO_LONG: Final = frozenset(
    [
        "context_length_exceeded",
        "context_window_exceeded",
        "contextwindowexceedederror",
        "string_above_max_length",
        "request_too_large",
        "tokens_limit_reached",
        "exceed_context_size_error",
        "model_max_prompt_tokens_exceeded",
        "prompt_too_long",
        "input_too_long",
        "max_context_length_exceeded",
        "model_context_window_exceeded",
    ]
)
_LENGTH: Final = re.compile(
    r"(?:maximum|max|model'?s?|available|exceeds?|exceeded|the) (?:allowed )?(?:model )?context[ -]?"
    r"(?:length|window|size|limit)|context (?:length|window|size|limit)\b.{0,40}\b(?:exceed|overflow|too)"
    r"|exceed\w* (?:the |model'?s? )*context|(?:prompt|input|request|conversation)s? (?:is|are|was) too (?:long|large)"
    r"|input (?:token|tokens|length)\b.{0,60}\bexceeds?|maximum (?:prompt|input) length|exceed\w* model token limit"
    r"|(?:reduce|shorten) (?:the )?(?:length of )?(?:the |your )?(?:messages|prompt|input)"
    r"|too many (?:input )?tokens|range of input length|input must have less than|longer than the model"
    r"|`inputs` tokens|exceeds? the (?:model'?s? )?max(?:imum)? (?:number of )?(?:input )?tokens"
    r"|message token length exceed",
    re.IGNORECASE,
)
_LENGTH_STATUSES: Final = (400, 413, 422, 500)
_MODERATION_STATUSES: Final = (400, 403, 422, 451)
_FORBIDDEN: Final = 403
_ENTITY_TOO_LARGE: Final = 413
_MINUTE: Final = re.compile(r"(?:request|prompt|input)s? too large|tokens per min|\bTPM\b", re.IGNORECASE)
_REQUEST_TOO_LARGE: Final = re.compile(r"too large|must be reduced|reduce your message", re.IGNORECASE)
_DAILY: Final = re.compile(r"per-?day", re.IGNORECASE)


def refusal_of(status: int, body: ErrorBody) -> Refusal | None:
    """Return the refusal that the ``body`` of a model's response explains; None if only the status is known."""
    if (refusal := _by_code(body)) is not None:
        return refusal
    status = _status(status, body)
    return "too_large" if _is_over_the_minute(status, body) else _by_wording(status, body)


def finish_of(status: int, raw: bytes) -> tuple[Finish, str] | None:
    """Return why a model did not reply to one input, and the message; None if the refusal is not about the input.

    A prompt that is longer than the model's context, and one that a filter withholds, are findings about the case.
    """
    body = parse_error(raw)
    status = _status(status, body)
    codes = {code.lower() for code in body.codes}
    if not codes.isdisjoint(_FILTERED):
        return "content_filter", body.message
    if not codes.isdisjoint(_TOO_LONG):
        return "context_length", body.message
    if _by_code(body) is not None or _is_over_the_minute(status, body):
        return None
    # before the wording of other refusals: a message about the context often names max_tokens as well
    if status in _LENGTH_STATUSES and _LENGTH.search(body.message):
        return "context_length", body.message
    return None if _by_wording(status, body) is not None else _finish_by_status(status, body)


def _status(status: int, body: ErrorBody) -> int:
    return body.status or status if 200 <= status < 300 else status  # noqa: PLR2004 - HTTP's successes


def _finish_by_status(status: int, body: ErrorBody) -> tuple[Finish, str] | None:
    if status in _MODERATION_STATUSES and _MODERATION.search(body.message):
        return "content_filter", body.message
    if status == _FORBIDDEN and (_INPUT.search(body.message) or "flagged_input" in body.metadata):
        return "content_filter", body.message
    return ("context_length", body.message) if status == _ENTITY_TOO_LARGE else None


def _by_code(body: ErrorBody) -> Refusal | None:
    codes = [code.lower() for code in body.codes]
    if any(code.endswith("_spend_limit_exceeded") or code.startswith("billing") for code in codes):
        return "quota"
    refusal = next((_BY_CODE[code] for code in codes if code in _BY_CODE), None)
    return None if refusal == "bad_parameter" and _top_level(body.param) in _OF_THE_CASE else refusal


def _by_wording(status: int, body: ErrorBody) -> Refusal | None:
    if status in _REFUSED and _AUTH.search(body.message):
        return "auth"
    if status in _REFUSED and (_QUOTA.search(body.message) or _is_daily(body)):
        return "quota"
    if status not in _BAD_REQUESTS:
        return None
    name = _top_level(body.param)
    if name == "model" or _UNKNOWN_MODEL.search(body.message):
        return "unknown_model"
    is_configured = name in _CONFIGURED or (name not in _OF_THE_CASE and _PARAMETER.search(body.message))
    return "bad_parameter" if is_configured else None


def _top_level(param: str) -> str:
    """Return the key of the request that contains a parameter: ``messages`` for ``messages[3].content``."""
    return re.split(r"[.\[]", param.strip("'\"`"), maxsplit=1)[0]


def _is_over_the_minute(status: int, body: ErrorBody) -> bool:
    """Return whether a request has more tokens than the limit of a minute, so that a wait cannot help."""
    is_limit = status == 429 or "rate_limit_exceeded" in body.codes  # noqa: PLR2004 - Too Many Requests
    text = body.message
    return is_limit and bool(_MINUTE.search(text) and _REQUEST_TOO_LARGE.search(text))


def _is_daily(body: ErrorBody) -> bool:
    """Return whether Google reports a daily quota; the wait that it sends is then too short."""
    lists = [listed for detail in body.details if isinstance(listed := detail.get("violations"), list)]
    return any(
        isinstance(item, dict) and _DAILY.search(str(item.get("quotaId", ""))) for listed in lists for item in listed
    )
