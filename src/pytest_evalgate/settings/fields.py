"""What the tables of the configuration are made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Table(BaseModel):
    """A table: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Share = Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)]
Margin = Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)]
Alpha = Annotated[float, Field(strict=True, gt=0, lt=0.5, allow_inf_nan=False)]
Amount = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(strict=True, gt=0, le=86_400, allow_inf_nan=False)]
Concurrency = Annotated[int, Field(strict=True, ge=1, le=1024)]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
FileName = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple, json_schema_input_type=str | tuple[str, ...])]
_SomeFiles = Annotated[tuple[FileName, ...], Field(min_length=1)]
FileNames = Annotated[_SomeFiles, BeforeValidator(_as_tuple, json_schema_input_type=FileName | _SomeFiles)]
