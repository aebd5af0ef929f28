"""Value types of the configuration, and its tables of models, judges and reports."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.alerts import AlertKind
from pytest_evalgate.text.problems import UNQUOTED
from pytest_evalgate.text.redaction import looks_like_key


class Table(BaseModel):
    """Base of all tables: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


@dataclass(frozen=True, slots=True)
class TextForm:
    """The form of a text: a pattern, and the message about a text that does not match it."""

    pattern: str
    advice: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the text after pydantic has."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Add the pattern to the JSON Schema."""
        return handler(schema) | {"pattern": self.pattern}

    def _check(self, text: str) -> str:
        if not re.search(self.pattern, text):
            raise ValueError(self.advice)
        return text


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Share = Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)]
Margin = Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)]
Alpha = Annotated[float, Field(strict=True, gt=0, lt=0.5, allow_inf_nan=False)]
Amount = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(strict=True, gt=0, le=86_400, allow_inf_nan=False)]
Concurrency = Annotated[int, Field(strict=True, ge=1, le=1024)]


def _environment_name(name: str) -> str:
    """Check the name of a variable. The message never contains it, because users may enter the key itself."""
    if looks_like_key(name):
        raise PydanticCustomError(UNQUOTED, "this looks like a key; put the *name* of the variable here")
    if name and not _ENVIRONMENT_NAME.fullmatch(name):
        raise PydanticCustomError(UNQUOTED, "write the name of an environment variable, such as OPENAI_API_KEY")
    return name


def no_key_in_url(url: str) -> str:
    """Check that a URL contains no key: URLs are printed and stored."""
    if looks_like_key(url):
        raise PydanticCustomError(UNQUOTED, "this URL contains a key; name the key's environment variable instead")
    return url


_ENVIRONMENT_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_pattern = {"pattern": f"^{_ENVIRONMENT_NAME.pattern}$"}
EnvironmentName = Annotated[str, AfterValidator(_environment_name), Field(min_length=1, json_schema_extra=_pattern)]
NoOrEnvironmentName = Annotated[
    str, AfterValidator(_environment_name), Field(json_schema_extra={"pattern": f"^({_ENVIRONMENT_NAME.pattern})?$"})
]
FileName = Annotated[str, Field(min_length=1)]
_Names = tuple[EnvironmentName, ...]
EnvironmentNames = Annotated[_Names, BeforeValidator(_as_tuple, json_schema_input_type=EnvironmentName | _Names)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple, json_schema_input_type=str | tuple[str, ...])]
_SomeFiles = Annotated[tuple[FileName, ...], Field(min_length=1)]
FileNames = Annotated[_SomeFiles, BeforeValidator(_as_tuple, json_schema_input_type=FileName | _SomeFiles)]

Votes = Annotated[int, Field(strict=True, ge=1, le=15)]
Days = Annotated[int, Field(strict=True, ge=1, le=3650)]


class Judge(Table):
    """A model that grades outputs.

    ``model`` is a key of ``models``. Give either ``rubric`` (a file, or the name of a built-in rubric) or ``criteria``
    (one or two sentences). ``votes`` is the number of times that each output is graded; the majority counts.

    The scores can fail a build only while ``calibration``, made with human labels, is at most ``max_age_days`` old and
    its lower bounds are at least ``min_tpr`` and ``min_tnr``, and the raters of its labels agree by a Krippendorff
    alpha of ``min_alpha``. ``report_only`` reports the scores without using them.

    ``few_shots`` is a file of graded examples for the prompt. ``canaries`` is a file of good and bad outputs that the
    judge must grade correctly in every run. ``params`` are added to its requests and override those of the model.
    """

    model: str
    rubric: str | None = None
    criteria: str | None = None
    scale: Literal["binary", "1-5"] = "binary"
    votes: Votes = 1
    few_shots: FileName | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    calibration: FileName | None = None
    min_tpr: Share | None = None
    min_tnr: Share | None = None
    min_alpha: Share | None = None
    max_age_days: Days = 90
    canaries: FileName | None = None
    report_only: bool = False

    @model_validator(mode="after")
    def _check_instructions(self) -> Self:
        if (self.rubric is None) == (self.criteria is None):
            raise ValueError('a judge needs either rubric = "FILE or the name of a built-in one", or criteria = "..."')
        if self.votes % 2 == 0:
            raise ValueError(f"votes = {self.votes}: must be odd, so that there is a majority")
        return self


BaseUrl = Annotated[
    str, TextForm(r"^https?://[^\s]+$", "write a URL that begins with http:// or https://, without spaces")
]
RedactedPath = Annotated[
    str,
    TextForm(
        r"^(input|expected|output)(\.[^.]+)+$", 'write a dotted path below input, expected or output: "input.customer"'
    ),
]


