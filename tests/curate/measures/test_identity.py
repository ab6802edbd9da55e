import pyarrow as pa
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import as_text
from curate.measures import identity
from tests.corpus import TEXTS


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=5))
def test_identity_is_the_hash_and_the_lengths_of_each_text(texts: list[str]) -> None:
    found = identity.measure(as_text(texts), identity.Settings())
    assert found.schema == identity.SCHEMA
    assert found["content_id"].to_pylist() == [xxhash.xxh3_128_digest(text.encode()) for text in texts]
    assert found["num_bytes"].to_pylist() == [len(text.encode()) for text in texts]
    assert found["num_characters"].to_pylist() == [len(text) for text in texts]


def test_a_slice_of_a_column_is_measured_as_itself() -> None:
    texts = as_text(["no", "é", "中文", "no"])
    sliced = identity.measure(texts.slice(1, 2), identity.Settings())
    assert sliced == identity.measure(pa.array(["é", "中文"], pa.large_string()), identity.Settings())
