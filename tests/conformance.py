"""What every pretext task must pass: `CHECKS` maps what is checked to a function of the task's name.

Run over all tasks by tests/curate/pretext/test_tasks.py. The material is a tokenizer trained here on texts in many scripts.
"""

import functools
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from curate import pretext
from curate.documents import as_text, content_ids, content_words
from curate.fit.encoder import encode, load_encoder, word_starts
from curate.fit.tokenizer import TokenizerSettings, fit_tokenizer
from curate.pretext.rows import UNLABELLED, Packed, Tokens, join_rows, pack_rows, restore_rows
from curate.shards.manufacture import manufacture, selection
from curate.shards.reader import all_rows, open_shard
from curate.storage import write_table

SENTENCES = (
    "All human beings are born free and equal in dignity and rights; they're endowed with reason; it's everyone's, that's the law's aim.",
    "Todos los seres humanos nacen libres e iguales en dignidad y derechos, ¿no es así? 30 artículos, 1948.",
    "Все люди рождаются свободными и равными в своём достоинстве и правах.\n\n\tОни наделены разумом.",
    "人人生而自由,在尊严和权利上一律平等。 すべての人間は、生まれながらにして自由であり、",
    "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.   มนุษย์ทั้งหลายเกิดมามีอิสระ 👩‍🚀🎉",
    "def f(x):\n    return [y**2 for y in range(10) if y != x]  # it's 3.14159, isn't it?\r\n",
)
EDGES = ("", "a", " ", "\n", "<|pad|><|bos|><|eos|><|mask|>", "<|mask|>" * 50, "\u088f\u088f's \U000323b0", "e\u0301" * 3000, "\x00\x00")
NUM_DOCUMENTS = 120


@functools.cache
def texts() -> pa.LargeStringArray:
    """Some long, some short, and every edge case; no two equal."""
    rng = np.random.default_rng(3)
    bodies = [f"{i}. " + " ".join(rng.choice(SENTENCES, rng.integers(1, 25))) for i in range(NUM_DOCUMENTS)]
    return as_text([*bodies[:60], *EDGES, *bodies[60:]])


@functools.cache
def encoder():
    """A tokenizer of 600 ids, trained and tested as a run does it."""
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "tokenizer.json", Path(folder) / "tokenizer_exceptions.json"
        fit_tokenizer([(texts(), content_ids(texts()))], TokenizerSettings(vocabulary_size=600), *paths)
        return load_encoder(*paths)


def tokens_of(some: pa.LargeStringArray) -> Tokens:
    """Texts as tasks take them."""
    ids, offsets = encode(encoder(), some)
    return Tokens(ids, offsets, word_starts(encoder(), some, ids, offsets), content_words(content_ids(some)))


def settings_of(task: str, **changes):
    """The task's settings with some changed."""
    return getattr(pretext.task(task), pretext.TASKS[task])(**changes)


def examples_of(task: str, tokens: Tokens, seed: int = 1, **changes):
    """The task's examples of some documents."""
    return pretext.task(task).examples(tokens, settings_of(task, **changes), encoder().vocabulary, seed)


def rows_of(task: str, some: pa.LargeStringArray, context_length: int, seed: int = 1):
    """All rows of some texts, each document called by its row in part 5."""
    tokens = tokens_of(some)
    documents = np.arange(len(some), dtype=np.uint32)
    block = Packed(examples_of(task, tokens, seed), tokens.offsets, np.full(len(some), 5, np.uint32), documents)
    return join_rows(list(pack_rows([block], context_length, encoder().vocabulary.special)))


def is_pure(task: str) -> None:
    tokens = tokens_of(texts())
    before = [column.copy() for column in tokens]
    first, second = examples_of(task, tokens), examples_of(task, tokens)
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)
    for one, two in zip(before, tokens, strict=True):
        np.testing.assert_array_equal(one, two)


