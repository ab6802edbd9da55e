"""Rules over what the perplexity model says of a document: limits in bits per word, or buckets of the corpus by quantile.

The buckets are CCNet's (arXiv 1911.00359, section 3.3): head, middle and tail hold the documents that surprise a model of
the reference least, more, and most; there, thirds of each language.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from curate.rules.cutoffs import Cutoff
from curate.rules.rule import Rule

COLUMN = "perplexity.bits_per_word"
BUCKETS = ("head", "middle", "tail")
Bucket = Literal["head", "middle", "tail"]


class PerplexityRules(BaseModel):
    """What a document's bits per word may be. `keep` becomes limits once all documents are measured."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    keep: Annotated[tuple[Bucket, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="the buckets that are kept, neighbours of one another: [head], [head, middle], [middle] …"
    )
    head_fraction: float = Field(default=0.33, gt=0, lt=1, description="share of all documents in the head bucket")
    middle_fraction: float = Field(default=0.33, gt=0, lt=1, description="share in the middle bucket; the tail has the rest")
    min_bits_per_word: float | None = Field(default=None, ge=0, description="keep documents above this; what is too predictable is often boilerplate")
    max_bits_per_word: float | None = Field(default=None, ge=0, description="keep documents up to this; 2 to the power of it is the perplexity")
    languages: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="applies to documents of these languages only (codes of lid.176); null: to all"
    )

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        limits = self.min_bits_per_word is not None or self.max_bits_per_word is not None
        if self.keep is None and not limits:
            raise ValueError("give keep (buckets), min_bits_per_word or max_bits_per_word; without any nothing would be dropped")
        if self.keep is not None:
            places = sorted({BUCKETS.index(bucket) for bucket in self.keep})
            if places != list(range(places[0], places[-1] + 1)) or len(places) == len(BUCKETS):
                raise ValueError(f"keep {list(self.keep)} names no run of one or two neighbouring buckets of {', '.join(BUCKETS)}")
        if self.head_fraction + self.middle_fraction >= 1:
            raise ValueError(f"head_fraction {self.head_fraction} and middle_fraction {self.middle_fraction} leave no tail; their sum must be below 1")
        return self

    @property
    def _edges(self) -> tuple[Cutoff, Cutoff]:
        """The greatest values of the head and of the middle bucket."""
        shares = (self.head_fraction, round(self.head_fraction + self.middle_fraction, 12))
        return Cutoff(COLUMN, shares[0], "bottom"), Cutoff(COLUMN, shares[1], "bottom")

    def cutoffs(self) -> dict[str, Cutoff]:
        """The cut-offs that are to be found in the corpus, by the limit each becomes."""
        if self.keep is None:
            return {}
        places = [BUCKETS.index(bucket) for bucket in self.keep]
        found = {"min_bits_per_word": self._edges[min(places) - 1]} if min(places) else {}
        return found | ({"max_bits_per_word": self._edges[max(places)]} if max(places) < len(self._edges) else {})

    def found(self, values: Mapping[str, float]) -> "PerplexityRules":
        """With the cut-offs as limits."""
        return self.model_copy(update={limit: values[cutoff.name] for limit, cutoff in self.cutoffs().items()})

    def rules(self) -> list[tuple[str, Rule]]:
        """(reason, rule). A rule's limit is None as long as its cut-off is not found."""
        listed: list[tuple[str, Rule]] = []
        for name, comparison in (("min_bits_per_word", ">"), ("max_bits_per_word", "<=")):
            limit = getattr(self, name)
            if limit is not None or name in self.cutoffs():
                source = "of this recipe" if self.keep is None else f"of this recipe: keeps {' and '.join(self.keep)} of all documents"
                rule = Rule(name=name, numerator=(COLUMN,), comparison=comparison, limit=limit, languages=self.languages, source=source)  # type: ignore[arg-type]
                listed.append((f"perplexity.{name}", rule))
        return listed
