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


def representatives(clusters: Sequence[int], eligible: Sequence[bool], keys: Sequence[Sequence[int]]) -> list[int]:
    """The eligible member of each document's cluster that stays, by the largest keys, then the first; itself where there is none."""
    chosen = []
    for document, cluster in enumerate(clusters):
        members = [other for other, its in enumerate(clusters) if its == cluster and eligible[other]]
        best = min(members, key=lambda other: ([-key[other] for key in keys], other), default=document)
        chosen.append(best)
    return chosen


def longest_path(num_documents: int, pairs: Iterable[tuple[int, int]]) -> int:
    """The most links on a shortest path between two connected documents, by letting every path grow (Floyd 1962, Warshall 1962)."""
    far = num_documents + 1
    steps = [[0 if one == other else far for other in range(num_documents)] for one in range(num_documents)]
    for first, second in pairs:
        if first != second:
            steps[first][second] = steps[second][first] = 1
    for between in range(num_documents):
        for one in range(num_documents):
            for other in range(num_documents):
                steps[one][other] = min(steps[one][other], steps[one][between] + steps[between][other])
    return max((step for row in steps for step in row if step < far), default=0)