def depends_on_the_seed_if_it_draws(task: str) -> None:
    tokens = tokens_of(texts())
    same = np.array_equal(examples_of(task, tokens, 1).input_ids, examples_of(task, tokens, 2).input_ids)
    assert same is not pretext.task(task).LABELLED


def is_undone_by_restore(task: str) -> None:
    tokens = tokens_of(texts())
    for context_length in (8, 64, 4096):
        restored = restore_rows(rows_of(task, texts(), context_length), encoder().vocabulary.special)
        np.testing.assert_array_equal(restored.ids, tokens.ids)
        np.testing.assert_array_equal(restored.offsets, tokens.offsets)
        np.testing.assert_array_equal(restored.document, np.arange(len(texts())))


def names_the_documents_of_every_row(task: str) -> None:
    tokens, rows, special = tokens_of(texts()), rows_of(task, texts(), 64), encoder().vocabulary.special
    original = rows.input_ids if rows.labels is None else np.where(rows.labels == UNLABELLED, rows.input_ids, rows.labels)
    for r, row in enumerate(original.tolist()):
        wanted = []
        for s in range(rows.bounds[r], rows.bounds[r + 1]):
            part, document, start, length = (int(column[s]) for column in rows.segments)
            assert part == 5
            sequence = [*tokens.ids[tokens.offsets[document] : tokens.offsets[document + 1]].tolist(), special.eos]
            wanted += [special.bos, *sequence[start : start + length]]
        assert row == wanted + [special.pad] * (64 - len(wanted))


def labels_only_what_it_hid(task: str) -> None:
    tokens = tokens_of(texts())
    made = examples_of(task, tokens)
    if made.labels is None:
        np.testing.assert_array_equal(made.input_ids, tokens.ids)
        return
    chosen = made.labels != UNLABELLED
    np.testing.assert_array_equal(made.labels[chosen], tokens.ids[chosen])
    np.testing.assert_array_equal(made.input_ids[~chosen], tokens.ids[~chosen])
    rows, special = rows_of(task, texts(), 64), encoder().vocabulary.special
    assert (rows.labels[np.isin(rows.input_ids, [special.pad, special.bos, special.eos])] == UNLABELLED).all()
    assert not encoder().vocabulary.is_special[rows.labels[rows.labels != UNLABELLED]].any()


def hides_at_the_stated_rate(task: str) -> None:
    if not pretext.task(task).LABELLED:
        return
    tokens = tokens_of(texts())
    for rate in (0.15, 0.4):
        chosen = examples_of(task, tokens, chosen_fraction=rate).labels[tokens.word_starts] != UNLABELLED
        assert abs(chosen.sum() - rate * chosen.size) < 4 * np.sqrt(chosen.size * rate * (1 - rate))


def hides_whole_words(task: str) -> None:
    if not pretext.task(task).LABELLED:
        return
    tokens = tokens_of(texts())
    chosen = examples_of(task, tokens).labels != UNLABELLED
    inside = ~tokens.word_starts
    assert inside.sum() > 100
    np.testing.assert_array_equal(chosen[1:][inside[1:]], chosen[:-1][inside[1:]])
    pieces = examples_of(task, tokens, whole_words=False).labels != UNLABELLED
    assert not np.array_equal(pieces[1:][inside[1:]], pieces[:-1][inside[1:]])


def replaces_in_the_stated_shares(task: str) -> None:
    if not pretext.task(task).LABELLED:
        return
    tokens, vocabulary = tokens_of(texts()), encoder().vocabulary
    made = examples_of(task, tokens, chosen_fraction=0.5)
    shown, label = (column[made.labels != UNLABELLED] for column in (made.input_ids, made.labels))
    masked, stayed = shown == vocabulary.special.mask, shown == label
    found = np.array([masked.sum(), (~masked & ~stayed).sum(), stayed.sum()])
    by_chance = 0.1 / len(vocabulary.ordinary)  # a random token may be the token that was there
    wanted = len(label) * np.array([0.8, 0.1 - by_chance, 0.1 + by_chance])
    assert ((found - wanted) ** 2 / wanted).sum() < 13.8  # chi-square, 2 degrees of freedom, 1 in 1,000
    assert not vocabulary.is_special[shown[~masked]].any()


