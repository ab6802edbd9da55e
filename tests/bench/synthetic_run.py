"""A run folder of any size without archives of that size: real measures of the bundled samples, drawn again and again; the index and
the ledger are made from them by the stages themselves.

Every document has the measures of a chunk of a sample, drawn by a seeded generator, and a content id and a signature of its own, but for
the planted copies: one document in fifty repeats the one before it exactly, one in eight is near an earlier one of its part.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate import measures
from curate.dedup.near import NearSettings
from curate.documents import DOCUMENTS, as_text
from curate.measures import signature
from curate.storage import write_table
from pipelines import engine
from pipelines.context import Context
from pipelines.executors.local import Workers
from pipelines.journal import Entry
from pipelines.recipe import load
from pipelines.runs import quiet
from pipelines.stages import STAGES
from pipelines.units import Done, Unit, perform
from tests.samples import sample_texts

PART = 8192
SLICE = 1024
CHUNK = 3000  # characters
RECIPE = """\
name: synthetic
sources:
  - {name: web, paths: [web.jsonl], format: jsonl}
  - {name: books, paths: [books.jsonl], format: jsonl}
slice_bytes: 1024
rules:
  languages: {min_score: 0.2}
  gopher_repetition: {}
  gopher_quality: {}
  c4: {min_sentences: 1}
  fineweb: {}
held_out: {fraction: 0.01}
"""


def make_run(folder: Path, num_documents: int) -> Path:
    """Make the run in folder / "run", complete through select; returns its folder."""
    run = folder / "run"
    num_parts = max(2, -(-num_documents // PART))
    for name, parts in (("web", num_parts - num_parts // 4), ("books", num_parts // 4)):
        (folder / f"{name}.jsonl").write_bytes(b'{"text": "gathered elsewhere"}'.ljust(SLICE - 1) + b"\n" + (b" " * (SLICE - 1) + b"\n") * (parts - 1))
    (folder / "recipe.yaml").write_text(RECIPE, "utf8")
    recipe = load(folder / "recipe.yaml")
    run.mkdir()
    (run / "recipe.yaml").write_text(recipe.as_yaml(), "utf8")
    context = Context.open(recipe, run)
    drawn = _Drawn()
    made = 0
    for phase in STAGES["gather"]:
        for unit in phase(context):
            if unit.name in context.journal.live:
                continue
            if not unit.name.startswith("gather/part/"):
                context.journal.record(perform(unit, run))
                continue
            here = min(PART, num_documents - made)
            made += here
            context.journal.record(_gathered(run, unit, here))
    for unit in (unit for phase in STAGES["measure"] for unit in phase(context)):
        _, family, part = unit.name.split("/")
        num = context.journal.live[f"gather/part/{part}"].counts["documents"]
        table = drawn.signatures(int(part, 16), num) if family == "signature" else drawn.measured(family, int(part, 16), num)
        compression = None if family == "signature" else "zstd"
        context.journal.record(_entry(run, unit, Done([write_table(unit.arguments["target"], table, compression=compression)])))
    context.inputs.save()
    with Workers(2) as pool:
        for stage in ("index", "select"):
            engine.bring_up_to_date(context, stage, pool, quiet)
    return run


def _entry(run: Path, unit: Unit, done: Done) -> Entry:
    outputs = {output.path.relative_to(run).as_posix(): (output.num_bytes, output.checksum) for output in done.outputs}
    return Entry(unit.name, unit.key, unit.ingredients, outputs, done.counts)


def _gathered(run: Path, unit: Unit, num_documents: int) -> Entry:
    part, source = unit.arguments["slice"]["part"], unit.arguments["slice"]["source"]
    columns: dict[str, Any] = {name: pa.nulls(num_documents, DOCUMENTS.field(name).type) for name in DOCUMENTS.names}
    columns["text"] = pa.array([f"document {row} of part {part:08x}" for row in range(num_documents)], pa.large_string())
    columns["path"] = pa.array([f"{source}.jsonl"] * num_documents).dictionary_encode()
    columns["offset"] = pa.array(np.arange(num_documents))
    output = write_table(run / f"documents/{part:08x}.arrow", pa.table(list(columns.values()), schema=DOCUMENTS), rows_per_batch=1024)
    counts = {"part": part, "source": source, "records": num_documents, "documents": num_documents, "dropped": {}, "quarantined": {}, "ends": []}
    return _entry(run, unit, Done([output], counts))


class _Drawn:
    """The measures that documents are drawn from."""

    def __init__(self) -> None:
        chunks = [text[start : start + CHUNK] for text in sample_texts() for start in range(0, min(len(text), 20 * CHUNK), CHUNK)]
        texts = as_text(chunks)
        self._tables = {name: measures.measure(texts, [name]) for name in ("identity", "language", "words", "lines", "repetition")}
        self._num = len(chunks)
        self._near = NearSettings()

    def measured(self, family: str, part: int, num_documents: int) -> pa.Table:
        rows = np.random.default_rng([part, 0]).integers(0, self._num, num_documents)
        rows[_copies(num_documents)] = rows[_copies(num_documents) - 1]
        table = self._tables[family].take(pa.array(rows)).unify_dictionaries()
        if family != "identity":
            return table
        ids = np.random.default_rng([part, 1]).integers(0, 256, (num_documents, 16), dtype=np.uint8)
        ids[_copies(num_documents)] = ids[_copies(num_documents) - 1]
        column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), num_documents, [None, pa.py_buffer(ids.tobytes())])
        return table.set_column(0, table.schema.field("content_id"), column)

    def signatures(self, part: int, num_documents: int) -> pa.Table:
        rng, width = np.random.default_rng([part, 2]), self._near.num_perm
        values = rng.integers(0, 2**32, (num_documents, width), dtype=np.uint32)
        near = np.arange(8, num_documents, 8)
        values[near] = values[rng.integers(0, near)]
        changed = rng.random((len(near), width)) < rng.choice([0.02, 0.1, 0.2, 0.4], (len(near), 1))
        values[near] = np.where(changed, rng.integers(0, 2**32, changed.shape, dtype=np.uint32), values[near])
        values[_copies(num_documents)] = values[_copies(num_documents) - 1]
        schema = signature.schema(self._near.signature)
        column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), type=schema.field("signature").type)
        return pa.table([column, pa.array(np.full(num_documents, 400))], schema=schema)


def _copies(num_documents: int) -> Any:
    return np.arange(49, num_documents, 50)
