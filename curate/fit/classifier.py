"""Quality classifiers: fastText models fitted to tell wanted texts from unwanted ones, as DCLM does (arXiv 2406.11794, section 4.4).

Training runs in one thread with a fixed seed, on texts in an order drawn by content id, so equal texts and settings give
an equal file. A drawn share is held out and says how good the classifier is; documents that stand on both sides teach
nothing and are left out. Prediction needs no fastText package (see `curate.kernels.fasttext`).
"""

import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from curate.documents import text_buffers
from curate.errors import EnvironmentProblem, InputError
from curate.fit.classifier_figures import figures
from curate.fit.classifier_texts import Sample, sample, without
from curate.readers.sources import Format
from curate.seeds import draw, fractions
from curate.storage import Output, publish

POSITIVE, NEGATIVE = "positive", "negative"
_PREFIX = "__label__"
_SPACE = r"[\x00\t-\r ]"  # what separates words for fastText
_LINES_AT_A_TIME = 1024
_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)

Texts = Callable[[], Iterator[pa.LargeStringArray]]  # the same batches every time it is called


class FromSource(BaseModel):
    """The gathered documents of a source of the recipe."""

    model_config = _STRICT
    source: str = Field(description="the source's name")


class FromFiles(BaseModel):
    """Documents of files, read as a source's would be; a bare path stands for `paths` alone."""

    model_config = _STRICT
    paths: list[str] = Field(min_length=1, description="globs, relative to the recipe's folder or absolute")
    format: Format | None = Field(None, description="null: by extension, else by the first bytes")
    text_field: str = Field("text", min_length=1, description="JSON Lines key or Parquet column that holds the text")
    separator: str | None = Field(None, max_length=200, description="text: a line between documents; none: a file is a document")
    encoding: str | None = Field(None, description="text: what bytes are that are not UTF-8")


class ClassifierSettings(BaseModel):
    """One classifier: what it should like, what it should not, and how it is trained."""

    model_config = _STRICT
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64, description="its scores are the column NAME_score of the measure family quality")
    positives: list[str | FromSource | FromFiles] = Field(min_length=1, description="paths, or {source: NAME}: texts that should score high")
    negatives: list[str | FromSource | FromFiles] = Field(min_length=1, description="paths, or {source: NAME}: texts that should score low")
    max_documents: int = Field(100_000, ge=2, description="texts of each side, drawn by content id")
    balance: bool = Field(True, description="cut the larger side to the size of the smaller one, so that 0.5 is the even score")
    held_out_fraction: float = Field(0.1, gt=0, lt=1, description="share of the texts that only measure it")
    max_characters: int = Field(4000, ge=1, description="characters from the start of a text that are read, in training and scoring")
    dimensions: int = Field(32, ge=1, le=4096, description="numbers in a feature's vector")
    epochs: int | None = Field(None, ge=1, description="passes over the texts; null: 25 for a small set down to 5 for a large one")
    learning_rate: float = Field(0.5, gt=0, le=10, allow_inf_nan=False, description="falls to 0 along the way")
    word_ngrams: int = Field(2, ge=1, le=16, description="words in the longest n-gram of words")
    min_ngram: int = Field(0, ge=0, le=64, description="characters in the shortest n-gram of characters")
    max_ngram: int = Field(0, ge=0, le=64, description="characters in the longest n-gram of characters; 0: none")
    num_buckets: int = Field(1 << 18, ge=1, le=1 << 30, description="vectors that n-grams share by hash")
    min_count: int = Field(1, ge=1, description="a word seen less often is not known")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="draws texts and initial vectors")

    @model_validator(mode="after")
    def _not_taken(self) -> Self:
        if self.name == "language":
            raise ValueError("a classifier cannot be called language, whose score is the language identifier's")
        if self.max_ngram and not 1 <= self.min_ngram <= self.max_ngram:
            raise ValueError(f"min_ngram {self.min_ngram} should lie between 1 and max_ngram {self.max_ngram}")
        return self


def fit_classifier(settings: ClassifierSettings, positives: Texts, negatives: Texts, target: Path) -> tuple[Output, dict[str, Any]]:
    """Train a classifier, publish it as `target` and measure it on the held-out share.

    Returns the file and its figures (see `figures`), with the number of texts read and used on both sides. Raises InputError where
    a side has too few texts of its own or training diverges, EnvironmentProblem where fasttext-wheel is missing.
    """
    sides = _sides(settings, positives, negatives)
    ids = np.concatenate([side.ids for side in sides])
    texts = pa.concat_arrays([side.texts for side in sides])
    wanted = np.repeat([True, False], [len(side.texts) for side in sides])
    held_out = fractions(settings.seed, f"classifier/{settings.name}/held_out", ids) < settings.held_out_fraction
    _check(settings, wanted, held_out)
    order = np.argsort(draw(settings.seed, f"classifier/{settings.name}/order", ids), kind="stable")
    order = order[~held_out[order]]
    output = _train(settings, texts, wanted, order, target)
    counts = {
        name: {
            "read": side.num_read,
            "on both sides": side.num_on_both_sides,
            "repeated": side.num_repeated,
            "training": int((~held_out[wanted == positive]).sum()),
            "held out": int(held_out[wanted == positive].sum()),
        }
        for name, side, positive in zip(("positives", "negatives"), sides, (True, False), strict=True)
    }
    return output, counts | figures(target, texts.filter(pa.array(held_out)), wanted[held_out], settings.max_characters, POSITIVE)


