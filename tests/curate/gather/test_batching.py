import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.documents import DOCUMENTS
from curate.gather import batching as module
from curate.gather.batching import Batching
from curate.readers.json_blocks import rows_of
from curate.readers.records import Document

TEXTS = st.lists(st.text(min_size=1, max_size=30), max_size=40)


def written(batches: list[pa.RecordBatch]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, DOCUMENTS) as writer:
        for batch in batches:
            writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS, max_size=6), st.integers(1, 20), st.integers(1, 300), st.lists(st.booleans(), min_size=6, max_size=6))
def test_documents_one_by_one_and_as_columns_fill_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch, groups: list[list[str]], most: int, characters: int, as_columns: list[bool]
) -> None:
    monkeypatch.setattr(module, "_MAX_BATCH_DOCUMENTS", most)
    monkeypatch.setattr(module, "_MAX_BATCH_CHARACTERS", characters)
    paths = [f"{number}.jsonl" for number in range(len(groups))]
    one, many = Batching(paths), Batching(paths)
    singly: list[pa.RecordBatch] = []
    together: list[pa.RecordBatch] = []
    for number, texts in enumerate(groups):
        found = [Document(text, at, None, None if at % 3 else f"u{at}", None if at % 2 else str(at)) for at, text in enumerate(texts)]
        alone = [batch for document in found if (batch := one.add(number, document)) is not None]
        singly += alone
        if as_columns[number]:
            taken = list(many.add_rows(number, rows_of(found)))
            assert [found[until - 1].offset for until, _ in taken] == [until - 1 for until, _ in taken]
            together += [batch for _, batch in taken]
        else:
            together += [batch for document in found if (batch := many.add(number, document)) is not None]
        assert len(together) == len(singly)
    for batching, batches in ((one, singly), (many, together)):
        batches += [last] if (last := batching.rest()) is not None else []
        assert batching.rest() is None
    assert sum(batch.num_rows for batch in together) == sum(map(len, groups))
    assert all(batch.num_rows <= most for batch in together)
    assert written(together) == written(singly)
