"""Quality scores: for each of the recipe's classifiers the probability that a document is one of its positives."""

import functools
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from curate.errors import DamageError
from curate.fit.classifier import POSITIVE
from curate.fit.fasttext_model import FasttextModel, read_model
from curate.storage import checksum

VERSION = 1
SCHEMA = pa.schema([])  # without classifiers; see `schema`
_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)


class Classifier(BaseModel):
    """One fitted classifier."""

    model_config = _STRICT
    name: str = Field(description="its column is NAME_score")
    path: str = Field(min_length=1, description="its fastText file")
    checksum: str = Field(pattern=r"^[0-9a-f]{32}$", description="xxh3-128 of that file")
    max_characters: int = Field(ge=1, description="characters from the start of a document that are read, as in training")


class Settings(BaseModel):
    """Which classifiers score."""

    model_config = _STRICT
    classifiers: list[Classifier] = Field(description="in the order of their columns")


def column(name: str) -> str:
    """The column of a classifier's scores."""
    return f"{name}_score"


def schema(settings: Settings) -> pa.Schema:
    """A float32 column for every classifier: 0 to 1, and 0 where it knows nothing of a document."""
    return pa.schema([pa.field(column(classifier.name), pa.float32(), nullable=False) for classifier in settings.classifiers])


def measure(texts: pa.LargeStringArray, settings: Settings) -> pa.Table:
    """One row a text, columns as in `schema(settings)`. Raises DamageError where a file is not the one that was fitted."""
    columns = []
    for classifier in settings.classifiers:
        _, scores = _load(classifier.path, classifier.checksum).predict(texts, classifier.max_characters, POSITIVE)
        columns.append(pa.array(np.minimum(scores, np.float32(1))))
    return pa.Table.from_arrays(columns, schema=schema(settings))


@functools.lru_cache(maxsize=8)
def _load(path: str, expected: str) -> FasttextModel:
    """A classifier stays loaded while a process measures part after part."""
    if (found := checksum(Path(path))) != expected:
        raise DamageError(f"{path} has checksum {found}, not {expected}; documents would be scored by another classifier, so fit it again")
    return read_model(Path(path))
