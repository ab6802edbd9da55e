"""The ledger: every document has one fate, and the sums agree."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import storage
from curate.dedup.numbering import EarlierRows, Numbering, number_parts
from curate.errors import AccountingError, DamageError, InputError
from curate.ledger.clusters import LARGEST, largest_clusters
from curate.ledger.files import LEDGER, cluster_members, explain, ledger_table, write_ledger
from curate.ledger.rehydration import Step, copies
from curate.ledger.sums import check_sums
from curate.ledger.verdicts import KEPT, NONE, Judged, Verdicts, counts, decide, included, judged


class Document(NamedTuple):
    content: int
    rule: str | None
    held_out: bool


class World(NamedTuple):
    """Documents in order, which contents are near-duplicates, which are contaminated, whether contents may be equally long."""

    documents: list[Document]
    near: list[tuple[int, int]]
    contaminated: set[int]
    tied: bool

    def length(self, content: int) -> int:
        return 100 + content * 7 % (5 if self.tied else 11)


_contents = st.integers(0, 10)
_worlds = st.builds(
    World,
    st.lists(
        st.builds(Document, _contents, st.sampled_from([None, None, None, "c4.lines", "gopher.words"]), st.sampled_from([False, False, False, True])),
        max_size=30,
    ),
    st.lists(st.tuples(_contents, _contents), max_size=6),
    st.sets(_contents, max_size=2),
    st.booleans(),
)


def _roots(links: list[tuple[int, int]], count: int) -> list[int]:
    """Smallest member of each connected set, by repetition until nothing changes."""
    roots = list(range(count))
    while any(roots[a] != roots[b] for a, b in links):
        for a, b in links:
            roots[a] = roots[b] = min(roots[a], roots[b])
    return roots


def _decided(world: World) -> tuple[Verdicts, np.ndarray]:
    documents, count = world.documents, len(world.documents)
    rules = judged([pa.array([document.rule for document in documents], pa.string())])
    held_out = np.array([document.held_out for document in documents], bool)
    members = np.flatnonzero(included(rules, held_out)).tolist()
    first: dict[int, int] = {}
    exact = list(range(count))
    for number in members:
        exact[number] = first.setdefault(documents[number].content, number)
    near = _roots([(first[a], first[b]) for a, b in world.near if a in first and b in first], count)
    contaminated = np.array([document.content in world.contaminated for document in documents], bool)
    lengths = np.array([world.length(document.content) for document in documents], np.int64)
    arrays = (np.array(exact, np.uint32), np.array(near, np.uint32))
    return decide(rules, held_out, contaminated, *arrays, lengths[None]), arrays[0]


def _fates(verdicts: Verdicts) -> list[str]:
    return ["kept" if code == KEPT else verdicts.names[code] for code in verdicts.reasons.tolist()]


def _plain_fates(world: World, before: Sequence[int] = ()) -> list[str]:
    """The order of select, word by word, one document at a time. before: contents that earlier runs kept."""
    documents = world.documents
    taking_part = [number for number, document in enumerate(documents) if document.rule is None or document.held_out]
    present = {documents[number].content for number in taking_part} | set(before)
    groups = _roots([(a, b) for a, b in world.near if a in present and b in present], 11)
    fates = []
    for number, document in enumerate(documents):
        cluster = [other for other in taking_part if groups[documents[other].content] == groups[document.content]]
        copies = [other for other in cluster if documents[other].content == document.content]
        best = min(cluster, key=lambda other: (-world.length(documents[other].content), other), default=None)
        if number not in taking_part:
            fates.append(str(document.rule))
        elif document.held_out:
            fates.append("held_out" if number == next(other for other in copies if documents[other].held_out) else "near_held_out")
        elif any(documents[other].content in world.contaminated for other in cluster):
            fates.append("contaminated")
        elif any(documents[other].held_out for other in cluster):
            fates.append("near_held_out")
        elif number == best and not any(groups[other] == groups[document.content] for other in before):
            fates.append("kept")
        else:
            fates.append("exact_duplicate" if number != copies[0] or document.content in before else "near_duplicate")
    return fates


@settings(max_examples=300, deadline=None)
@given(_worlds)
def test_verdicts_agree_with_the_order_of_select_told_plainly(world: World) -> None:
    assert _fates(_decided(world)[0]) == _plain_fates(world)


@settings(max_examples=200, deadline=None)
@given(_worlds)
def test_sums_agree_and_no_text_is_kept_twice_or_beside_a_held_out_or_contaminated_one(world: World) -> None:
    verdicts, _ = _decided(world)
    fates = _fates(verdicts)
    found = counts(verdicts)
    assert found == {"kept": 0, **Counter(fates)}
    assert sum(found.values()) == len(world.documents)
    check_sums(
        "web", records=len(fates), documents=len(fates), kept=found.pop("kept"), held_out=found.pop("held_out", 0), dropped=found, refused={}, quarantined={}
    )
    for fate in ("kept", "held_out"):
        contents = [document.content for document, own in zip(world.documents, fates, strict=True) if own == fate]
        assert len(contents) == len(set(contents))
    kept = {document.content for document, fate in zip(world.documents, fates, strict=True) if fate == "kept"}
    assert not kept & world.contaminated
    assert not kept & {document.content for document in world.documents if document.held_out}
    assert {document.content for document in world.documents if document.held_out} == {
        document.content for document, fate in zip(world.documents, fates, strict=True) if fate == "held_out"
    }


@settings(max_examples=200, deadline=None)
@given(_worlds)
def test_a_surviving_cluster_keeps_one_document_and_all_its_duplicates_name_it(world: World) -> None:
    verdicts, _ = _decided(world)
    fates = np.array(_fates(verdicts), object)
    survivors = {"kept", "exact_duplicate", "near_duplicate"}
    for root in np.unique(verdicts.clusters):
        members = np.flatnonzero(verdicts.clusters == root)
        assert members[0] == root
        kept = members[fates[members] == "kept"]
        assert len(kept) <= 1
        assert (len(kept) == 1) == bool(set(fates[members]) & survivors)
        expected = [int(kept[0]) if len(kept) else NONE] * len(members)
        assert verdicts.representatives[members].tolist() == expected


@settings(max_examples=200, deadline=None)
@given(_worlds, st.randoms(use_true_random=False))
def test_order_decides_only_among_equals(world: World, chance: Random) -> None:
    """With lengths that tell all contents apart, every text has the same fates in any order of documents."""
    world = world._replace(tied=False)
    shuffled = list(world.documents)
    chance.shuffle(shuffled)
    results = []
    for documents in (world.documents, shuffled):
        fates = _fates(_decided(world._replace(documents=documents))[0])
        plain = [document.content for document in documents]
        results.append(Counter((content, "duplicate" if fate.endswith("duplicate") else fate) for content, fate in zip(plain, fates, strict=True)))
    assert results[0] == results[1]


def _decide(
    rules: Sequence[str | None],
    exact: list[int],
    near: list[int],
    *,
    held_out: Sequence[int] = (),
    contaminated: Sequence[int] = (),
    lengths: list[int] | list[list[int]] | None = None,
    num_earlier: int = 0,
) -> tuple[Verdicts, list[str]]:
    count = len(rules)
    marks = [np.isin(np.arange(count), list(numbers)) for numbers in (held_out, contaminated)]
    arrays = [np.array(roots, np.uint32) for roots in (exact, near)]
    verdicts = decide(
        judged([pa.array(rules, pa.string())]), *marks, *arrays, np.array(lengths or [1] * count, np.int64).reshape(-1, count), num_earlier=num_earlier
    )
    return verdicts, _fates(verdicts)


def test_what_is_preferred_is_kept_key_by_key_and_the_first_of_equals() -> None:
    kept = {"kept": 1, "near_duplicate": 0}
    for lengths, fates in (([[5, 9, 9]], [0, 1, 0]), ([[0, 0, 0]], [1, 0, 0]), ([[1, 0, 1], [3, 9, 4]], [0, 0, 1])):
        assert [kept[fate] for fate in _decide([None] * 3, [0, 1, 2], [0, 0, 0], lengths=lengths)[1]] == fates


def test_a_copy_of_a_near_duplicate_is_an_exact_duplicate_of_the_kept_one() -> None:
    verdicts, fates = _decide([None] * 3, [0, 1, 1], [0, 0, 2], lengths=[9, 5, 5])
    assert fates == ["kept", "near_duplicate", "exact_duplicate"]
    assert verdicts.clusters.tolist() == verdicts.representatives.tolist() == [0, 0, 0]


def test_a_document_that_fails_a_rule_is_no_representative_and_taints_nobody() -> None:
    assert _decide(["r", None, None], [0, 1, 1], [0, 1, 2], contaminated=[0])[1] == ["r", "kept", "exact_duplicate"]


def test_a_held_out_document_stays_held_out_in_a_contaminated_cluster_and_when_it_fails_rules() -> None:
    assert _decide(["r", None, None], [0, 1, 2], [0, 0, 0], held_out=[0], contaminated=[2])[1] == ["held_out", "contaminated", "contaminated"]


def test_a_copy_that_its_source_does_not_hold_out_is_near_held_out_even_when_first() -> None:
    assert _decide([None] * 3, [0, 0, 0], [0, 1, 2], held_out=[1, 2])[1] == ["near_held_out", "held_out", "near_held_out"]


def test_roots_as_one_union_find_leaves_them_give_the_same_verdicts() -> None:
    separate = _decide([None] * 5, [0, 1, 1, 3, 4], [0, 0, 2, 3, 4])[0]
    grown = _decide([None] * 5, [0, 1, 1, 3, 4], [0, 0, 0, 3, 4])[0]
    assert [column.tolist() for column in separate[1:]] == [column.tolist() for column in grown[1:]]


@pytest.mark.parametrize(
    ("rules", "exact", "near"),
    [
        ([None] * 3, [0, 1, 1], [0, 1, 0]),  # a near link to a copy, not to its root
        ([None] * 3, [0, 0, 2], [0, 1, 1]),
        ([None] * 2, [1, 1], [0, 1]),  # not the smallest member
        ([None] * 3, [0, 0, 1], [0, 1, 2]),  # a chain, not roots
        (["r", None], [0, 0], [0, 1]),  # a member that takes no part
        ([None, "r"], [0, 0], [0, 1]),
    ],
)
def test_roots_that_form_no_clusters_are_an_error(rules: list[str | None], exact: list[int], near: list[int]) -> None:
    with pytest.raises(AccountingError, match="which do not form clusters"):
        _decide(rules, exact, near)


def test_reasons_of_several_parts_share_one_sorted_list() -> None:
    parts = [pa.array(["b", None]), pa.chunked_array([["a"], [None, "b"]]).dictionary_encode(), pa.nulls(2, pa.string()), pa.array([], pa.string())]
    assert judged(parts).names == ("a", "b")
    assert judged(parts).reasons.tolist() == [1, -1, 0, -1, 1, -1, -1]
    assert judged([]).reasons.tolist() == []


# ---- earlier runs


def _decided_after(earlier: World, world: World) -> Verdicts:
    """Both worlds' documents under one numbering; links that only earlier documents make are left out, as the index leaves them."""
    documents = [*earlier.documents, *world.documents]
    rules = judged([pa.array([document.rule for document in documents], pa.string())])
    held_out = np.array([False] * len(earlier.documents) + [document.held_out for document in world.documents], bool)
    members = np.flatnonzero(included(rules, held_out)).tolist()
    first: dict[int, int] = {}
    exact = [first.setdefault(document.content, number) if number in members else number for number, document in enumerate(documents)]
    near = _roots([(first[a], first[b]) for a, b in world.near if a in first and b in first], len(documents))
    contaminated = np.array([False] * len(earlier.documents) + [document.content in world.contaminated for document in world.documents], bool)
    lengths = np.array([[0] * len(earlier.documents) + [world.length(document.content) for document in world.documents]], np.int64)
    return decide(rules, held_out, contaminated, np.array(exact, np.uint32), np.array(near, np.uint32), lengths, num_earlier=len(earlier.documents))


