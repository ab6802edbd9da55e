"""Rehydration: a kept document stands in the training rows as often as a step function of its cluster's size says.

Much copied text is often good text: repeating the one kept copy a few times gave better models than either keeping it once
or leaving all copies in. Source: FineWeb-2 (Penedo et al. 2025; repository huggingface/fineweb-2), whose weights are 1, 2, 3 copies for clusters
of as many documents, 5 from 5 documents on, 8 from 100, and 1 from 1,000, where clusters are mostly boilerplate.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from curate.ledger.verdicts import KEPT, Verdicts


class Step(BaseModel):
    """From a cluster of so many documents on, so many copies."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    min_size: int = Field(ge=1, description="Documents in the cluster, the kept one and its copies included.")
    copies: int = Field(ge=1, le=100, description="How often the kept document stands in the training rows.")


def copies(verdicts: Verdicts, steps: Sequence[Step], num_earlier: int = 0) -> NDArray[np.uint16]:
    """How often each document stands in the training rows: uint16 (n,), 0 for those that are not kept.

    steps: by ascending min_size; a cluster below the first has one copy. Documents of earlier runs (the first num_earlier)
    are neither counted nor repeated.
    """
    kept = np.flatnonzero(verdicts.reasons == KEPT)
    kept = kept[kept >= num_earlier]
    sizes = np.bincount(verdicts.clusters[num_earlier:], minlength=len(verdicts.clusters))[verdicts.clusters[kept]]
    of_step = np.array([1, *(step.copies for step in steps)], np.uint16)
    found = np.zeros(len(verdicts.reasons), np.uint16)
    found[kept] = of_step[np.searchsorted([step.min_size for step in steps], sizes, "right")]
    return found
