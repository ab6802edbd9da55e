"""Duplicates among texts in memory: the run's own index and linking, without a run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from curate.dedup.duplicates import Indexes, Policy, find_duplicates
from curate.dedup.exact import exact_run
from curate.dedup.index import EXACT_RUN, NEAR_RUN, merge
from curate.dedup.near import NearSettings, near_run
from curate.dedup.numbering import number_parts
from curate.dedup.shingles import Shingles
from curate.dedup.signatures import Signatures
from curate.documents import as_text
from curate.errors import RecipeError
from curate.measures import identity, signature
from curate.measures.shingles import measure_with_signatures
from curate.measures.signature import checked


def deduplicate(
    texts: Sequence[str] | pa.Array | pa.ChunkedArray, settings: NearSettings | None = None, *, representative: Policy = "longest", **options: Any
) -> pa.Table:
    """Find exact and near-duplicates. One row a text, in its order: cluster and representative (uint32 positions in `texts`), keep (bool).

    Pass a NearSettings or its fields as keywords (min_similarity=0.8, bands=20, …). A cluster's number is its first
    text; `representative` says which text of a cluster is kept. Raises RecipeError for unknown or impossible options,
    ValueError for a null text. Holds all signatures in memory: 448 bytes a text with the defaults; with
    verify="shingles", which decides by the shingles themselves where signatures leave it open, 4 bytes a word besides.
    """
    if settings is not None and options:
        raise RecipeError(f"settings were given both as an object and as keywords ({', '.join(sorted(options))}); give one of the two")
    if representative not in ("longest", "earliest"):
        raise RecipeError(f"representative is {representative!r}; it can be 'longest' or 'earliest'")
    settings = settings or checked(NearSettings, options)
    column = as_text(texts)
    named = identity.measure(column, identity.Settings())
    exactly = settings.verify == "shingles"
    signed, kept_hashes = measure_with_signatures(column, settings.signature) if exactly else (signature.measure(column, settings.signature), None)
    indexes = Indexes(
        exact=[merge(EXACT_RUN, {0: exact_run(named)}, 0, 1)],
        near=[merge(NEAR_RUN, {0: near_run(signed, settings)}, 0, 1)],
        signatures=Signatures([signed], settings.num_perm),
        shingles=Shingles([kept_hashes]) if kept_hashes is not None else None,
    )
    everything = np.ones(len(column), bool)
    found = find_duplicates(indexes, number_parts([(0, len(column))]), everything, named["num_characters"].to_numpy(), settings, representative)
    kept = ~(found.exact_duplicate | found.near_duplicate)
    return pa.table({"cluster": found.cluster, "representative": found.representative, "keep": kept})
