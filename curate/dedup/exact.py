"""Exact duplicates: documents with the same content id (xxh3-128 of the text)."""

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


def exact_run(measured: pa.Table) -> pa.Table:
    """The run of one part's identity measure: one entry a document."""
    words = content_words(measured["content_id"].combine_chunks())
    return sorted_run(words, np.arange(len(words), dtype=np.uint32), EXACT_RUN)


def write_exact_run(measure: Path, run: Path) -> Output:
    """`exact_run` from a file of the identity measure to a file of the index."""
    return write_run(run, exact_run(read_table(measure, ["content_id"])))


def link_exact(buckets: Iterable[pa.Table], numbering: Numbering, included: NDArray[np.bool_], parents: NDArray[np.uint32]) -> int:
    """Link the exact duplicates among included documents, in `parents`; returns the number of links. buckets: the tables of the exact index."""
    num_links = 0
    for table in buckets:
        members, bounds = bucket_members(table, numbering, included)
        num_links += int(kernel.link_all(parents, members, bounds))
    return num_links
