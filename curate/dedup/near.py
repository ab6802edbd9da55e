"""Near-duplicates: MinHash signatures cut into bands (locality-sensitive hashing).

Documents that share all values of a band are candidates; a candidate pair counts if the share of equal values of the
whole signatures reaches `min_similarity`, or, with `verify: shingles`, if the Jaccard similarity of the shingles themselves
does, which is counted wherever the signatures leave it open. Clusters are the connected components of such pairs.
Sources: Broder (1997), "On the resemblance and containment of documents"; Leskovec, Rajaraman and Ullman, "Mining of
Massive Datasets", section 3.4. The default bands and rows are FineWeb's (Penedo et al. 2024).
"""

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from math import ceil, lgamma, log, log1p
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from curate.dedup.banding import optimal_banding
from curate.dedup.borderline import Borderline
from curate.dedup.index import NEAR_RUN, bucket_members, sorted_run, write_run
from curate.dedup.numbering import Numbering
from curate.dedup.shingles import Shingles
from curate.dedup.signatures import Signatures, signature_pieces
from curate.dedup.verify import Check, Checked, link_checked
from curate.kernels import buckets as kernel
from curate.kernels import minhash
from curate.measures import signature
from curate.storage import Output, read_table

EXACT_WEIGHTS = (0.02, 0.98)  # of needless and of missed candidates, where needless ones cost time only: 22 bands of 5 rows for 0.7
SIMILARITIES = tuple(step / 20 for step in range(6, 21))
MAX_MISJUDGED = 0.00023  # of pairs at the limit, on either side: 3.5 standard deviations of a normal distribution
_MAX_DENOMINATOR = 10**9  # times the shingles of two documents it stays below 2**63


class NearSettings(BaseModel):
    """What counts as a near-duplicate."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    threshold: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Similarity to find from: chooses bands and rows as datasketch does, and min_similarity; what is given itself wins.",
    )
    num_perm: int = Field(default=112, ge=1, le=4096, description="Values in a signature; at least bands x rows.")
    bands: int = Field(default=14, ge=1, le=4096, description="Bands of a signature; more bands find more candidates.")
    rows: int = Field(default=8, ge=1, le=4096, description="Values in a band; more rows make candidates rarer and more alike.")
    shingle_words: int = Field(default=5, ge=1, le=minhash.MAX_SHINGLE_WORDS, description="Consecutive words in a shingle.")
    seed: int = Field(default=1, ge=0, le=2**32 - 1, description="Which permutations.")
    min_similarity: float | None = Field(default=0.7, gt=0, le=1, description="Least similarity that links a pair; null links every candidate.")
    verify: Literal["signature", "shingles"] = Field(
        default="signature",
        description="What tells a pair's similarity: the share of equal values, or, near min_similarity, the shingles (on disk half the text's size).",
    )
    max_bucket: int = Field(default=1000, ge=1, description="Distinct signatures up to which all pairs of a bucket are compared.")

    @model_validator(mode="before")
    @classmethod
    def _follow_threshold(cls, given: Any) -> Any:
        """Let the threshold stand for what is not given. What is malformed is left for the fields to refuse."""
        if not isinstance(given, dict) or (threshold := given.get("threshold")) is None:
            return given
        num_perm = given.get("num_perm", cls.model_fields["num_perm"].default)
        numbers = (num_perm, given.get("bands", 1), given.get("rows", 1))
        if not (type(threshold) in (int, float) and 0 < threshold < 1 and all(type(number) is int and 1 <= number <= 4096 for number in numbers)):
            return given
        weights = EXACT_WEIGHTS if given.get("verify") == "shingles" else (0.5, 0.5)
        bands, rows = optimal_banding(float(threshold), num_perm, given.get("bands"), given.get("rows"), *weights)
        return {"min_similarity": threshold, **given, "bands": bands, "rows": rows}

    @model_validator(mode="after")
    def _bands_fit(self) -> Self:
        if self.bands * self.rows > self.num_perm:
            raise ValueError(f"{self.bands} bands of {self.rows} rows need {self.bands * self.rows} values, but num_perm is {self.num_perm}")
        return self

    @model_validator(mode="after")
    def _can_be_exact(self) -> Self:
        if self.verify == "shingles" and self.min_similarity is None:
            raise ValueError("verify: shingles counts the shingles of pairs near min_similarity, which is null; give it, or leave verify out")
        if self.verify == "shingles" and self.least.denominator > _MAX_DENOMINATOR:
            raise ValueError(f"verify: shingles compares whole numbers, and min_similarity {self.min_similarity!r} has too many decimals; give at most nine")
        return self

    @property
    def signature(self) -> signature.Settings:
        """The measure these settings need."""
        return signature.Settings(num_perm=self.num_perm, shingle_words=self.shingle_words, seed=self.seed)

    @property
    def families(self) -> tuple[str, ...]:
        """The measure families that finding near-duplicates reads."""
        return ("signature",) if self.verify == "signature" else ("signature", "shingles")

    @property
    def min_equal(self) -> int | None:
        """The least number of equal values that is a share of min_similarity, taken as the decimal number it was written as."""
        return None if self.min_similarity is None else ceil(self.least * self.num_perm)

    @property
    def least(self) -> Fraction:
        """min_similarity as the decimal number it was written as; 0 where it is null."""
        return Fraction(repr(self.min_similarity or 0))

    @property
    def limits(self) -> tuple[int, int]:
        """(least number of equal values that leaves a pair open, least number that links it by itself).

        With `verify: shingles` a pair of exactly min_similarity has fewer than the first, and one has the second or more, with a
        probability of at most MAX_MISJUDGED each. They are the same with `verify: signature`.
        """
        if self.verify == "signature":
            return self.min_equal or 0, self.min_equal or 0
        return _open_range(self.num_perm, float(self.least))


@lru_cache(maxsize=64)
def _open_range(num_perm: int, similarity: float) -> tuple[int, int]:
    """The limits that MAX_MISJUDGED of pairs of this similarity fall below, and reach, at most."""
    shares = _binomial(num_perm, similarity)
    lowest = int(np.searchsorted(np.cumsum(shares), MAX_MISJUDGED, "right"))
    return lowest, num_perm + 1 - int(np.searchsorted(np.cumsum(shares[::-1]), MAX_MISJUDGED, "right"))


class Linked(NamedTuple):
    """What linking looked at: buckets with two included documents or more, comparisons of signatures, buckets too
    large for all pairs (see `curate.dedup.verify`), and pairs whose shingles were counted (see `curate.dedup.borderline`)."""

    num_buckets: int
    num_comparisons: int
    num_giant_buckets: int
    num_counted: int = 0


def match_curve(settings: NearSettings, similarities: Iterable[float] = SIMILARITIES) -> list[tuple[float, float]]:
    """(s, probability that two documents of Jaccard similarity s become candidates): 1 - (1 - s**rows)**bands ("Mining of Massive Datasets", 3.4.2)."""
    return [(similarity, 1 - (1 - similarity**settings.rows) ** settings.bands) for similarity in similarities]


def link_curve(settings: NearSettings, similarities: Iterable[float] = SIMILARITIES) -> list[tuple[float, float]]:
    """(s, probability that two documents of Jaccard similarity s become candidates and pass the check).

    Each value of two signatures is equal with probability s, by itself (Broder 1997). Counted over the number of equal values: those
    that make no whole band are taken out.
    """
    return [(similarity, _linked(settings, similarity)) for similarity in similarities]


def _linked(settings: NearSettings, similarity: float) -> float:
    if similarity in (0, 1):
        return float(similarity)
    without = _binomial(settings.num_perm - settings.bands * settings.rows, similarity)
    for _ in range(settings.bands):
        without = np.convolve(without, _binomial(settings.rows, similarity)[:-1])
    least = settings.limits[0 if similarity >= float(settings.least) else 1]
    return round(max(0.0, float(_binomial(settings.num_perm, similarity)[least:].sum() - without[least:].sum())), 12)


def _binomial(values: int, similarity: float) -> NDArray[np.float64]:
    """How likely 0 to `values` equal values are, by logarithms: the coefficients leave float64 at 1,030 values."""
    if similarity == 1:
        return np.append(np.zeros(values), 1.0)
    logs = [lgamma(values + 1) - lgamma(k + 1) - lgamma(values - k + 1) + k * log(similarity) + (values - k) * log1p(-similarity) for k in range(values + 1)]
    return np.exp(logs)


def near_run(measured: pa.Table, settings: NearSettings) -> pa.Table:
    """The run of one part's signature measure: `bands` entries a document, none for one shorter than a shingle."""
    num_shingles = measured["num_shingles"].combine_chunks().to_numpy(zero_copy_only=True)
    keys, rows, start = [np.empty(0, np.uint64)], [np.empty(0, np.uint32)], 0
    for piece in signature_pieces(measured, settings.num_perm):
        here = np.flatnonzero(num_shingles[start : start + len(piece)])
        found = np.empty((len(here), settings.bands), np.uint64)
        kernel.band_keys(piece, here, settings.bands, settings.rows, found)
        keys.append(found.ravel())
        rows.append(np.repeat((here + start).astype(np.uint32), settings.bands))
        start += len(piece)
    return sorted_run(np.concatenate(keys)[:, None], np.concatenate(rows), NEAR_RUN)


