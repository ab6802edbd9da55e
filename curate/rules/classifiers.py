"""Rules over the scores of the recipe's quality classifiers (measure family quality): a least score, or the best share of a corpus."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from curate.rules.cutoffs import Cutoff
from curate.rules.rule import Rule


class ClassifierRule(BaseModel):
    """What one classifier asks of a document. `keep_top_fraction` becomes a least score once all documents are scored; in
    settings whose cut-offs are found both are set."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    min_score: float | None = Field(default=None, ge=0, le=1, description="keep a document that scores this or more")
    keep_top_fraction: float | None = Field(
        default=None, gt=0, le=1, description="keep this share of all documents, those that score best, and equals of the last"
    )
    languages: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="applies to documents of these languages only (codes of lid.176); null: to all"
    )

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.min_score is None and self.keep_top_fraction is None:
            raise ValueError("give min_score or keep_top_fraction; without either the classifier would drop nothing")
        return self

    def cutoff(self, name: str) -> Cutoff | None:
        """What must be found in the corpus before this rule can judge."""
        return Cutoff(_column(name), self.keep_top_fraction, "top") if self.keep_top_fraction is not None else None

    def found(self, name: str, cutoffs: Mapping[str, float]) -> "ClassifierRule":
        """With the cut-off as the least score."""
        wanted = self.cutoff(name)
        return self if wanted is None else self.model_copy(update={"min_score": cutoffs[wanted.name]})


def rule_of(name: str, asked: ClassifierRule) -> tuple[str, Rule]:
    """(reason, rule) of a classifier. The rule's limit is None as long as its cut-off is not found."""
    share = asked.keep_top_fraction
    source = "of this recipe" if share is None else f"of this recipe: the best-scoring {100 * share:g}% of all documents"
    return f"classifiers.{name}", Rule(name=name, numerator=(_column(name),), comparison=">=", limit=asked.min_score, languages=asked.languages, source=source)


def _column(name: str) -> str:
    return f"quality.{name}_score"