@settings(max_examples=300, deadline=None)
@given(_worlds, _worlds)
def test_nothing_of_a_cluster_with_an_earlier_document_is_kept(earlier: World, world: World) -> None:
    earlier = earlier._replace(documents=[document._replace(held_out=False) for document in earlier.documents])
    verdicts, count = _decided_after(earlier, world), len(earlier.documents)
    fates = _fates(verdicts)[count:]
    kept_before = {document.content for document in earlier.documents if document.rule is None}
    assert fates == _plain_fates(world, sorted(kept_before))
    for number, fate in enumerate(fates, count):
        representative = int(verdicts.representatives[number])
        content = world.documents[number - count].content
        assert int(verdicts.clusters[number]) >= count
        assert (fate == "kept") == (representative == number)
        if fate.endswith("_duplicate"):
            assert representative < count or fates[representative - count] == "kept"
            if content in kept_before:
                assert (fate, earlier.documents[representative].content) == ("exact_duplicate", content)
            assert representative >= count or earlier.documents[representative].rule is None
    assert counts(verdicts, count) == {"kept": 0, **Counter(fates)}


def test_the_ledger_names_the_earlier_run_and_its_own_part(tmp_path: Path) -> None:
    verdicts, fates = _decide(["gone", None, None, None, None, None], [0, 1, 2, 1, 4, 5], [0, 1, 1, 3, 4, 4], num_earlier=2)
    assert fates[2:] == ["near_duplicate", "exact_duplicate", "kept", "near_duplicate"]
    numbering = number_parts([(7, 4)], [EarlierRows(1000, 2, 3, 7)])
    table = ledger_table(verdicts, numbering, 7)
    assert table["representative_run"].to_pylist() == [3, 3, None, None]
    assert table["representative_part"].to_pylist() == [7, 7, 7, 7]
    assert table["representative_row"].to_pylist() == [1, 1, 2, 2]
    assert table["cluster_row"].to_pylist() == [0, 0, 2, 2]
    assert set(table["cluster_part"].to_pylist()) == {7}
    clusters = largest_clusters(verdicts, np.array([0, 1, 2, 1, 4, 5], np.uint32), numbering).to_pylist()
    assert [(one["size"], one["representative"]) for one in clusters] == [(2, {"part": 7, "row": 1, "run": 3}), (2, {"part": 7, "row": 2, "run": None})]
    write_ledger(tmp_path / "7.arrow", verdicts, numbering, 7)
    assert explain(tmp_path / "7.arrow", 1) == (False, "exact_duplicate", (7, 0), (7, 1), 3, 0)


