from pathlib import Path

import numpy as np
import pytest

from curate.dedup.duplicates import Duplicates, Indexes, find_duplicates
from curate.dedup.exact import write_exact_run
from curate.dedup.index import EXACT_RUN, NEAR_RUN, write_buckets
from curate.dedup.near import NearSettings, write_near_run
from curate.dedup.numbering import number_parts
from curate.dedup.signatures import Signatures
from curate.documents import as_text
from curate.measures import identity, signature
from curate.storage import count_rows, read_table, write_table
from tests.corpus import documents

LONG = " ".join(f"word{i}" for i in range(200))
TEXTS = {
    0xB: [LONG, "same", "other", f"{LONG} more", ""],
    0xA: ["same", f"{LONG} even more", "lonely document of a few more words", "", f"{LONG} more"],
}
NUMBER = {name: number for number, name in enumerate(["long", "same", "other", "more", "empty", "same 2", "even more", "lonely", "empty 2", "more 2"])}


def test_names_and_texts_agree() -> None:
    assert len(NUMBER) == sum(map(len, TEXTS.values()))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The measures and the index of TEXTS, by way of files."""
    folder = tmp_path_factory.mktemp("run")
    return indexed(folder, TEXTS, 2)


def indexed(folder: Path, parts: dict[int, list[str]], total_ranges: int) -> Path:
    for part, texts in parts.items():
        column = as_text(texts)
        write_table(folder / f"identity-{part}", identity.measure(column, identity.Settings()))
        write_table(folder / f"signature-{part}", signature.measure(column, signature.Settings()), compression=None)
        write_exact_run(folder / f"identity-{part}", folder / f"exact-run-{part}")
        write_near_run(folder / f"signature-{part}", folder / f"near-run-{part}", NearSettings())
    for kind, schema in (("exact", EXACT_RUN), ("near", NEAR_RUN)):
        runs = {part: folder / f"{kind}-run-{part}" for part in parts}
        assert sum(map(count_rows, runs.values())) > 0
        for index in range(total_ranges):
            write_buckets(folder / f"{kind}-{index}", schema, runs, index, total_ranges)
    return folder


def find(folder: Path, parts: dict[int, list[str]], included: np.ndarray | None = None, **options: object) -> Duplicates:
    numbering = number_parts([(part, len(texts)) for part, texts in parts.items()])
    lengths = [read_table(folder / f"identity-{part}")["num_characters"].to_numpy() for part in parts]
    exact, near = ([read_table(folder / f"{kind}-{index}") for index in range(2)] for kind in ("exact", "near"))
    indexes = Indexes(exact, near, Signatures([read_table(folder / f"signature-{part}") for part in parts], 112))
    included = np.ones(numbering.num_documents, bool) if included is None else included
    return find_duplicates(indexes, numbering, included, np.concatenate(lengths), NearSettings(), **options)  # type: ignore[arg-type]


def reasons(found: Duplicates) -> dict[str, str]:
    exact, near = ({name for name, number in NUMBER.items() if column[number]} for column in (found.exact_duplicate, found.near_duplicate))
    assert not exact & near
    return dict.fromkeys(sorted(exact), "exact") | dict.fromkeys(sorted(near), "near")


def test_the_longest_member_of_a_cluster_stays(run_folder: Path) -> None:
    found = find(run_folder, TEXTS)
    assert reasons(found) == {"same 2": "exact", "empty 2": "exact", "more 2": "exact", "long": "near", "more": "near"}
    assert found.cluster.tolist() == [0, 1, 2, 0, 4, 1, 0, 7, 4, 0]
    assert found.representative.tolist() == [6, 1, 2, 6, 4, 1, 6, 7, 4, 6]
    assert found.linked.num_buckets > 0


def test_the_earliest_member_of_a_cluster_stays_if_so_wished(run_folder: Path) -> None:
    found = find(run_folder, TEXTS, policy="earliest")
    assert reasons(found) == {"same 2": "exact", "empty 2": "exact", "more 2": "exact", "more": "near", "even more": "near"}
    assert found.representative.tolist() == [0, 1, 2, 0, 4, 1, 0, 7, 4, 0]


def test_documents_that_are_not_included_neither_link_nor_represent(run_folder: Path) -> None:
    included = np.ones(10, bool)
    included[[NUMBER["even more"], NUMBER["same"]]] = False
    found = find(run_folder, TEXTS, included)
    assert reasons(found) == {"empty 2": "exact", "more 2": "exact", "long": "near"}
    assert found.cluster.tolist() == [0, 1, 2, 0, 4, 5, 6, 7, 4, 0]
    assert found.representative.tolist() == [3, 1, 2, 3, 4, 5, 6, 7, 4, 3]


def test_a_held_out_document_marks_its_cluster_but_is_no_duplicate_and_no_representative(run_folder: Path) -> None:
    held_out = np.zeros(10, bool)
    held_out[[NUMBER["even more"], NUMBER["same"], NUMBER["lonely"]]] = True
    found = find(run_folder, TEXTS, held_out=held_out)
    assert reasons(found) == {"empty 2": "exact", "more 2": "exact", "long": "near"}
    near_held_out = np.isin(found.cluster, found.cluster[held_out]) & ~held_out
    assert {name for name, number in NUMBER.items() if near_held_out[number]} == {"long", "more", "more 2", "same 2"}
    assert found.representative.tolist() == [3, 5, 2, 3, 4, 5, 3, 7, 4, 3]


def test_the_same_texts_are_kept_whatever_their_order(tmp_path: Path) -> None:
    texts = list(documents()[:500:2] + documents()[500:600])
    kept = []
    for order in (np.arange(len(texts)), np.random.default_rng(1).permutation(len(texts))):
        shuffled = [texts[i] for i in order]
        parts = {1: shuffled[: len(texts) // 3], 2: shuffled[len(texts) // 3 :]}
        found = find(indexed(tmp_path / str(len(kept)), parts, 2), parts)
        characters = np.array([len(text) for text in shuffled])
        kept.append({shuffled[i] for i in np.flatnonzero(~(found.exact_duplicate | found.near_duplicate))})
        assert (characters[found.representative] >= characters).all()
    different, once = kept[0] ^ kept[1], {len(text) for text in kept[0] ^ kept[1]}
    assert len(kept[0]) == len(kept[1]) < len(texts)
    assert len(different) == 2 * len(once), "only a tie of lengths may be decided by order"
