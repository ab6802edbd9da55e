"""fastText model files, .bin and quantised .ftz, read into the arrays that `curate.kernels.fasttext` predicts with.

The layout is that of fastText 0.9 (file versions 11 and 12, supervised models): settings, dictionary, input matrix, output matrix. A
model file comes from somewhere else, so every number in it is checked before it is believed: lengths against the file's
size, row numbers against the matrices, matrices for numbers that are not finite. Quantised matrices are decoded when read
(lid.176.ftz: 2.7 MB), since a look-up per eight values costs more than the memory.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.documents import text_buffers
from curate.errors import InputError
from curate.kernels import fasttext as kernel

_MAGIC, _NEWEST = 793712314, 12
_WITHOUT_CHARACTER_NGRAMS = 11  # supervised models of this version were made before they had any
_SUPERVISED = 3
_CENTROIDS = 256  # of a product quantiser: one byte a code
_MAX_DECODED_BYTES = 4 << 30
_MAX_LABEL_COUNT = 10**15  # what fastText's tree of labels takes for infinite
_PREFIX = "__label__"
_SETTINGS = ("dim", "ws", "epoch", "min_count", "neg", "word_ngrams", "loss", "model", "bucket", "minn", "maxn", "lr_update_rate")


@dataclass(frozen=True)
class FasttextModel:
    """A model that is ready to predict. labels: without the prefix, in the file's order."""

    labels: tuple[str, ...]
    arrays: kernel.Model

    def predict(self, texts: pa.LargeStringArray, max_characters: int = 0, label: str | None = None) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The best label of each of n texts and its probability, or the probability of one label: int32 (n,), float32 (n,).

        max_characters: how many are read from a text's start, 0 for all. A label of -1 with probability 0 means that the model has
        no feature of the text. Probabilities are fastText's own, up to 1.00001 (see the kernel). Raises InputError where the
        model has no such label, or where its numbers are so great that a probability is no number.
        """
        if label is not None and label not in self.labels:
            raise InputError(f"the fastText model has no label {label!r}; it has {', '.join(self.labels[:10])}{', …' if len(self.labels) > 10 else ''}")
        data, offsets = text_buffers(texts)
        found, scores = np.empty(len(texts), np.int32), np.empty(len(texts), np.float32)
        chosen = kernel.BEST if label is None else self.labels.index(label)
        kernel.predict(data, offsets, self.arrays, max_characters, chosen, found, scores)
        if np.isnan(scores).any():
            raise InputError("the fastText model's weights overflow: it answers with a probability that is no number. Train or fetch it anew.")
        return found, scores


class _Matrix(NamedTuple):
    """Rows of a matrix, to be multiplied by norms."""

    rows: NDArray[np.float32]
    norms: NDArray[np.float32]


class _File:
    """The bytes of a file, taken from its start on; whatever would reach beyond its end is an error."""

    def __init__(self, path: Path) -> None:
        self.path, self.place = path, 0
        try:
            self.data = np.fromfile(path, np.uint8)
        except OSError as error:
            raise InputError(f"{path}: the fastText model cannot be read ({error.strerror or error}); correct its path or give access") from error

    def refuse(self, why: str) -> InputError:
        """An error that names the file."""
        return InputError(f"{self.path} is no fastText model that can be used: {why}. Fetch or train it anew.")

    def take(self, dtype: str, count: int = 1) -> NDArray[Any]:
        """The next numbers, as an aligned copy."""
        size = np.dtype(dtype).itemsize
        if count < 0 or count > (len(self.data) - self.place) // size:
            raise self.refuse(f"it ends at byte {len(self.data)}, where {count} more numbers of {size} bytes should stand from byte {self.place} on")
        found = np.frombuffer(self.data[self.place : self.place + count * size].tobytes(), dtype).copy()
        self.place += count * size
        return found

    def number(self, dtype: str) -> int:
        """The next number."""
        return int(self.take(dtype)[0])

    def flag(self, what: str) -> bool:
        """The next byte, which must be 0 or 1."""
        if (value := self.number("u1")) > 1:
            raise self.refuse(f"the mark for {what} is {value}, not 0 or 1")
        return value == 1


class _Dictionary(NamedTuple):
    """Words, then labels. pruned: (rows, 2), a bucket and the row it has behind the words; None where nothing was pruned."""

    num_words: int
    num_labels: int
    data: NDArray[np.uint8]
    ends: NDArray[np.int64]
    label_counts: list[int]
    pruned: NDArray[np.int32] | None


def read_model(path: Path) -> FasttextModel:
    """Read a supervised fastText model. Raises InputError saying what in the file is wrong."""
    file = _File(path)
    settings = _read_settings(file)
    dictionary = _read_dictionary(file)
    quantised = file.flag("a quantised input matrix")
    if dictionary.pruned is not None and not quantised:
        raise file.refuse("its dictionary is pruned, but its input matrix is not quantised")
    inputs = _read_matrix(file, settings["dim"], quantised)
    outputs = _read_matrix(file, settings["dim"], file.flag("a quantised output matrix") and quantised)
    _check_rows(file, settings, dictionary, inputs, outputs)
    if file.place != len(file.data):
        raise file.refuse(f"{len(file.data) - file.place} bytes follow its end")
    if (inputs.norms != 1).any():
        np.multiply(inputs.rows, inputs.norms[:, None], out=inputs.rows)
    arrays = _tables(settings, dictionary, inputs.rows, outputs)
    begins = np.concatenate(([0], dictionary.ends))
    try:
        names = [dictionary.data[begins[k] : begins[k + 1]].tobytes().decode() for k in range(dictionary.num_words, len(dictionary.ends))]
    except UnicodeDecodeError as error:
        raise file.refuse("the name of a label is not UTF-8") from error
    return FasttextModel(tuple(name.removeprefix(_PREFIX) for name in names), arrays)


def _read_settings(file: _File) -> dict[str, int]:
    magic, version = file.take("<i4", 2).tolist()
    if magic != _MAGIC:
        raise file.refuse("it does not begin as one")
    if not _WITHOUT_CHARACTER_NGRAMS <= version <= _NEWEST:
        raise file.refuse(f"it is of version {version}; versions {_WITHOUT_CHARACTER_NGRAMS} and {_NEWEST} can be read")
    settings = dict(zip(_SETTINGS, file.take("<i4", len(_SETTINGS)).tolist(), strict=True))
    file.take("<f8")  # the sampling threshold of unsupervised training
    if settings["model"] != _SUPERVISED:
        raise file.refuse("it holds word vectors and was not trained on labels, so it cannot predict any")
    if version == _WITHOUT_CHARACTER_NGRAMS:
        settings["maxn"] = 0
    if settings["loss"] not in (kernel.HIERARCHICAL_SOFTMAX, kernel.NEGATIVE_SAMPLING, kernel.SOFTMAX, kernel.ONE_VS_ALL):
        raise file.refuse(f"its loss is number {settings['loss']}, which is none")
    if settings["dim"] < 1 or min(settings["minn"], settings["maxn"], settings["bucket"]) < 0:
        raise file.refuse(f"dim {settings['dim']}, minn {settings['minn']}, maxn {settings['maxn']}, bucket {settings['bucket']} are not all possible")
    if (settings["maxn"] > 0 or settings["word_ngrams"] > 1) and not settings["bucket"]:
        raise file.refuse("it uses n-grams but has no buckets for them")
    return settings


def _read_dictionary(file: _File) -> _Dictionary:
    size, num_words, num_labels = file.take("<i4", 3).tolist()
    file.take("<i8")  # the number of training tokens
    num_pruned = file.number("<i8")
    if num_words < 0 or num_labels < 1 or num_words + num_labels != size:
        raise file.refuse(f"its dictionary has {size} entries, {num_words} of them words and {num_labels} labels")
    if size > (len(file.data) - file.place) // 10 or num_pruned > (len(file.data) - file.place) // 8:
        raise file.refuse(f"{size} dictionary entries and {num_pruned} pruned buckets cannot stand in its {len(file.data)} bytes")
    ends, counts, types = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.uint8)
    place = kernel.scan_entries(file.data, file.place, size, ends, counts, types)
    if place < 0:
        raise file.refuse("it ends inside its dictionary")
    if types[:num_words].any() or (types[num_words:] != 1).any():
        raise file.refuse("its dictionary does not hold words first and labels behind them")
    label_counts = counts[num_words:].tolist()
    if min(label_counts) < 0 or max(label_counts) >= _MAX_LABEL_COUNT:
        raise file.refuse(f"a label's count lies outside 0 to {_MAX_LABEL_COUNT}")
    data, ends = _packed(file.data, file.place, ends)
    file.place = place
    pruned = file.take("<i4", 2 * num_pruned).reshape(-1, 2) if num_pruned >= 0 else None
    return _Dictionary(num_words, num_labels, data, ends, label_counts, pruned)


def _packed(data: NDArray[np.uint8], start: int, ends: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The entries' bytes without what stands between them, and where each ends."""
    begins = np.concatenate(([start], ends[:-1] + 10))
    lengths = ends - begins
    packed_ends = np.cumsum(lengths)
    places = np.arange(int(packed_ends[-1])) + np.repeat(begins - (packed_ends - lengths), lengths)
    return data[places], packed_ends


