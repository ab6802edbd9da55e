"""Recall and precision of near-duplicates against brute-force Jaccard, beside what the match curve says.

    python -m tests.bench.bench_truth [--data DIR]... [--documents 4000] [--threshold 0.7] [--whole]

DIR: a folder with corpus.jsonl (a column `text`), or with articles_1000.train and .truth, us-bill-versions.tar.gz and
onestopenglish-texts.tar.gz; without any, the documents of the tests. Truth is the Jaccard similarity of our own shingle
hashes, of every pair that shares a shingle. The first table bins pairs by it: how many the index and the check link, how many the
curve expects, and whether that lies within the binomial interval of the finding. (Pairs of one family share
shingles, so they are not independent draws; the interval is the one for independent pairs, at 99.9%.)

`--whole` clusters all of corpus.jsonl by exact Jaccard and by us, same representatives: a wrong removal is a document that
we remove and exact clusters keep, a missed one the reverse, as a share of the exact removals and of all documents; the limit is 2%.

Measured on 26,648 documents at 0.7 (5,465 exact removals), 112 values, wrong / missed; linking takes 0.1 to 0.7 s:

    verify: signature   14 x 8   174 / 210    12 x 9   137 / 308    18 x 6   229 / 128    28 x 4   235 / 117
    verify: shingles    14 x 8     0 / 152    18 x 6     0 / 26     22 x 5     0 / 1      28 x 4     0 / 0

An estimate from n values has the standard deviation (0.7 x 0.3 / n)**0.5: 0.043 for 112, 0.020 for 512. Between 0.65 and 0.75 lie
over 5,500 pairs of this corpus, so whoever decides by 112 values alone misjudges some of them, however many candidates are
compared (512 values in 64 bands of 8: 109 / 67), and more bands only turn missed removals into wrong ones. Shingles decide these
pairs exactly, some 10,000 of them; what is left is what no band made a candidate.
"""

import argparse
import json
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

import curate
from curate.dedup.index import NEAR_RUN, merge
from curate.dedup.near import NearSettings, link_curve, near_run
from curate.documents import as_text
from curate.measures import signature
from tests.corpus import documents

Verify = Literal["signature", "shingles"]
BINS = np.round(np.arange(0.3, 1.0001, 0.05), 2)
DEVIATIONS = 3.29  # 99.9% of a normal distribution
LIMIT = 0.02
WHOLE: tuple[tuple[int, int, Verify], ...] = ((14, 8, "signature"), (14, 8, "shingles"), (22, 5, "shingles"), (28, 4, "shingles"))
_TAG = re.compile(r"<[^>]*>")


class Collection(NamedTuple):
    """Texts, and pairs of them that someone labelled as copies or as versions of one text."""

    name: str
    texts: list[str]
    known: list[tuple[int, int]]