# ---- rehydration


@settings(max_examples=200, deadline=None)
@given(_worlds, st.dictionaries(st.integers(1, 12), st.integers(1, 9), max_size=4))
def test_copies_follow_the_size_of_the_cluster_by_the_last_step_reached(world: World, weights: dict[int, int]) -> None:
    verdicts, _ = _decided(world)
    found = copies(verdicts, [Step(min_size=size, copies=weights[size]) for size in sorted(weights)]).tolist()
    for number, fate in enumerate(_fates(verdicts)):
        size = verdicts.clusters.tolist().count(int(verdicts.clusters[number]))
        reached = [weights[least] for least in sorted(weights) if least <= size]
        assert found[number] == (0 if fate != "kept" else (reached or [1])[-1])


def test_fineweb_2s_weights_are_a_step_function_of_the_size() -> None:
    sizes = [1, 2, 3, 4, 5, 99, 100, 999, 1000]
    roots = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes).tolist()
    verdicts, _ = _decide([None] * len(roots), list(range(len(roots))), roots)
    weights = {1: 1, 2: 2, 3: 3, 5: 5, 100: 8, 1000: 1}
    found = copies(verdicts, [Step(min_size=size, copies=times) for size, times in weights.items()])
    assert found[found > 0].tolist() == [1, 2, 3, 3, 5, 5, 8, 8, 1]
    assert ledger_table(verdicts, number_parts([(0, len(roots))]), 0, found)["copies"].to_pylist() == found.tolist()