def _read_matrix(file: _File, dim: int, quantised: bool) -> _Matrix:
    has_norms = quantised and file.flag("norms")
    rows, columns = file.take("<i8", 2).tolist()
    if columns != dim or rows < 0:
        raise file.refuse(f"a matrix has {rows} rows of {columns} numbers, where its settings say {dim}")
    if rows * dim * 4 > _MAX_DECODED_BYTES:
        raise file.refuse(f"a matrix of {rows} × {dim} numbers would take more than {_MAX_DECODED_BYTES >> 30} GiB")
    if not quantised:
        values = file.take("<f4", rows * dim).reshape(rows, dim)
        norms = np.ones(rows, np.float32)
    else:
        codes = file.take("u1", file.number("<i4"))
        values = _decoded(file, codes, rows, dim)
        norms = _decoded(file, file.take("u1", rows), rows, 1)[:, 0].copy() if has_norms else np.ones(rows, np.float32)
    if not (np.isfinite(values).all() and np.isfinite(norms).all()):
        raise file.refuse("a matrix holds numbers that are not finite")
    return _Matrix(values, norms)


def _decoded(file: _File, codes: NDArray[np.uint8], rows: int, dim: int) -> NDArray[np.float32]:
    """The rows that codes stand for, by the product quantiser that comes next in the file."""
    width, num_pieces, piece, last = file.take("<i4", 4).tolist()
    if width != dim or num_pieces < 1 or piece < 1 or not 1 <= last <= piece or (num_pieces - 1) * piece + last != dim:
        raise file.refuse(f"a product quantiser divides {width} numbers into {num_pieces} × {piece}, the last {last}, where rows have {dim}")
    if len(codes) != rows * num_pieces:
        raise file.refuse(f"a quantised matrix has {len(codes)} codes for {rows} rows of {num_pieces}")
    centroids = file.take("<f4", dim * _CENTROIDS)
    by_row = codes.reshape(rows, num_pieces)
    values = np.empty((rows, dim), np.float32)
    for number in range(num_pieces):
        start, size = number * piece, last if number == num_pieces - 1 else piece
        table = centroids[start * _CENTROIDS : (start + size) * _CENTROIDS].reshape(_CENTROIDS, size)
        values[:, start : start + size] = table[by_row[:, number]]
    return values