def num_epochs(num_texts: int) -> int:
    """Passes that show 20,000 texts, but 5 (fastText's own number) to 25: with 5, 400 plays and laws were told apart with a recall of 0.03."""
    return min(25, max(5, math.ceil(20_000 / num_texts)))


def _sides(settings: ClassifierSettings, positives: Texts, negatives: Texts) -> list[Sample]:
    """Both samples without what they share, the larger one cut if they shall be balanced."""
    purpose = f"classifier/{settings.name}/documents"
    drawn = [sample(texts(), settings.max_documents, settings.max_characters, settings.seed, purpose) for texts in (positives, negatives)]
    apart = [without(drawn[0], drawn[1], negatives), without(drawn[1], drawn[0], positives)]
    if settings.balance:
        apart = [side.first(min(len(side.texts) for side in apart)) for side in apart]
    return apart


def _check(settings: ClassifierSettings, wanted: NDArray[np.bool_], held_out: NDArray[np.bool_]) -> None:
    """Both sides must teach, and both must measure."""
    for name, side in (("positives", wanted), ("negatives", ~wanted)):
        if not (held_out & side).any() or not (~held_out & side).any():
            raise InputError(
                f"classifier {settings.name!r}: of its {name}, {int((~held_out & side).sum())} texts are left to train with and {int((held_out & side).sum())}"
                " to measure it by, after copies and texts that stand on both sides were left out; give it more, or another held_out_fraction"
            )


def _train(settings: ClassifierSettings, texts: pa.LargeStringArray, wanted: NDArray[np.bool_], order: NDArray[np.int64], target: Path) -> Output:
    try:
        import fasttext_pybind  # type: ignore[import-not-found]
    except ImportError as error:
        raise EnvironmentProblem(
            f"classifier {settings.name!r} needs the package fasttext-wheel to be trained, which cannot be imported; install it"
        ) from error
    given = fasttext_pybind.args()
    chosen = {
        "model": fasttext_pybind.model_name.supervised,
        "loss": fasttext_pybind.loss_name.softmax,
        "dim": settings.dimensions,
        "epoch": settings.epochs or num_epochs(len(order)),
        "lr": settings.learning_rate,
        "wordNgrams": settings.word_ngrams,
        "minn": settings.min_ngram,
        "maxn": settings.max_ngram,
        "bucket": settings.num_buckets if settings.word_ngrams > 1 or settings.max_ngram else 0,
        "minCount": settings.min_count,
        "seed": settings.seed,
        "thread": 1,
        "verbose": 0,
    }
    for name, value in chosen.items():
        setattr(given, name, value)
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines.txt"
        _write_lines(lines, texts, wanted, order)
        given.input = str(lines)
        model = fasttext_pybind.fasttext()
        try:
            fasttext_pybind.train(model, given)
        except RuntimeError as error:
            raise InputError(f"classifier {settings.name!r}: training failed ({error}); lower its learning_rate of {settings.learning_rate}") from error
        return publish(target, lambda attempt: model.saveModel(str(attempt)))


def _write_lines(path: Path, texts: pa.LargeStringArray, wanted: NDArray[np.bool_], order: NDArray[np.int64]) -> None:
    """One text a line behind its label, in the given order. Words that fastText would take for a label or for the end of the line are
    left out, as they are in prediction."""
    text = pa.large_string()
    with path.open("wb") as file:
        for start in range(0, len(order), _LINES_AT_A_TIME):
            rows = order[start : start + _LINES_AT_A_TIME]
            lines = pc.replace_substring(texts.take(pa.array(rows)), "\n", " ")
            lines = pc.replace_substring_regex(lines, rf"(?s)(^|{_SPACE})</s>({_SPACE}.*|$)", r"\1")
            lines = pc.replace_substring_regex(lines, rf"(^|{_SPACE}){_PREFIX}[^\x00\t-\r ]*", r"\1")
            labels = pc.if_else(pa.array(wanted[rows]), pa.scalar(f"{_PREFIX}{POSITIVE} ", text), pa.scalar(f"{_PREFIX}{NEGATIVE} ", text))
            whole = pc.binary_join_element_wise(labels, lines, pa.scalar("\n", text), pa.scalar("", text))
            data, offsets = text_buffers(whole)
            file.write(memoryview(data[offsets[0] : offsets[-1]]))  # type: ignore[arg-type]  # numpy arrays give their buffer