# ---- files


def _small() -> tuple[Verdicts, Numbering]:
    """Parts 7 (3 documents), 5 (none) and 2 (4): a cluster across parts, a rule, a held-out document with its shadow."""
    verdicts, fates = _decide(
        ["r", None, None, None, None, None, None], [0, 1, 2, 1, 4, 5, 6], [0, 1, 2, 3, 1, 5, 5], held_out=[6], lengths=[1, 2, 3, 2, 9, 1, 1]
    )
    assert fates == ["r", "near_duplicate", "kept", "exact_duplicate", "kept", "near_held_out", "held_out"]
    return verdicts, number_parts([(7, 3), (5, 0), (2, 4)])


def test_ledger_files_are_row_aligned_and_say_part_and_row(tmp_path: Path) -> None:
    verdicts, numbering = _small()
    for part in (7, 5, 2):
        write_ledger(tmp_path / f"{part}.arrow", verdicts, numbering, part)
    table = storage.read_table(tmp_path / "2.arrow")
    assert table.schema == LEDGER
    assert table["keep"].to_pylist() == [False, True, False, False]
    assert table["reason"].to_pylist() == ["exact_duplicate", None, "near_held_out", "held_out"]
    assert list(zip(table["cluster_part"].to_pylist(), table["cluster_row"].to_pylist(), strict=True)) == [(7, 1), (7, 1), (2, 2), (2, 2)]
    assert table["representative_part"].to_pylist() == [2, 2, None, None]
    assert table["representative_row"].to_pylist() == [1, 1, None, None]
    assert storage.read_table(tmp_path / "5.arrow").num_rows == 0
    assert storage.read_table(tmp_path / "7.arrow")["reason"].to_pylist() == ["r", "near_duplicate", None]


