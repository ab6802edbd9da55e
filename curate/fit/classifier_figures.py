"""How good a classifier is, on texts it was not trained with."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.fit.fasttext_model import read_model

EVEN_SCORE = 0.5
NUM_TENTHS = 10


def figures(model: Path, texts: pa.LargeStringArray, wanted: NDArray[np.bool_], max_characters: int, label: str) -> dict[str, Any]:
    """Held-out precision, recall and ROC AUC, and the calibration table, as plain values.

    wanted: (n,), which texts are positive. precision, recall: of calling a text positive where it scores EVEN_SCORE or more (null
    where nothing is called so). calibration: by tenth of the score, how many texts lie in it, how many of them are
    positive and their mean score; of a calibrated classifier mean score and share of positives agree. All of it holds for the mix of
    positives and negatives that was given.
    """
    _, scores = read_model(model).predict(texts, max_characters, label)
    scores = np.minimum(scores, np.float32(1))
    called = scores >= EVEN_SCORE
    right = int((called & wanted).sum())
    tenths = np.minimum((scores.astype(np.float64) * NUM_TENTHS).astype(np.int64), NUM_TENTHS - 1)
    return {
        "precision": right / int(called.sum()) if called.any() else None,
        "recall": right / int(wanted.sum()),
        "roc_auc": roc_auc(scores, wanted),
        "calibration": [_tenth(number, scores[tenths == number], wanted[tenths == number]) for number in range(NUM_TENTHS)],
    }


def roc_auc(scores: NDArray[np.float32], wanted: NDArray[np.bool_]) -> float:
    """How often a positive scores higher than a negative, ties counted half (Hanley and McNeil 1982): one division of integers.

    Both kinds must be there.
    """
    values, place = np.unique(scores, return_inverse=True)
    positives, negatives = (np.bincount(place[kind], minlength=len(values)) for kind in (wanted, ~wanted))
    below = np.concatenate(([0], np.cumsum(negatives)[:-1]))
    twice = sum(int(number) * (2 * int(under) + int(equal)) for number, under, equal in zip(positives, below, negatives, strict=True))
    return twice / (2 * int(positives.sum()) * int(negatives.sum()))


def _tenth(number: int, scores: NDArray[np.float32], wanted: NDArray[np.bool_]) -> dict[str, Any]:
    mean = math.fsum(scores.tolist()) / len(scores) if len(scores) else None
    return {"from": number / NUM_TENTHS, "texts": len(scores), "positives": int(wanted.sum()), "mean_score": mean}
