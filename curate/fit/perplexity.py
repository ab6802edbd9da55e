"""What the perplexity model is fitted on, as a recipe says it."""

from pydantic import BaseModel, ConfigDict, Field

from curate.fit.classifier import FromFiles, FromSource


class PerplexitySettings(BaseModel):
    """The reference, and how much of it an n-gram model learns."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    reference: list[str | FromSource | FromFiles] = Field(min_length=1, description="paths, or {source: NAME}: texts that should not surprise")
    order: int = Field(default=3, ge=1, le=6, description="words in the longest n-gram")
    max_words: int = Field(
        default=20_000_000, ge=1, description="words learned from; of a larger reference, texts drawn by content id (about 100 bytes each, times order)"
    )