def test_a_part_tells_only_of_its_own_reasons() -> None:
    verdicts, numbering = _small()
    renamed = verdicts._replace(
        names=("another rule", *verdicts.names), reasons=np.where(verdicts.reasons == KEPT, KEPT, verdicts.reasons + 1).astype(np.int16)
    )
    assert ledger_table(verdicts, numbering, 2).equals(ledger_table(renamed, numbering, 2))
    assert ledger_table(verdicts, numbering, 2)["reason"].combine_chunks().dictionary.to_pylist() == ["exact_duplicate", "held_out", "near_held_out"]


def test_a_document_can_be_explained_from_the_files(tmp_path: Path) -> None:
    verdicts, numbering = _small()
    paths = {part: tmp_path / f"{part}.arrow" for part in (7, 5, 2)}
    for part, path in paths.items():
        write_ledger(path, verdicts, numbering, part)
    assert explain(paths[7], 1) == (False, "near_duplicate", (7, 1), (2, 1), None, 0)
    assert explain(paths[2], 1) == (True, None, (7, 1), (2, 1), None, 1)
    assert explain(paths[2], 3) == (False, "held_out", (2, 2), None, None, 0)
    assert cluster_members(paths, (7, 1)) == [(7, 1), (2, 0), (2, 1)]
    assert cluster_members(paths, (7, 1), max_members=2) == [(7, 1), (2, 0)]
    for row in (-1, 4):
        with pytest.raises(InputError, match=f"no row {row}"):
            explain(paths[2], row)
    storage.write_table(tmp_path / "other.arrow", pa.table({"x": [1]}))
    with pytest.raises(DamageError, match="no ledger"):
        explain(tmp_path / "other.arrow", 0)


