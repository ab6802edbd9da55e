"""Next-token prediction: the rows are the text, and every token is the label of the position before it."""

from pydantic import BaseModel, ConfigDict, Field

from curate.fit.tokenizer import Vocabulary
from curate.pretext.rows import Examples, Tokens

LABELLED = False
CHOOSES_WORDS = False


class CausalSettings(BaseModel):
    """Rows for a decoder."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    context_length: int = Field(512, ge=8, le=1 << 20, description="Positions in a row.")
    document_fraction: float = Field(1.0, gt=0, le=1, description="Share of the training documents, drawn by content id, that this task makes rows of.")


def examples(tokens: Tokens, settings: CausalSettings, vocabulary: Vocabulary, seed: int) -> Examples:
    """The tokens themselves. `settings`, `vocabulary` and `seed` are part of the contract of a task and change nothing here."""
    return Examples(tokens.ids, None)