def _check_rows(file: _File, settings: dict[str, int], dictionary: _Dictionary, inputs: _Matrix, outputs: _Matrix) -> None:
    """Every row that can be asked for must be there."""
    needed = dictionary.num_words
    if dictionary.pruned is not None:
        buckets, rows = dictionary.pruned.T
        if len(rows) and (min(buckets.min(), rows.min()) < 0 or rows.max() >= len(inputs.rows) - needed):
            raise file.refuse("a pruned bucket's row lies outside the input matrix")
    elif settings["maxn"] > 0 or settings["word_ngrams"] > 1:
        needed += settings["bucket"]
    if len(inputs.rows) < needed or len(outputs.rows) != dictionary.num_labels:
        found = f"{len(inputs.rows)} input and {len(outputs.rows)} output rows"
        raise file.refuse(f"its matrices have {found}, but {needed} features and {dictionary.num_labels} labels need one each")


def _tables(settings: dict[str, int], dictionary: _Dictionary, inputs: NDArray[np.float32], outputs: _Matrix) -> kernel.Model:
    size = len(dictionary.ends)
    pruned = dictionary.pruned if dictionary.pruned is not None else np.empty((0, 2), np.int32)
    hashed = settings["maxn"] > 0 or settings["word_ngrams"] > 1
    model = kernel.Model(
        num_words=dictionary.num_words,
        num_labels=dictionary.num_labels,
        loss=settings["loss"],
        min_ngram=settings["minn"],
        max_ngram=settings["maxn"],
        word_ngrams=settings["word_ngrams"],
        num_buckets=settings["bucket"] if hashed else 0,
        is_pruned=dictionary.pruned is not None,
        word_bytes=dictionary.data,
        word_ends=dictionary.ends,
        word_hashes=np.zeros(size, np.uint32),
        word_table=np.full(_power_of_two(4 * size), -1, np.int32),
        pruned_filter=np.zeros(_power_of_two(len(pruned)), np.uint8),  # 8 bits a bucket or more: 10% of the others look as if they were there
        pruned_table=np.full((_power_of_two(2 * len(pruned)), 2), -1, np.int32),
        input=inputs,
        output=outputs.rows,
        output_norms=outputs.norms,
        tree=_tree(dictionary.label_counts) if settings["loss"] == kernel.HIERARCHICAL_SOFTMAX else np.empty((0, 3), np.int32),
        sigmoids=kernel.sigmoid_table(),
    )
    kernel.fill_word_table(model)
    kernel.fill_pruned_table(pruned[:, 0].copy(), pruned[:, 1] + np.int32(dictionary.num_words), model.pruned_filter, model.pruned_table)
    return model


def _power_of_two(least: int) -> int:
    return 1 << math.ceil(math.log2(max(least, 2)))


def _tree(counts: list[int]) -> NDArray[np.int32]:
    """The Huffman tree of the labels as fastText builds it: rarest labels are the last ones, nodes not yet made are infinite."""
    num_labels = len(counts)
    weights = [*counts, *[_MAX_LABEL_COUNT] * (num_labels - 1)]
    tree = np.full((2 * num_labels - 1, 3), -1, np.int32)
    leaf, node = num_labels - 1, num_labels
    for made in range(num_labels, 2 * num_labels - 1):
        children = []
        for _ in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                children.append(leaf)
                leaf -= 1
            else:
                children.append(node)
                node += 1
        tree[made, :2] = children
        tree[children, 2] = made
        weights[made] = weights[children[0]] + weights[children[1]]
    return tree
