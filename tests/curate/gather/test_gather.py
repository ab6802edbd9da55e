import gzip
import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.documents import DOCUMENTS, REFUSED
from curate.errors import AccountingError, InputError
from curate.gather.batching import Batching
from curate.gather.files import find_files
from curate.gather.gather import gather
from curate.gather.slices import Slice, check_ranges_meet, slices
from curate.readers import Limits, SourceSettings
from curate.storage import checksum, read_table
from tests.curate.readers.archives import by_warcio, page, response

LIMITS = Limits()


def run(root: Path, slice_: Slice, settings: SourceSettings, name: str = "out"):
    counts = gather(slice_, settings, LIMITS, root, root / name / "documents.arrow", root / name / "quarantine.arrow")
    return counts, read_table(root / name / "documents.arrow"), read_table(root / name / "quarantine.arrow")


def mixed_folder(root: Path) -> SourceSettings:
    (root / "in").mkdir()
    (root / "in/a.warc").write_bytes(by_warcio(5, False)[:-30])
    (root / "in/b.warc.gz").write_bytes(by_warcio(5, True))
    (root / "in/c.html").write_text(page(9))
    (root / "in/d.jsonl").write_text("\n".join([json.dumps({"text": f"line {number}", "id": number, "url": "u"}) for number in range(5)]) + "\nbad\n")
    (root / "in/e.jsonl.gz").write_bytes(gzip.compress(b'{"text": "z"}\n{"text": ""}\n'))
    pq.write_table(pa.table({"text": ["p0", None, "p2"]}), root / "in/f.parquet", row_group_size=2)
    (root / "in/g.txt").write_text("plain")
    (root / "in/h.txt").write_bytes(b"\xff\xfe\xff")
    return SourceSettings(name="mixed", paths=["in/*"])


def test_a_slice_becomes_two_row_exact_parts_and_sums_that_reconcile(tmp_path: Path) -> None:
    settings = mixed_folder(tmp_path)
    [slice_] = [Slice(1, "mixed", tuple(one for slice_ in slices(find_files(settings, tmp_path, LIMITS), 1 << 30) for one in slice_.ranges))]
    counts, documents, refused = run(tmp_path, slice_, settings)
    assert documents.schema.equals(DOCUMENTS)
    assert refused.schema.equals(REFUSED)
    assert counts.documents == documents.num_rows == 4 + 5 + 1 + 5 + 1 + 2 + 1
    assert counts.records == documents.num_rows + refused.num_rows
    assert counts.dropped == {"empty": 1, "warc_request": 10, "warc_warcinfo": 2}
    assert counts.quarantined == {"bad_json": 1, "no_text_field": 1, "truncated": 1, "undecodable": 1}
    by_path = {(row["path"], row["offset"], row["row_group"]): row for row in documents.to_pylist()}
    assert by_path["in/f.parquet", 0, 1]["text"] == "p2"
    assert by_path["in/d.jsonl", 0, None] == {"text": "line 0", "path": "in/d.jsonl", "offset": 0, "row_group": None, "uri": "u", "identifier": "0"}
    assert counts.outputs[0].checksum == checksum(tmp_path / "out/documents.arrow")
    assert counts.outputs[1].checksum == checksum(tmp_path / "out/quarantine.arrow")
    run(tmp_path, slice_, settings, "again")
    assert all((tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes() for name in ("documents.arrow", "quarantine.arrow"))


@pytest.mark.parametrize("slice_bytes", [700, 1500, 1 << 20])
def test_any_slicing_gives_the_same_documents(tmp_path: Path, slice_bytes: int) -> None:
    settings = mixed_folder(tmp_path)
    files = find_files(settings, tmp_path, LIMITS)
    rows, ends = [], []
    for number, slice_ in enumerate(slices(files, slice_bytes)):
        counts, documents, _ = run(tmp_path, slice_, settings, str(number))
        rows += [(row["path"], row["row_group"] or 0, row["offset"], row["text"]) for row in documents.to_pylist()]
        ends += counts.ends
    assert check_ranges_meet(ends) == []
    whole = [Slice(1, "mixed", slice_.ranges) for slice_ in slices(files, 1 << 40)]
    expected = [row for number, slice_ in enumerate(whole) for row in run(tmp_path, slice_, settings, f"w{number}")[1].to_pylist()]
    assert sorted(rows) == sorted((row["path"], row["row_group"] or 0, row["offset"], row["text"]) for row in expected)


def test_batches_are_small_and_share_one_dictionary(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": "x" * 100}) + "\n" for _ in range(3000)))
    (tmp_path / "b.jsonl").write_text("".join(json.dumps({"text": "y" * (3 << 20)}) + "\n" for _ in range(3)))
    settings = SourceSettings(name="s", paths=["*.jsonl"])
    [slice_] = [Slice(1, "s", tuple(one for slice_ in slices(find_files(settings, tmp_path, LIMITS), 1 << 40) for one in slice_.ranges))]
    run(tmp_path, slice_, settings)
    with pa.memory_map(str(tmp_path / "out/documents.arrow")) as file:
        reader = pa.ipc.open_file(file)
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
    assert sum(batch.num_rows for batch in batches) == 3003
    assert max(batch.num_rows for batch in batches) == 1024
    assert max(batch.column("text").nbytes for batch in batches) < 10 << 20


def test_memory_does_not_grow_with_the_slice(tmp_path: Path) -> None:
    settings = SourceSettings(name="s", paths=["*"])
    peaks = []
    for copies in (30, 300):
        (tmp_path / "a.jsonl").write_bytes((json.dumps({"text": "word " * 20_000}) + "\nbad\n").encode() * copies)
        [slice_] = slices(find_files(settings.model_copy(update={"paths": ["a.jsonl"]}), tmp_path, LIMITS), 1 << 40)
        tracemalloc.start()
        run_counts = gather(slice_, settings, LIMITS, tmp_path, tmp_path / "d.arrow", tmp_path / "q.arrow")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert run_counts.records == 2 * copies
    assert peaks[1] < 3 * peaks[0] + (4 << 20)
    assert peaks[1] < 40 << 20


def test_missing_files_are_errors_that_publish_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.warc").write_bytes(response(0))
    settings = SourceSettings(name="s", paths=["*.warc"])
    [slice_] = slices(find_files(settings, tmp_path, LIMITS), 1 << 30)
    (tmp_path / "a.warc").unlink()
    with pytest.raises(InputError, match=r"a\.warc cannot be read"):
        run(tmp_path, slice_, settings)
    assert list((tmp_path / "out").iterdir()) == []


def test_sums_that_do_not_reconcile_are_our_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.warc").write_bytes(response(0) + response(1))
    settings = SourceSettings(name="s", paths=["*.warc"])
    [slice_] = slices(find_files(settings, tmp_path, LIMITS), 1 << 30)
    real = Batching.rest
    monkeypatch.setattr(Batching, "rest", lambda self: batch.slice(1) if (batch := real(self)) is not None else None)
    with pytest.raises(AccountingError, match="2 records were read, but 1 documents"):
        run(tmp_path, slice_, settings)
    assert list((tmp_path / "out").iterdir()) == []
