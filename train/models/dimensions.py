"""How large a model is, and the sizes that have a name."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Size = Literal["1m", "5m", "15m", "60m"]


class Dimensions(BaseModel):
    """The dimensions that the recipe decides; the rest follows from the shards (context, vocabulary)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    hidden_size: int = Field(ge=2, description="Width of the residual stream.")
    num_layers: int = Field(ge=1, description="Number of blocks.")
    num_heads: int = Field(ge=1, description="Query heads; must divide the width, the width of a head must be even.")
    num_key_value_heads: int | None = Field(
        default=None, ge=1, description="Shared key and value heads of a decoder (Ainslie et al. 2023); none: as many as query heads."
    )
    intermediate_size: int | None = Field(
        default=None, ge=1, description="Width inside a block's MLP; none: 8/3 of the width for a decoder (rounded up to 32), 4 times for an encoder."
    )
    tie_embeddings: bool = Field(default=True, description="Whether a decoder's output matrix is its input embedding. An encoder's always is.")

    @model_validator(mode="after")
    def _check(self) -> "Dimensions":
        if self.hidden_size % self.num_heads or (self.hidden_size // self.num_heads) % 2:
            raise ValueError(f"hidden_size {self.hidden_size} must be an even multiple of num_heads {self.num_heads}, as each head rotates pairs of values")
        if self.num_key_value_heads is not None and self.num_heads % self.num_key_value_heads:
            raise ValueError(f"num_heads {self.num_heads} must be a multiple of num_key_value_heads {self.num_key_value_heads}")
        return self


# Parameters with the embedding at a vocabulary of 4,096: decoder 1.3, 5.1, 15.8, 62 million; encoder 1.4, 5.1, 16, 62 million.
SIZES: dict[Size, Dimensions] = {
    "1m": Dimensions(hidden_size=128, num_layers=4, num_heads=4),
    "5m": Dimensions(hidden_size=256, num_layers=5, num_heads=4),
    "15m": Dimensions(hidden_size=384, num_layers=8, num_heads=6),
    "60m": Dimensions(hidden_size=640, num_layers=12, num_heads=10),
}


class ModelConfig(BaseModel):
    """All that decides a model's shapes: written into checkpoints, and the source of the exported config.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    architecture: Literal["decoder", "encoder"]
    dimensions: Dimensions
    context_length: int
    vocabulary_size: int
    pad: int
    bos: int
    eos: int
    mask: int

    @property
    def num_key_value_heads(self) -> int:
        """Key and value heads, resolved."""
        return self.dimensions.num_key_value_heads or self.dimensions.num_heads

    @property
    def intermediate_size(self) -> int:
        """Width inside the MLP, resolved."""
        if self.dimensions.intermediate_size is not None:
            return self.dimensions.intermediate_size
        return -(-self.dimensions.hidden_size * 8 // 96) * 32 if self.architecture == "decoder" else 4 * self.dimensions.hidden_size
