"""Which documents does this benchmark item contaminate? All of them, with their places."""

from typing import Any

import pyarrow.compute as pc

from curate.contamination.hits import hits_of_item
from curate.errors import InputError
from curate.storage import read_table
from pipelines.context import Context
from pipelines.parts import parts
from pipelines.stages.decide import CERTIFICATE_FILE, HITS_FILE

PLACE = ["path", "offset", "row_group", "uri", "identifier"]


def explain_item(context: Context, query: str) -> dict[str, Any]:
    """The certificate's row of an item and every document it contaminates. query: BENCHMARK:ITEM_ID.

    Raises InputError where the run searched for no such item or has not decided yet.
    """
    benchmark, _, item_id = query.partition(":")
    names = [item.name for item in context.recipe.benchmarks]
    if benchmark not in names:
        raise InputError(f"--item {query}: give BENCHMARK:ITEM_ID; the benchmarks of this run are {', '.join(names) or 'none'}")
    if "select/ledger" not in context.journal.live:
        raise InputError(f"--item {query}: this run has not reached select, so no document was judged yet; run it further")
    certificate = read_table(context.run / CERTIFICATE_FILE)
    fits = pc.and_(pc.equal(certificate["benchmark"], benchmark), pc.equal(certificate["item_id"], item_id))
    if (row := pc.index(fits, True).as_py()) < 0:
        raise InputError(f"--item {query}: benchmark {benchmark!r} has no item {item_id!r}; items are named as in the report")
    told: dict[str, Any] = certificate.slice(row, 1).to_pylist()[0]
    return {name: told[name] for name in ("benchmark", "item_id", "status", "untestable", "untested_fields", "num_words", "num_ngrams")} | {
        "documents": _documents(context, row)
    }


def as_text(found: dict[str, Any]) -> str:
    """The answer for people."""
    head = f"benchmark {found['benchmark']} item {found['item_id']}: {found['status']}" + (f", {found['untestable']}" if found["untestable"] else "")
    lines = [f"{head} ({found['num_words']} words, {found['num_ngrams']} n-grams)"]
    if found["untested_fields"] and not found["untestable"]:
        lines.append(f"  not looked for by itself: {found['untested_fields']}")
    for document in found["documents"]:
        where = document["uri"] or f"{document['path']} at {document['offset']}"
        held = f"{document['matched_fraction']:.0%} of its n-grams, {document['covered_fraction']:.0%} of its words in one place"
        lines.append(f"  {document['document']}  {held}  {where}")
    return "\n".join(lines)


def _documents(context: Context, item: int) -> list[dict[str, Any]]:
    """In the order of the hits; the places of a part are read once."""
    by_id = {part.id: part for part in parts(context)}
    hits = hits_of_item(context.run / HITS_FILE, item)
    found = []
    for part_id in dict.fromkeys(hits["part"].to_pylist()):
        part = by_id[part_id]
        mine = hits.filter(pc.equal(hits["part"], part_id))
        places = read_table(context.run / part.document_file, PLACE).take(mine["row"]).to_pylist()
        for hit, place in zip(mine.to_pylist(), places, strict=True):
            held = {name: hit[name] for name in ("num_matched", "matched_fraction", "covered_fraction")}
            found.append({"document": f"{part.hex}:{hit['row']}", **held, **place})
    return found
