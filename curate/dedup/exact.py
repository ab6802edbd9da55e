"""Exact duplicates: documents with the same content id (xxh3-128 of the text), or that had the same one before they were edited."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.dedup.index import EXACT_RUN, bucket_members, sorted_run, write_run
from curate.dedup.numbering import Numbering
from curate.documents import content_words
from curate.kernels import buckets as kernel
from curate.storage import Output, read_table


def exact_run(measured: pa.Table, edited: pa.Table | None = None) -> pa.Table:
    """The run of one part's identity measure: one entry a document. With the family `edits`, an edited document has a second one by its
    text before: it is a copy of whatever had the same text and was left unedited, held-out documents first of all."""
    words = content_words(measured["content_id"].combine_chunks())
    rows = np.arange(len(words), dtype=np.uint32)
    if edited is not None:
        before = content_words(edited["original_id"].combine_chunks())
        others = np.flatnonzero((before != words).any(axis=1))
        rows = np.concatenate([rows, others.astype(np.uint32)])
        order = np.argsort(rows, kind="stable")
        words, rows = np.concatenate([words, before[others]])[order], rows[order]
    return sorted_run(words, rows, EXACT_RUN)


def write_exact_run(measure: Path, run: Path, edits: Path | None = None) -> Output:
    """`exact_run` from a file of the identity measure, and one of the family `edits` where there is one, to a file of the index."""
    return write_run(run, exact_run(read_table(measure, ["content_id"]), read_table(edits, ["original_id"]) if edits else None))


def link_exact(buckets: Iterable[pa.Table], numbering: Numbering, included: NDArray[np.bool_], parents: NDArray[np.uint32]) -> int:
    """Link the exact duplicates among included documents, in `parents`; returns the number of links. buckets: the tables of the exact index."""
    num_links = 0
    for table in buckets:
        members, bounds = bucket_members(table, numbering, included)
        num_links += int(kernel.link_all(parents, members, bounds))
    return num_links
