"""Which edits a recipe makes inside documents. All are off unless the recipe turns them on."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from curate.edits.personal_data import PersonalDataSettings

FAMILY = "edits"  # of the columns beside edited documents; gather writes them
STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)
Texts = Annotated[tuple[str, ...], Field(strict=False)]

# What each reading of C4 asks of a line; see curate.edits.c4 for the sources.
_C4_VARIANTS: dict[str, dict[str, Any]] = {
    "datatrove": {"min_words": 3, "end_marks": "with_apostrophe"},
    "paper": {"min_words": 3, "end_marks": "with_apostrophe"},
    "code": {"min_words": 5, "end_marks": "without_apostrophe"},
    "fineweb": {"min_words": 3, "end_marks": None},
}
COUNTERS = ("likes", "shares", "comments", "retweets", "reposts", "quotes", "bookmarks", "upvotes", "downvotes", "downloads", "views", "followers")


class C4EditSettings(BaseModel):
    """C4's line rules (arXiv 1910.10683, section 2.2). Meant for English: a line of Japanese has no end mark of theirs."""

    model_config = STRICT
    variant: Literal["datatrove", "paper", "code", "fineweb"] = Field("datatrove", description="Whose numbers; single settings below win.")
    min_words: int | None = Field(3, ge=1, description="Lines of fewer words are cut; null: none is.")
    end_marks: Literal["with_apostrophe", "without_apostrophe"] | None = Field(
        "with_apostrophe",
        description="Lines that end with none of . ? ! \" (and, with_apostrophe, ') are cut, those that end in three full stops too; null: none is.",
    )
    max_word_characters: int | None = Field(1000, ge=1, description="Lines with a longer word are cut; null: none is.")
    javascript: bool = Field(True, description="Lines that mention javascript are cut.")
    policy: bool = Field(True, description="Lines with a policy or cookie phrase are cut.")
    citations: bool = Field(True, description="Citation marks ([1], [edit], [citation needed]) are cut from the lines that stay.")

    @model_validator(mode="before")
    @classmethod
    def fill_in_variant(cls, given: Any) -> Any:
        """Take what is not given from the variant."""
        return _C4_VARIANTS.get(str(given.get("variant", "datatrove")), {}) | given if isinstance(given, dict) else given


class LineNoiseSettings(BaseModel):
    """What RefinedWeb and DCLM ask of a line. Meant for English: where words stand without spaces, a line is one word."""

    model_config = STRICT
    max_upper_case_fraction: float | None = Field(0.5, ge=0, le=1, description="Lines with more of their characters in upper case are cut; null: none is.")
    max_numeric_fraction: float | None = Field(0.999999, ge=0, le=1, description="Lines with more digits among their characters are cut; null: none is.")
    counters: Texts = Field(COUNTERS, description="Lines that are a number and one of these nouns are cut.")
    min_words: int | None = Field(2, ge=1, description="Lines of fewer words, as white space separates them, are cut; null: none is.")
    max_phrase_line_words: int | None = Field(10, ge=1, description="Phrases are cut from lines of at most so many words; null: from none.")
    anywhere_phrases: Texts = Field(("items in cart",), description="Phrases cut wherever they stand in a line.")
    end_phrases: Texts = Field((), description="Phrases cut at the end of a line.")
    start_phrases: Texts = Field((), description="Phrases cut at the start of a line.")

    @field_validator("counters", "anywhere_phrases", "end_phrases", "start_phrases")
    @classmethod
    def refuse_unmatchable(cls, phrases: tuple[str, ...]) -> tuple[str, ...]:
        """Phrases are compared in lower case, and white space around one would never be met where lines are stripped."""
        for phrase in phrases:
            if not phrase or phrase != phrase.strip() or "\0" in phrase or any("A" <= c <= "Z" for c in phrase):
                raise ValueError(f"{phrase!r} would never be found: give it in lower case, not empty, without white space around it")
        return phrases


class RefinedWebEditSettings(LineNoiseSettings):
    """RefinedWeb's line-wise corrections (arXiv 2306.01116, appendix G.2); lines are those of splitlines, stripped."""

    end_phrases: Texts = Field(("read more", "read more...", "read more…"), description="Phrases cut at the end of a line.")
    start_phrases: Texts = Field(("sign-in",), description="Phrases cut at the start of a line.")


class DclmEditSettings(LineNoiseSettings):
    """The same as DCLM's code reads it; lines stand between newlines, and a full stop in a phrase is any one character."""

    end_phrases: Texts = Field(("read more...",), description="Phrases cut at the end of a line; a full stop is any one character, as in the code.")
    start_phrases: Texts = Field(("sign-in",), description="Phrases cut at the start of a line; a full stop is any one character.")


class EditSettings(BaseModel):
    """What is cut inside documents before they are written. Line edits first, each on the lines as they were, personal data last on what is left."""

    model_config = STRICT
    sources: Texts | None = Field(None, description="Names of the sources whose documents are edited; null: all.")
    c4: C4EditSettings | None = Field(None, description="C4's line rules; null: off.")
    refinedweb: RefinedWebEditSettings | None = Field(None, description="RefinedWeb's line-wise corrections; null: off.")
    dclm: DclmEditSettings | None = Field(None, description="DCLM's line modifiers; null: off.")
    personal_data: PersonalDataSettings | None = Field(None, description="E-mail addresses and the like, replaced; null: off.")

    @property
    def is_on(self) -> bool:
        """Whether there is anything to do."""
        return any(part is not None for part in (self.c4, self.refinedweb, self.dclm, self.personal_data))
