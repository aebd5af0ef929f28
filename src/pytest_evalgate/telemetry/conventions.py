"""Names of attributes and metrics, from OpenTelemetry's semantic conventions, and those of pytest-evalgate.

The names ``gen_ai.*`` are those of version 0.1.0 of the GenAI conventions, the first release since they have left the
common ones: https://github.com/open-telemetry/semantic-conventions-genai/tree/v0.1.0/docs/gen-ai. The others are of
version 1.45.0 of the common conventions, on which that release depends. Attributes without a convention begin with
``evalgate.``.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

GENAI_VERSION: Final = "0.1.0"
"""Version of the GenAI semantic conventions."""

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
EVALUATION: Final = "gen_ai.evaluation.name"
SCORE_VALUE: Final = "gen_ai.evaluation.score.value"
SCORE_LABEL: Final = "gen_ai.evaluation.score.label"
EXPLANATION: Final = "gen_ai.evaluation.explanation"
PARAMETERS: Final = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "seed": "gen_ai.request.seed",
}
"""Attributes of the parameters of a request, by the parameter's name; their values are numbers."""

SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"
SUITE_NAME: Final = "test.suite.name"
CASE_NAME: Final = "test.case.name"
CASE_STATUS: Final = "test.case.result.status"
REVISION: Final = "vcs.ref.head.revision"
BRANCH: Final = "vcs.ref.head.name"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"

RUN_ID: Final = "evalgate.run.id"
SHARD: Final = "evalgate.run.shard"
TIER: Final = "evalgate.run.tier"
VERDICT: Final = "evalgate.verdict"
EXIT_CODE: Final = "evalgate.exit_code"
OUTCOME: Final = "evalgate.outcome"
PLACE: Final = "evalgate.case.place"
TAGS: Final = "evalgate.case.tags"
TRIAL: Final = "evalgate.trial"
TARGET: Final = "evalgate.target"
PURPOSE: Final = "evalgate.call.purpose"
CACHED: Final = "evalgate.call.cached"
ATTEMPTS: Final = "evalgate.call.attempts"
LIMITED: Final = "evalgate.call.limited"
WAITED_S: Final = "evalgate.call.waited_s"
COST_USD: Final = "evalgate.cost_usd"
COUNTS: Final = "evalgate.score.counts"
INPUT: Final = "evalgate.input"
EXPECTED: Final = "evalgate.expected"
OUTPUT: Final = "evalgate.output"
REASON: Final = "evalgate.reason"
PASS_RATE: Final = "evalgate.pass_rate"  # noqa: S105 - no password
LOWER: Final = "evalgate.pass_rate.lower"
UPPER: Final = "evalgate.pass_rate.upper"
LABEL: Final = "evalgate.label"
GATE: Final = "evalgate.gate"
GATE_RESULT: Final = "evalgate.gate.result"

CLIENT_DURATION: Final = "gen_ai.client.inference.duration"
CLIENT_INPUT_TOKENS: Final = "gen_ai.client.inference.usage.input_tokens"
CLIENT_OUTPUT_TOKENS: Final = "gen_ai.client.inference.usage.output_tokens"
TARGET_DURATION: Final = "evalgate.target.duration"
RUN_COST: Final = "evalgate.run.cost"
CASES: Final = "evalgate.cases"

DURATION_BOUNDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Boundaries of histograms of seconds, which the GenAI conventions recommend."""

_PROVIDERS: Final = {
    "openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "models.ai.azure.com": "azure.ai.inference",
    "services.ai.azure.com": "azure.ai.inference",
    "anthropic.com": "anthropic",
    "amazonaws.com": "aws.bedrock",
    "cohere.com": "cohere",
    "cohere.ai": "cohere",
    "deepseek.com": "deepseek",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "groq.com": "groq",
    "ml.cloud.ibm.com": "ibm.watsonx.ai",
    "mistral.ai": "mistral_ai",
    "moonshot.ai": "moonshot_ai",
    "perplexity.ai": "perplexity",
    "x.ai": "x_ai",
}


def provider_of(base_url: str) -> str:
    """Return the provider at a base URL: a well-known name, else the host."""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    found = (name for suffix, name in _PROVIDERS.items() if host == suffix or host.endswith(f".{suffix}"))
    return next(found, host or "_OTHER")
