"""Untrusted values (a manifest in a store, another tool's output), within limits that cartctl's own never exceed."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints


class Part(BaseModel):
    """An object of a document: frozen, strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


LARGEST = 2**63 - 1
FIRST_YEAR, LAST_YEAR = 2000, 2200
CONTROL = {*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029}


def _without_control(text: str) -> str:
    if any(ord(each) in CONTROL for each in text):
        raise ValueError("must not contain control characters")
    return text


def without_nul(text: str) -> str:
    """The text. Raises ValueError for NUL, which PostgreSQL's text cannot contain."""
    if "\0" in text:
        raise ValueError("must not contain NUL")
    return text


def _of_our_time(moment: datetime) -> datetime:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"must be between {FIRST_YEAR} and {LAST_YEAR}")
    return moment.astimezone(UTC)


PlainName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")]
"""A file name that leads nowhere else."""
Line = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_without_control)]
"""One line of text."""
Name = Annotated[str, StringConstraints(max_length=255), AfterValidator(without_nul)]
"""The name of a database object: PostgreSQL allows every character but NUL."""
Text = Annotated[str, StringConstraints(max_length=100_000), AfterValidator(without_nul)]
"""Text of several lines."""
Count = Annotated[int, Field(ge=0, le=LARGEST, strict=True)]
Integer = Annotated[int, Field(ge=-LARGEST - 1, le=LARGEST, strict=True)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Moment = Annotated[AwareDatetime, AfterValidator(_of_our_time)]
"""A time with its zone, in UTC."""


def parse_json(content: bytes) -> Any:
    """A JSON document in UTF-8 without repeated keys, NaN or Infinity. Raises ValueError, also for one that is too deep."""
    try:
        return json.loads(
            content.decode("utf-8"), object_pairs_hook=_without_repetition, parse_constant=_refuse_constant
        )
    except RecursionError as deep:
        raise ValueError("it is nested too deeply") from deep


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key is repeated")
    return fields


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
