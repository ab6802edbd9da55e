from itertools import pairwise

import pyarrow as pa
import pytest
import xxhash

from curate.documents import as_text, content_ids, content_words, text_buffers

TEXTS = ["", "plain", "ünïcode 日本語", "x" * 1000]


def test_text_comes_in_as_a_list_an_array_or_a_chunked_array() -> None:
    whole = as_text(TEXTS)
    assert whole.type == pa.large_string()
    assert as_text(pa.array(TEXTS)) == whole
    assert as_text(pa.chunked_array([TEXTS[:2], TEXTS[2:]])) == whole


def test_a_null_text_is_refused() -> None:
    with pytest.raises(ValueError, match="1 of 2 texts are null"):
        as_text(pa.array(["a", None]))


def test_buffers_of_a_slice_point_at_its_own_texts() -> None:
    data, offsets = text_buffers(as_text(TEXTS).slice(1, 2))
    assert [bytes(data[start:end]).decode() for start, end in pairwise(offsets)] == TEXTS[1:3]


def test_buffers_of_no_texts_are_empty() -> None:
    data, offsets = text_buffers(as_text([]))
    assert data.size == 0
    assert offsets.tolist() == [0]


def test_a_content_id_is_the_xxh3_128_of_the_bytes() -> None:
    ids = content_ids(as_text(TEXTS))
    assert [value.as_py() for value in ids] == [xxhash.xxh3_128_digest(text.encode()) for text in TEXTS]
    assert content_ids(as_text(TEXTS).slice(2)).to_pylist() == ids.to_pylist()[2:]
    words = content_words(ids)
    assert [(int(high) << 64) | int(low) for high, low in words] == [xxhash.xxh3_128_intdigest(text.encode()) for text in TEXTS]
    assert content_words(ids.slice(1, 2)).tolist() == words[1:3].tolist()
