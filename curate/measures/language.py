"""Language identification: fastText's lid.176.ftz (176 languages; arXiv 1607.01759, 1612.03651), shipped beside this file.

Read and evaluated by our own kernel, with the library's labels and probabilities at six times its speed; no package of
fastText is needed.
"""

import functools
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from curate.documents import as_text
from curate.errors import EnvironmentProblem
from curate.fit.fasttext_model import FasttextModel, read_model

VERSION = 1
SCHEMA = pa.schema(
    [
        pa.field("language", pa.dictionary(pa.int32(), pa.string()), nullable=False),  # ISO 639 code, or UNDETERMINED
        pa.field("language_score", pa.float32(), nullable=False),  # probability of that language, 0 to 1
    ]
)
UNDETERMINED = "und"  # ISO 639-2
MODEL = Path(__file__).parent / "models" / "lid.176.ftz"


class Settings(BaseModel):
    """How much of a document is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    max_characters: int = Field(default=1000, ge=1, description="Characters from the start of a document that are looked at.")


@functools.cache
def load_model() -> FasttextModel:
    """The model, once a process. Raises EnvironmentProblem where its file is missing."""
    if not MODEL.is_file():
        raise EnvironmentProblem(f"the language model {MODEL} is missing, so no language can be identified; reinstall corpuscle.")
    return read_model(MODEL)


def measure(texts: pa.LargeStringArray, settings: Settings) -> pa.Table:
    """The columns of SCHEMA for n texts, n rows.

    A text in which the model knows nothing (empty, only digits, a script it never saw) gets its answer to an empty text,
    which says nothing about the document; that answer is recorded as UNDETERMINED with score 0.
    """
    model = load_model()
    labels, scores = model.predict(texts, settings.max_characters)
    (unknown_label,), (unknown_score,) = model.predict(as_text([""]))
    unknown = (labels < 0) | ((labels == unknown_label) & (scores == unknown_score))
    codes = np.where(unknown, len(model.labels), labels)
    # Codes are numbered as they first occur, so that equal columns are equal files.
    occurring, first = np.unique(codes, return_index=True)
    order = np.argsort(first)
    renumbered = np.zeros(len(model.labels) + 1, np.int32)
    renumbered[occurring[order]] = np.arange(len(occurring), dtype=np.int32)
    names = [(*model.labels, UNDETERMINED)[code] for code in occurring[order]]
    language = pa.DictionaryArray.from_arrays(pa.array(renumbered[codes]), pa.array(names, pa.string()))
    bounded = np.where(unknown, np.float32(0), np.minimum(scores, np.float32(1)))  # sums of float32 exponentials reach 1.00005
    return pa.Table.from_arrays([language, pa.array(bounded)], schema=SCHEMA)
