"""Language identification: fastText's lid.176.ftz (176 languages; arXiv 1607.01759, 1612.03651), shipped beside this file.

The library takes one document a call, so this family alone loops over documents in Python. The call goes to the compiled
class: the wheel's own `predict` wraps the answer in a way numpy 2 refuses, and its `load_model` writes to stderr.
"""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from curate.errors import EnvironmentProblem

VERSION = 1
SCHEMA = pa.schema(
    [
        pa.field("language", pa.dictionary(pa.int32(), pa.string()), nullable=False),  # ISO 639 code, or UNDETERMINED
        pa.field("language_score", pa.float32(), nullable=False),  # probability of that language, 0 to 1
    ]
)
UNDETERMINED = "und"  # ISO 639-2
MODEL = Path(__file__).parent / "models" / "lid.176.ftz"
_PREFIX = "__label__"


class Settings(BaseModel):
    """How much of a document is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    max_characters: int = Field(default=1000, ge=1, description="Characters from the start of a document that are looked at.")


@functools.cache
def load_model() -> Any:
    """The model, once a process (30 ms). Raises EnvironmentProblem where its file or the package is missing."""
    try:
        import fasttext_pybind  # type: ignore[import-not-found]
    except ImportError as error:
        raise EnvironmentProblem("language identification needs the package fasttext-wheel, which cannot be imported; install it.") from error
    if not MODEL.is_file():
        raise EnvironmentProblem(f"the language model {MODEL} is missing, so no language can be identified; reinstall corpuscle.")
    model = fasttext_pybind.fasttext()
    model.loadModel(str(MODEL))
    return model


def measure(texts: pa.LargeStringArray, settings: Settings) -> pa.Table:
    """The columns of SCHEMA for n texts, n rows.

    A text in which the model knows nothing (empty, only digits, a script it never saw) gets its answer to an empty text,
    which says nothing about the document; that answer is recorded as UNDETERMINED with score 0.
    """
    predict = load_model().predict
    unknown = predict("\n", 1, 0.0, "strict")
    starts = pc.replace_substring(pc.utf8_slice_codeunits(texts, 0, settings.max_characters), "\n", " ")
    codes: dict[str, int] = {}
    indices, scores = np.empty(len(texts), np.int32), np.empty(len(texts), np.float32)
    for row, text in enumerate(starts.to_pylist()):
        answer = predict(text + "\n", 1, 0.0, "strict")
        score, label = (0.0, UNDETERMINED) if answer == unknown else answer[0]
        indices[row] = codes.setdefault(label.removeprefix(_PREFIX), len(codes))
        scores[row] = min(score, 1.0)  # sums of float32 exponentials reach 1.00005
    language = pa.DictionaryArray.from_arrays(pa.array(indices), pa.array(list(codes), pa.string()))
    return pa.Table.from_arrays([language, pa.array(scores)], schema=SCHEMA)
