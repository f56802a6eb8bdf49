"""What all JSON documents have in common, and the values in them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Number = float | None  # null where a figure has no meaning
Value = bool | int | float | str


class Document(BaseModel):
    """A JSON object with these fields and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Span(Document):
    """A half-open period, ISO times in UTC."""

    start: str
    end: str


class Missing(Span):
    """Cells that the exchange has no candle for."""

    reason: str