class Truth(NamedTuple):
    """Every pair of at least some similarity: first < second, int64 (pairs,), and their Jaccard similarity."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    jaccard: NDArray[np.float64]


def collections(folder: Path | None, num_documents: int | None) -> Iterator[Collection]:
    """What a folder holds."""
    if folder is None:
        yield Collection("the tests' documents", list(documents()), [])
        return
    if (corpus := folder / "corpus.jsonl").exists():
        with corpus.open(encoding="utf8") as lines:
            texts = [json.loads(line)["text"] for line, _ in zip(lines, range(num_documents or 1 << 40), strict=False)]
        yield Collection(f"{corpus.name}, the first {len(texts)}", texts, [])
    if (articles := folder / "articles_1000.train").exists():
        rows = dict(line.split(" ", 1) for line in articles.read_text("utf8").splitlines())
        place = {name: number for number, name in enumerate(rows)}
        pairs = [line.split() for line in (folder / "articles_1000.truth").read_text("utf8").splitlines()]
        yield Collection("articles_1000", list(rows.values()), [(place[first], place[second]) for first, second in pairs])
    for name, family in (("us-bill-versions", _bill), ("onestopenglish-texts", _article)):
        if (archive := folder / f"{name}.tar.gz").exists():
            yield _of_archive(name, archive, family)


def truth_of(texts: list[str], least: float) -> Truth:
    """All pairs of Jaccard similarity of at least `least`, by the sets of our shingle hashes; nothing is estimated."""
    sets = [np.unique(curate.shingle_hashes(text)) for text in texts]
    sizes = np.array([len(one) for one in sets])
    flat, owners = np.concatenate([np.zeros(0, np.uint32), *sets]), np.repeat(np.arange(len(sets)), sizes)
    _, columns, counts = np.unique(flat, return_inverse=True, return_counts=True)
    order = np.lexsort((counts[columns], owners))  # each set's rarest shingles first
    starts = np.concatenate([[0], np.cumsum(sizes)])
    place = np.arange(len(flat)) - starts[owners]
    # A pair of Jaccard j shares one of the |x| - ceil(j |x|) + 1 rarest shingles of either (prefix filter, Chaudhuri et al. 2006).
    rare = order[place < (sizes - np.ceil(least * sizes) + 1)[owners]]
    shape = (len(sets), int(columns.max(initial=-1)) + 1)
    prefixes = csr_matrix((np.ones(len(rare), np.int32), (owners[rare], columns[rare])), shape)
    whole = csr_matrix((np.ones(len(flat), np.int32), (owners, columns)), shape)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    for start in range(0, len(sets), 1000):
        near = (prefixes[start : start + 1000] @ prefixes.T).tocoo()
        first, second = near.row.astype(np.int64) + start, near.col.astype(np.int64)
        first, second = first[first < second], second[first < second]
        for piece in range(0, len(first), 20_000):
            one, other = first[piece : piece + 20_000], second[piece : piece + 20_000]
            shared = np.asarray(whole[one].multiply(whole[other]).sum(axis=1)).ravel()
            jaccard = shared / (sizes[one] + sizes[other] - shared)
            enough = jaccard >= least
            found.append((one[enough], other[enough], jaccard[enough]))
    return Truth(*(np.concatenate([piece[column] for piece in found]) if found else np.zeros(0, np.int64) for column in range(3)))


def linked_pairs(texts: list[str], settings: NearSettings) -> set[tuple[int, int]]:
    """The pairs that our index makes candidates and our check passes."""
    table = signature.measure(as_text(texts), settings.signature)
    buckets = merge(NEAR_RUN, {0: near_run(table, settings)}, 0, 1)
    keys, rows = buckets["key"].to_numpy(), buckets["row"].to_numpy().astype(np.int64)
    values = table["signature"].combine_chunks().flatten().to_numpy().reshape(-1, settings.num_perm)
    bounds = np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1, [len(keys)]])
    pairs: set[tuple[int, int]] = set()
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        members = np.sort(rows[start:end])
        for place, one in enumerate(members[:-1]):
            equal = (values[members[place + 1 :]] == values[one]).sum(axis=1)
            pairs.update((int(one), int(other)) for other in members[place + 1 :][equal >= (settings.min_equal or 0)])
    return pairs


def compare(collection: Collection, threshold: float) -> None:
    """Print the table of one collection."""
    settings = NearSettings(min_similarity=threshold)
    truth, found = truth_of(collection.texts, float(BINS[0])), linked_pairs(collection.texts, settings)
    linked = np.array([(one, other) in found for one, other in zip(truth.first.tolist(), truth.second.tolist(), strict=True)], bool)
    curve = dict(link_curve(settings, np.unique(truth.jaccard.round(4)).tolist()))
    expected = np.array([curve[one] for one in truth.jaccard.round(4).tolist()])
    print(f"\n{collection.name}: {len(collection.texts)} documents, {len(truth.jaccard)} pairs of Jaccard {BINS[0]} or more, {len(found)} linked")
    print("  Jaccard         pairs   linked  expected    share  expected   agree")
    for low, high in zip(BINS, [*BINS[1:], 1.01], strict=True):
        here = (truth.jaccard >= low) & (truth.jaccard < high)
        if number := int(here.sum()):
            got, should = int(linked[here].sum()), float(expected[here].sum())
            margin = DEVIATIONS * float((expected[here] * (1 - expected[here])).sum()) ** 0.5 + 1
            print(
                f"  {low:.2f} – {min(high, 1):.2f} {number:10d} {got:8d} {should:9.1f} {got / number:8.3f} {should / number:9.3f}   "
                f"{'yes' if abs(got - should) <= margin else 'NO'} (± {margin:.1f})"
            )
    similar = truth.jaccard >= threshold
    right, meant = int((linked & similar).sum()), int(similar.sum())
    below = len(found) - right
    print(f"  at {threshold}: recall {right} of {meant} ({right / max(1, meant):.3f}; the curve says {expected[similar].sum() / max(1, meant):.3f}), ", end="")
    print(f"precision {right} of {len(found)} ({right / max(1, len(found)):.3f}); the {below} others have Jaccard {_least(truth, linked, similar)} or more")
    if collection.known:
        print(f"  of {len(collection.known)} labelled pairs {sum(tuple(sorted(pair)) in found for pair in collection.known)} are linked")


def compare_whole(collection: Collection, threshold: float) -> None:
    """Print wrong and missed removals against exact clusters."""
    texts = collection.texts
    truth = truth_of(texts, threshold)
    first_of: dict[str, int] = {}
    same = [(first_of.setdefault(text, number), number) for number, text in enumerate(texts)]
    edges = np.concatenate([np.stack([truth.first, truth.second], axis=1), np.array(same, np.int64)])
    _, clusters = connected_components(csr_matrix((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), (len(texts), len(texts))), directed=False)
    lengths = np.array([len(text) for text in texts])
    order = np.lexsort((np.arange(len(texts)), -lengths, clusters))
    kept = np.zeros(len(texts), bool)
    kept[order[np.unique(clusters[order], return_index=True)[1]]] = True
    column, removed = pa.array(texts), int((~kept).sum())
    print(f"\nwhole corpus at {threshold}: exact clusters keep {kept.sum()} of {len(texts)}, {removed} exact removals")
    for bands, rows, verify in WHOLE:
        settings = NearSettings(min_similarity=threshold, bands=bands, rows=rows, verify=verify)
        curate.deduplicate(column[:10], settings)
        start = time.perf_counter()
        ours = curate.deduplicate(column, settings)["keep"].to_numpy()
        print(f"  verify: {verify:9} {bands} x {rows}  we keep {ours.sum()}, in {time.perf_counter() - start:.1f} s from texts to verdicts")
        for name, number in (("wrong", int((kept & ~ours).sum())), ("missed", int((~kept & ours).sum()))):
            shares = [(number / max(1, whole), of) for whole, of in ((removed, "the exact removals"), (len(texts), "all documents"))]
            told = "; ".join(f"{share:.2%} of {of}, {'within' if share <= LIMIT else 'OVER'} {LIMIT:.0%}" for share, of in shares)
            print(f"    {name:7} {number:5d}  {told}")


def _least(truth: Truth, linked: NDArray[np.bool_], similar: NDArray[np.bool_]) -> str:
    others = truth.jaccard[linked & ~similar]
    return f"{others.min():.2f}" if len(others) else "–"


def _of_archive(name: str, archive: Path, family: Callable[[str], str]) -> Collection:
    texts, families = [], []
    with tarfile.open(archive) as members:
        for member in members:
            if (file := members.extractfile(member)) is not None:
                text = file.read().decode("utf8", errors="replace")
                texts.append(unescape(_TAG.sub(" ", text)) if member.name.lower().endswith(".xml") else text)
                families.append(family(member.name))
    pairs = [(one, other) for one in range(len(texts)) for other in range(one + 1, len(texts)) if families[one] == families[other]]
    return Collection(name, texts, pairs)


def _bill(name: str) -> str:
    return Path(name).stem.split("_")[0].lower()


def _article(name: str) -> str:
    return re.sub(r"-(adv|int|ele).*$", "", Path(name).name).lower()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append")
    parser.add_argument("--documents", type=int, default=4000)
    parser.add_argument("--threshold", type=float, default=0.7)
    parser.add_argument("--whole", action="store_true")
    given = parser.parse_args()
    for folder in given.data or [None]:
        for collection in collections(folder, given.documents):
            compare(collection, given.threshold)
        if given.whole:
            for collection in collections(folder, None):
                if collection.name.startswith("corpus.jsonl"):
                    compare_whole(collection, given.threshold)


if __name__ == "__main__":
    main()
