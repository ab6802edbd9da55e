"""Which document of a cluster stays: the longest, the earliest, the best by a measure, or by the priority of its source.

A policy becomes *preferences*: int64 (keys, documents), compared key by key, larger first; what they leave equal goes to the
earliest by number: the recipe's order of sources, then part, then row.
"""

from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic_core import CoreSchema

from curate.errors import RecipeError

Policy = Literal["longest", "earliest"]
LEAST = np.iinfo(np.int64).min  # of a document without the measure: any other comes before it


class Representative(BaseModel):
    """`longest`, `earliest`, or a mapping: a measure with its order, or sources, the first of them first."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    measure: str | None = Field(default=None, pattern=r"^[a-z0-9_]+\.[A-Za-z0-9_]+$", description="A number of every document, as family.column.")
    order: Literal["highest", "lowest"] = Field(default="highest", description="Which value of the measure is best.")
    sources: list[str] | None = Field(default=None, min_length=1, description="Sources by priority; those not named come last, as equals.")
    then: Policy = Field(default="longest", description="Decides among equals, alone where neither measure nor sources are given; then the earliest.")

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:
        return {"then": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.measure is not None and self.sources is not None:
            raise ValueError("a measure and sources are both given; which of them comes first is not said. Give one of the two")
        if self.measure is None and self.order == "lowest":
            raise ValueError("order: lowest needs a measure")
        if self.sources is not None and len(set(self.sources)) != len(self.sources):
            raise ValueError("a source is named twice")
        return self

    @model_serializer(mode="wrap")
    def _to_name(self, write: Any) -> Any:
        return self.then if self.measure is None and self.sources is None else write(self)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "enum": ["longest", "earliest"]}, handler(schema)]}

    @property
    def family(self) -> str | None:
        """The measure family that the policy reads, if any."""
        return None if self.measure is None else self.measure.partition(".")[0]

    @property
    def column(self) -> str | None:
        """The column of that family."""
        return None if self.measure is None else self.measure.partition(".")[2]


def preferences(policy: Representative, num_characters: NDArray[np.int64], first: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """The preferences of documents: int64 (1 or 2, documents). first: what a measure or the sources say, before `then`."""
    last = np.asarray(num_characters, np.int64) if policy.then == "longest" else np.zeros(len(num_characters), np.int64)
    return last[None, :] if first is None else np.stack([first, last])


def rank(policy: Representative, source: str) -> int:
    """The preference of a source's documents: 0 for the first, falling; the same for all that are not named."""
    named = policy.sources or []
    return -named.index(source) if source in named else -len(named)


def require_column(policy: Representative, schema: pa.Schema) -> None:
    """Raises RecipeError where the policy's measure is no number of its family, whose columns are given."""
    numbers = [field.name for field in schema if pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_boolean(field.type)]
    if policy.column not in numbers:
        told = f"its numbers are {', '.join(numbers)}" if numbers else "it has no column of single numbers"
        raise RecipeError(f"dedup.representative.measure is {policy.measure}, but the family {policy.family} has no such number; {told}")


def ordered(values: NDArray[Any], *, highest: bool) -> NDArray[np.int64]:
    """Numbers as integers of the same order, or of the opposite one; LEAST for NaN. Exact for int64 and for every float64."""
    if values.dtype.kind in "iub":
        whole = values.astype(np.int64)
        return whole if highest else ~whole
    numbers = values.astype(np.float64) + 0.0  # makes one zero of two
    bits = numbers.view(np.int64)
    bits = np.where(bits < 0, bits ^ np.int64(0x7FFFFFFFFFFFFFFF), bits)  # IEEE 754: negative numbers are ordered backwards
    return np.where(np.isnan(numbers), np.int64(LEAST), bits if highest else ~bits)
