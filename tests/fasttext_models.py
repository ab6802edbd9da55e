"""Small fastText models, trained by the library itself, of every kind that its files can be of."""

import functools
import tempfile
from pathlib import Path
from typing import Any

import fasttext_pybind

from curate.fit.fasttext_model import FasttextModel, read_model
from tests.corpus import documents

KINDS: dict[str, dict[str, Any]] = {
    "words": {"dim": 6},
    "bigrams": {"dim": 5, "wordNgrams": 3, "bucket": 500},
    "characters": {"dim": 7, "minn": 1, "maxn": 4, "bucket": 700},
    "tree": {"dim": 8, "loss": fasttext_pybind.loss_name.hs, "minn": 2, "maxn": 3, "wordNgrams": 2, "bucket": 900},
    "each": {"dim": 6, "loss": fasttext_pybind.loss_name.ova},
    "sampled": {"dim": 6, "loss": fasttext_pybind.loss_name.ns, "neg": 3},
    "quantised": {"dim": 10, "minn": 2, "maxn": 3, "bucket": 3000, "quantize": {"cutoff": 900, "qnorm": True, "qout": False}},
    "quantised_tree": {
        "dim": 9,
        "loss": fasttext_pybind.loss_name.hs,
        "wordNgrams": 2,
        "bucket": 2000,
        "quantize": {"cutoff": 0, "qnorm": False, "qout": False},
    },
}
NUM_LABELS = 7


def train(path: Path, kind: str) -> Any:
    """Train a model on the test documents, save it, and give the library's object."""
    options = dict(KINDS[kind])
    quantize = options.pop("quantize", None)
    lines = path.with_suffix(".txt")
    texts = documents()[:210]
    lines.write_text("".join(f"__label__{'é' * (k % NUM_LABELS)}l{k % NUM_LABELS} {' '.join(text.split())[:300]}\n" for k, text in enumerate(texts)), "utf-8")
    given = fasttext_pybind.args()
    chosen = {"model": fasttext_pybind.model_name.supervised, "loss": fasttext_pybind.loss_name.softmax, "minn": 0, "maxn": 0, "bucket": 0, "minCount": 1}
    chosen |= {"input": str(lines), "thread": 1, "verbose": 0, "lr": 0.3, "epoch": 3, **options}
    for name, value in chosen.items():
        setattr(given, name, value)
    model = fasttext_pybind.fasttext()
    fasttext_pybind.train(model, given)
    if quantize:
        model.quantize(str(lines), quantize["qout"], quantize["cutoff"], False, 1, 0.1, 1, 0, 2, quantize["qnorm"])
    model.saveModel(str(path))
    return model


@functools.cache
def trained(kind: str) -> tuple[bytes, Any, FasttextModel]:
    """A model's file, the library's object and ours."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.bin"
        library = train(path, kind)
        return path.read_bytes(), library, read_model(path)


def library_answer(library: Any, text: str) -> tuple[float, str] | None:
    """The library's best label and its probability for a text of any lines."""
    found = library.predict(text.replace("\n", " ") + "\n", 1, 0.0, "strict")
    return (found[0][0], found[0][1].removeprefix("__label__")) if found else None