def write_near_run(measure: Path, run: Path, settings: NearSettings) -> Output:
    """`near_run` from a file of the signature measure to a file of the index."""
    return write_run(run, near_run(read_table(measure), settings))


def link_near(
    buckets: Iterable[pa.Table],
    numbering: Numbering,
    signatures: Signatures,
    included: NDArray[np.bool_],
    settings: NearSettings,
    parents: NDArray[np.uint32],
    shingles: Shingles | None = None,
) -> Linked:
    """Link the near-duplicates among included documents, in `parents` (see `curate.kernels.union_find`).

    buckets: the bucket tables of the near index, one at a time; included: bool (documents,); shingles: needed with `verify: shingles`.
    Memory: one table, one batch of signatures, and one of borderline pairs.
    """
    num_buckets = num_comparisons = num_giant_buckets = 0
    lowest, min_equal = settings.limits
    if settings.verify == "shingles" and shingles is None:
        raise ValueError("verify: shingles decides by shingle hashes, and none were given")
    borderline = Borderline(shingles, settings.least, lowest) if shingles is not None and lowest < min_equal else None
    check = Check(min_equal, settings.max_bucket, borderline=borderline)
    for table in buckets:
        members, bounds = bucket_members(table, numbering, included)
        num_buckets += len(bounds) - 1
        if settings.min_similarity is None:
            kernel.link_all(parents, members, bounds)
            continue
        found: Checked = link_checked(parents, members, bounds, signatures, check)
        num_comparisons += found.num_comparisons
        num_giant_buckets += found.num_giant_buckets
    if borderline is not None:
        borderline.settle(parents)
    return Linked(num_buckets, num_comparisons, num_giant_buckets, borderline.num_counted if borderline is not None else 0)