class Price(Table):
    """Price in US dollars per million tokens."""

    input_per_mtok: Amount
    output_per_mtok: Amount


ModelApi = Literal["chat", "responses", "embeddings", "moderations"]


class Model(Table):
    """A model at an endpoint.

    ``model`` is its name at the endpoint. ``api_key_env`` is the name of the environment variable that contains the
    API key; "" sends none. ``api`` is "embeddings" or "moderations" for a model that the scorers "similar" or
    "moderation" ask. ``params`` are added to every request. ``timeout_s`` limits each attempt, from the connection to
    the last byte. ``price`` overrides the known price of the model.
    """

    model: str = Field(min_length=1)
    base_url: Annotated[BaseUrl, AfterValidator(no_key_in_url)] = "https://api.openai.com/v1"
    api_key_env: NoOrEnvironmentName = "OPENAI_API_KEY"
    client: Literal["openai", "http"] = "openai"
    api: ModelApi = "chat"
    params: dict[str, Any] = Field(default_factory=dict)
    max_concurrency: Concurrency = 32
    requests_per_minute: Rate | None = None
    tokens_per_minute: Rate | None = None
    timeout_s: Seconds = 60.0
    price: Price | None = None


NotifyFormat = Literal["slack", "json", "pagerduty"]
_AlertKinds = tuple[AlertKind, ...]


class Notify(Table):
    """A webhook that receives the events of a run after its verdict. It never changes the verdict.

    ``webhook_env`` is the name of the environment variable that contains the URL; for PagerDuty, the integration key
    of 32 characters, or the URL of its Events API v2 with ``?routing_key=KEY``. Nothing is sent if it is not set.
    ``on`` are the events: a run fails, a suite passes again, its trend declines, a judge has drifted, a run ends
    without a decision, a run costs too much. ``runbook`` is the URL of the page that messages link to.
    """

    webhook_env: EnvironmentName
    on: Annotated[
        Annotated[_AlertKinds, Field(min_length=1)],
        BeforeValidator(_as_tuple, json_schema_input_type=AlertKind | _AlertKinds),
    ] = ("fail", "recovered")
    format: NotifyFormat = "json"
    runbook: Annotated[BaseUrl, AfterValidator(no_key_in_url)] | None = None


OtlpEndpoint = Annotated[
    str,
    TextForm(
        r"^(env|https?://[^\s?#@]+)$",
        'write a URL that begins with http:// or https://, without user name and query, or "env" to use the variables '
        "OTEL_EXPORTER_OTLP_...",
    ),
]


def _no_key_in_header(value: str) -> str:
    """Check that the value of a header is no key."""
    if looks_like_key(value.removeprefix("Bearer ")):
        raise PydanticCustomError(UNQUOTED, "this looks like a key: name its environment variable in headers_env")
    return value


class Telemetry(Table):
    """An OpenTelemetry collector that receives the spans and metrics of a run after its verdict.

    ``otlp`` is the base URL of its OTLP/HTTP endpoint, to which ``/v1/traces`` and ``/v1/metrics`` are added; "env"
    uses the standard variables, such as ``OTEL_EXPORTER_OTLP_ENDPOINT`` and ``OTEL_EXPORTER_OTLP_HEADERS``.
    ``headers`` are sent unchanged; ``headers_env`` are headers with keys, by the names of their variables.
    ``resource`` are attributes of the resource, such as ``service.name``.

    ``metrics = false`` sends spans only. ``texts`` adds inputs, outputs and reasons, as far as reports show them.
    ``models`` are the keys of the models whose requests get the header ``traceparent``; applications always get it.
    """

    otlp: Annotated[OtlpEndpoint, AfterValidator(no_key_in_url)]
    headers: dict[str, Annotated[str, AfterValidator(_no_key_in_header)]] = Field(default_factory=dict)
    headers_env: dict[str, EnvironmentName] = Field(default_factory=dict)
    resource: dict[str, str] = Field(default_factory=dict)
    metrics: bool = True
    texts: bool = False
    models: Names = ()


ReportFormat = Literal["html", "markdown", "csv", "json", "junit"]


class Report(Table):
    """The reports of a run, written beside ``verdict.json`` or to ``--eval-report``.

    ``content`` is how much of inputs, expected outputs, outputs and reasons they contain: "full", "excerpt" (the first
    200 characters) or "none". ``redact`` lists dotted paths to remove from them, such as ``input.customer``.
    """

    formats: tuple[ReportFormat, ...] = ("html",)
    content: Literal["full", "excerpt", "none"] = "full"
    redact: tuple[RedactedPath, ...] = ()