def makes_the_same_example_in_any_company(task: str) -> None:
    every = tokens_of(texts())
    whole = examples_of(task, every)
    order = np.random.default_rng(1).permutation(len(texts()))
    for group in np.array_split(order, 7):
        some = tokens_of(texts().take(pa.array(group)))
        made = examples_of(task, some)
        for place, d in enumerate(group):
            here, there = slice(*some.offsets[place : place + 2]), slice(*every.offsets[d : d + 2])
            for one, two in zip(made, whole, strict=True):
                assert (one is None) == (two is None)
                if one is not None:
                    np.testing.assert_array_equal(one[here], two[there])


def takes_no_documents(task: str) -> None:
    made = examples_of(task, tokens_of(as_text([])))
    assert len(made.input_ids) == 0
    assert list(pack_rows([], 64, encoder().vocabulary.special)) == []


def makes_a_row_of_an_empty_document(task: str) -> None:
    rows, special = rows_of(task, as_text([""]), 8), encoder().vocabulary.special
    assert rows.input_ids.tolist() == [[special.bos, special.eos] + [special.pad] * 6]
    assert [column.tolist() for column in rows.segments] == [[5], [0], [0], [1]]


def balances_its_ledger(task: str) -> None:
    keep = np.arange(len(texts())) % 3 != 1
    kept = texts().filter(pa.array(keep))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder / "documents.arrow", pa.table({"text": texts()}), rows_per_batch=50)
        chosen = selection(keep, content_ids(texts()), 5)
        common = {"task": task, "seed": 1, "part": 5, "source": "s", "out": folder / "shard.arrow"}
        whole = manufacture(folder / "documents.arrow", chosen, encoder(), settings=settings_of(task, context_length=64), split="train", **common)
        shard = open_shard(folder / "shard.arrow")
        rows = all_rows(shard)
        assert shard.metadata == whole
        half_settings = settings_of(task, context_length=64, document_fraction=0.5)
        half = manufacture(folder / "documents.arrow", chosen, encoder(), settings=half_settings, split="train", **common)
        none_settings = settings_of(task, context_length=64, document_fraction=1e-12)
        none = manufacture(folder / "documents.arrow", chosen, encoder(), settings=none_settings, split="train", **common)
    special, ledger = encoder().vocabulary.special, whole["token_ledger"]
    assert (none["num_rows"], none["num_documents"], none["token_ledger"]["dropped"]) == (0, 0, {"not_drawn": ledger["tokens_in"]})
    assert whole["num_documents"] == len(kept) == int((rows.input_ids == special.eos).sum())
    assert whole["num_bytes"] == sum(len(text.encode()) for text in kept.to_pylist())
    assert whole["num_tokens"] == ledger["tokens_in"] == ledger["in_rows"] == len(tokens_of(kept).ids)
    assert ledger["positions"] == rows.input_ids.size == ledger["in_rows"] + ledger["begin"] + ledger["end"] + ledger["pad"]
    assert ledger["utilisation"] == (rows.input_ids != special.pad).mean()
    assert 0 < half["token_ledger"]["in_rows"] == ledger["tokens_in"] - half["token_ledger"]["dropped"]["not_drawn"] < ledger["tokens_in"]


CHECKS = {
    check.__name__: check
    for check in (
        is_pure,
        depends_on_the_seed_if_it_draws,
        is_undone_by_restore,
        names_the_documents_of_every_row,
        labels_only_what_it_hid,
        hides_at_the_stated_rate,
        hides_whole_words,
        replaces_in_the_stated_shares,
        makes_the_same_example_in_any_company,
        takes_no_documents,
        makes_a_row_of_an_empty_document,
        balances_its_ledger,
    )
}
