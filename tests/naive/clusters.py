"""Candidate pairs, components and representatives, by their definitions (the plain twin of curate.dedup)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations


def candidate_pairs(signatures: Sequence[Sequence[int]], bands: int, rows: int) -> set[tuple[int, int]]:
    """Pairs of documents that agree in all values of some band."""
    buckets = defaultdict(list)
    for document, signature in enumerate(signatures):
        for band in range(bands):
            buckets[band, tuple(signature[band * rows : (band + 1) * rows])].append(document)
    return {pair for bucket in buckets.values() for pair in combinations(bucket, 2)}


def num_equal(first: Sequence[int], second: Sequence[int]) -> int:
    """In how many places two signatures agree."""
    return sum(one == other for one, other in zip(first, second, strict=True))


def components(num_documents: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Each document's smallest fellow in its connected component."""
    neighbours = defaultdict(set)
    for first, second in pairs:
        neighbours[first].add(second)
        neighbours[second].add(first)
    roots = [-1] * num_documents
    for start in range(num_documents):
        waiting = [start] if roots[start] < 0 else []
        while waiting:
            document = waiting.pop()
            if roots[document] < 0:
                roots[document] = start
                waiting += neighbours[document]
    return roots


def representatives(clusters: Sequence[int], eligible: Sequence[bool], num_characters: Sequence[int], policy: str) -> list[int]:
    """The eligible member of each document's cluster that stays; itself where there is none."""
    chosen = []
    for document, cluster in enumerate(clusters):
        members = [other for other, its in enumerate(clusters) if its == cluster and eligible[other]]
        best = min(members, key=lambda other: (-num_characters[other] if policy == "longest" else 0, other), default=document)
        chosen.append(best)
    return chosen