def test_counts_of_a_range_of_documents_are_those_of_its_part() -> None:
    verdicts, numbering = _small()
    assert counts(verdicts, numbering.of_part(7).start, numbering.of_part(7).stop) == {"kept": 1, "near_duplicate": 1, "r": 1}
    assert counts(verdicts, numbering.of_part(5).start, numbering.of_part(5).stop) == {"kept": 0}


# ---- sums

_RIGHT = {"records": 20, "documents": 12, "kept": 6, "held_out": 1, "dropped": {"r": 5}, "refused": {"empty": 5}, "quarantined": {"damaged": 3}}


def test_sums_that_add_up_pass() -> None:
    check_sums("web", **_RIGHT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"records": 21}, "source 'web': 21 records went in, but 20 are accounted for.*5 refused \\(empty 5\\).*3 quarantined \\(damaged 3\\)"),
        ({"quarantined": {}}, "20 records went in, but 17"),
        ({"refused": {"empty": 6}}, "20 records went in, but 21"),
        ({"kept": 7}, "12 documents were gathered, but 13 have a fate: 7 kept \\+ 1 held out \\+ 5 dropped \\(r 5\\)"),
        ({"held_out": 0}, "12 documents were gathered, but 11"),
        ({"dropped": {"r": 5, "s": 1}}, "12 documents were gathered, but 13"),
        ({"kept": 7, "held_out": 0}, None),
        ({"kept": 13, "dropped": {"r": -2}}, "negative \\(dropped r -2\\)"),
    ],
)
def test_every_number_that_is_off_is_found(change: dict[str, object], message: str | None) -> None:
    if message is None:
        check_sums("web", **{**_RIGHT, **change})  # type: ignore[arg-type]
        return
    with pytest.raises(AccountingError, match=message):
        check_sums("web", **{**_RIGHT, **change})  # type: ignore[arg-type]


# ---- clusters


def test_the_largest_clusters_are_listed_with_their_first_members() -> None:
    verdicts, numbering = _small()
    table = largest_clusters(verdicts, np.array([0, 1, 2, 1, 4, 5, 6], np.uint32), numbering, max_members=2)
    assert table.schema == LARGEST
    place = [{"part": part, "row": row, "run": None} for part, row in ((7, 1), (2, 0), (2, 1), (2, 2), (2, 3))]
    unchained = dict.fromkeys(("num_examined", "diameter", "min_similarity"))
    assert table.to_pylist() == [
        {"cluster": place[0], "size": 3, "num_texts": 2, "representative": place[2], "dropped": None, "members": place[:2], **unchained},
        {"cluster": place[3], "size": 2, "num_texts": 2, "representative": None, "dropped": "near_held_out", "members": place[3:], **unchained},
    ]
    assert largest_clusters(verdicts, np.array([0, 1, 2, 1, 4, 5, 6], np.uint32), numbering, max_clusters=1).num_rows == 1


@settings(max_examples=100, deadline=None)
@given(_worlds)
def test_cluster_sizes_are_right(world: World) -> None:
    verdicts, exact = _decided(world)
    table = largest_clusters(verdicts, exact, number_parts([(0, len(world.documents))]), max_clusters=50)
    sizes = Counter(verdicts.clusters.tolist())
    expected = sorted(((size, -root) for root, size in sizes.items() if size > 1), reverse=True)
    assert [(row["size"], -row["cluster"]["row"]) for row in table.to_pylist()] == expected


def test_no_documents_make_no_ledger_and_no_clusters() -> None:
    nothing = np.zeros(0, np.uint32)
    verdicts = decide(Judged((), np.zeros(0, np.int16)), np.zeros(0, bool), np.zeros(0, bool), nothing, nothing, np.zeros((1, 0), np.int64))
    assert counts(verdicts) == {"kept": 0}
    assert largest_clusters(verdicts, nothing, number_parts([])).num_rows == 0
