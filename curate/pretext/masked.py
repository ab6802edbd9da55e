"""Masked language modelling: words are hidden, the model names them.

Each word of a document is chosen independently with the same probability (Devlin et al. 2019: 15%; Wettig et al. 2023 on
other rates), and with it all its tokens. A chosen token becomes the mask in 80% of cases, a random token in 10%, and stays
in 10%, decided token by token as in BERT's released whole-word code. All choices are functions of seed, content id and place
in the document, so an example does not depend on the rows or parts around it.
"""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from curate.fit.tokenizer import Vocabulary
from curate.pretext.rows import Examples, Tokens
from curate.seeds import draw

LABELLED = True
CHOOSES_WORDS = True


class MaskedSettings(BaseModel):
    """Rows for an encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    context_length: int = Field(512, ge=8, le=1 << 20, description="Positions in a row.")
    chosen_fraction: float = Field(0.15, gt=0, lt=1, description="Probability that a word is chosen for prediction.")
    mask_fraction: float = Field(0.8, ge=0, le=1, description="Share of chosen tokens replaced by the mask.")
    random_fraction: float = Field(0.1, ge=0, le=1, description="Share of chosen tokens replaced by a random token; the rest stay.")
    whole_words: bool = Field(True, description="Choose words; false chooses single tokens.")
    document_fraction: float = Field(1.0, gt=0, le=1, description="Share of the training documents, drawn by content id, that this task makes rows of.")

    @model_validator(mode="after")
    def _shares_fit(self) -> "MaskedSettings":
        if self.mask_fraction + self.random_fraction > 1:
            raise ValueError(f"mask_fraction {self.mask_fraction} and random_fraction {self.random_fraction} are shares of one whole but exceed 1 together")
        return self


def examples(tokens: Tokens, settings: MaskedSettings, vocabulary: Vocabulary, seed: int) -> Examples:
    """Hide words. Special ids are never hidden and never put in place of a token."""
    from curate.kernels import masking

    if settings.whole_words and tokens.word_starts is None:
        raise ValueError("whole words are asked for, but the tokens come without word_starts")
    starts = tokens.word_starts if settings.whole_words and tokens.word_starts is not None else np.ones(len(tokens.ids), np.bool_)
    states = np.column_stack([draw(seed, f"masked/{purpose}", tokens.content) for purpose in ("which", "how", "what")])
    shares = np.array([settings.chosen_fraction, settings.mask_fraction, settings.random_fraction])
    hidden, labels = np.empty_like(tokens.ids), np.empty(len(tokens.ids), np.int32)
    masking.hide(tokens.ids, tokens.offsets, starts, states, shares, vocabulary.special.mask, vocabulary.ordinary, vocabulary.is_special, hidden, labels)
    return Examples(hidden, labels)
