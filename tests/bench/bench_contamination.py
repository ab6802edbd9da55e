"""Contamination, measured: recall by benchmark, item length and edit, false hits on look-alikes and on real text, speed.

    python -m tests.bench.bench_contamination [--data DIR] [--corpus FILE] [--every 3] [--megabytes 200]

DIR: the benchmarks' files under the names of FORMATS, those that are missing are left out; without it the two benchmarks that come with the
samples are measured. FILE: JSON Lines with a column of clean text (`text`); without it the sample texts stand in. Every third item is planted.
Beside ours stand two rules that any pipeline can have: any shared 13-gram, and any shared 12-gram with numbers made alike.

A cell is the percentage of planted items found: ours / 13-gram / 12-gram. Ours counts where the item itself is named; the others where
anything was hit, which is kinder to them.
"""

import argparse
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.json as pj

from curate.contamination.benchmark import BenchmarkSettings, choices, read_items
from curate.contamination.index import Index, IndexSettings, build_index, index_of
from curate.contamination.verdict import ContaminationSettings, item_table, owners, shares
from curate.documents import as_text, text_buffers
from curate.kernels.coverage import find_covered
from curate.kernels.ngrams import match_items
from curate.kernels.words import hash_words, word_tables
from curate.measures.benchmarks import find_hits
from tests.bench.ngram_rules import Rule, bare, simplified
from tests.curate.contamination.edits import EDITS, Planted, inside
from tests.curate.contamination.look_alikes import changed_fraction, look_alikes, sibling

SAMPLES = Path(__file__).parents[2] / "pipelines" / "samples"
FORMATS: dict[str, dict[str, Any]] = {
    "humaneval": {"path": "HumanEval.jsonl.gz", "fields": ["prompt", "canonical_solution"], "id_field": "task_id"},
    "gsm8k": {"path": "gsm8k-test.jsonl", "fields": ["question", "answer"]},
    "mbpp": {"path": "mbpp.jsonl", "fields": ["text", "code"], "id_field": "task_id"},
    "truthfulqa": {
        "path": "TruthfulQA.csv",
        "fields": ["Question", "Correct Answers", "Incorrect Answers"],
        "also": [["Question"], ["Question", "Best Answer"]],
    },
    "lambada": {"path": "lambada_openai.jsonl", "fields": ["context", "continuation"]},
    "piqa": {"path": "piqa.jsonl", "fields": ["query", "choices"], "labels": ["Question: "]},
    "arc": {"path": "arc_challenge.jsonl", "fields": ["query", "choices"], "labels": ["Question: "]},
    "hellaswag": {"path": "hellaswag_small.jsonl", "fields": ["query", "choices"]},
    "mmlu": {"path": "mmlu_small.jsonl", "fields": ["query"], "labels": ["Question: "]},
}
BUNDLED = {"gsm8k": "gsm8k-test-200.jsonl", "humaneval": "HumanEval.jsonl.gz"}
LENGTHS = ((0, 8, "<8"), (8, 13, "8–12"), (13, 25, "13–24"), (25, 50, "25–49"), (50, 1 << 30, "≥50"))
IN_PAGES = {"verbatim, in a page": "verbatim", "one in ten, in a page": "one word in ten"}
SPLITS = {"truthfulqa": re.compile(r";\s*"), "mmlu": re.compile(r"\s*\([A-D]\)\s*")}  # options that stand in one field


class Searcher(NamedTuple):
    """Ours and the two rules, over the same items."""

    ours: Index
    thirteen: Rule
    twelve: Rule

    def named(self, documents: Sequence[str]) -> list[set[tuple[str, str]]]:
        """The items that contaminate each document."""
        found = shares(find_hits(as_text(documents), self.ours)["hits"].combine_chunks(), self.ours.items, ContaminationSettings())
        result: list[set[tuple[str, str]]] = [set() for _ in documents]
        for document, row in zip(found.documents[found.enough].tolist(), found.rows[found.enough].tolist(), strict=True):
            result[document].add((self.ours.items["benchmark"][row].as_py(), self.ours.items["item_id"][row].as_py()))
        return result


def benchmarks(data: Path | None) -> list[BenchmarkSettings]:
    folder = data or SAMPLES / "benchmarks"
    settings = [
        BenchmarkSettings(name=name, **{**about, "path": str(folder / (about["path"] if data else BUNDLED.get(name, "-")))}) for name, about in FORMATS.items()
    ]
    return [each for each in settings if Path(each.path).exists()]


def planted(settings: BenchmarkSettings, every: int) -> dict[str, list[tuple[str, Planted]]]:
    """By choice of fields: item ids, and the items as they would be planted."""
    result: dict[str, list[tuple[str, Planted]]] = {}
    for place, fields in enumerate(choices(settings)):
        rows = read_items(settings).to_pylist()[place :: len(choices(settings))]
        split = SPLITS.get(settings.name)
        pieces = [[part for piece in row["pieces"] for part in (split.split(piece) if split else [piece]) if part.strip()] for row in rows]
        others = [tuple(" ".join(piece).split()) for piece in [*pieces[1:], pieces[0]]]
        items = [(row["item_id"], Planted(number, tuple(pieces[number]), others[number])) for number, row in enumerate(rows) if pieces[number]]
        result[" + ".join(fields)] = items[:: every if len(items) > 100 else 1]
    return result


def documents(items: list[tuple[str, Planted]], edit: str, page: Sequence[str]) -> list[tuple[str, int, str]]:
    """(item id, length in words, text) for every item that the edit applies to."""
    result = []
    for item_id, item in items:
        text = EDITS[IN_PAGES.get(edit, edit)](item)
        if text is not None and text.strip():
            length = int(hash_words(*text_buffers(as_text(["\n".join(item.pieces)])), word_tables())[1][1])
            result.append((item_id, length, inside(page, item, text) if edit in IN_PAGES else text))
    return result


def recall(searcher: Searcher, settings: BenchmarkSettings, every: int, page: Sequence[str]) -> Counter[tuple[str, str, str]]:
    """Print the table of one benchmark; returns counts by (length, edit, planted or who found it)."""
    totals: Counter[tuple[str, str, str]] = Counter()
    for fields, items in planted(settings, every).items():
        counts: Counter[tuple[str, str, str]] = Counter()
        for edit in [edit for edit in (*EDITS, *IN_PAGES) if edit != "question alone"]:  # which is a choice of fields of its own here
            made = documents(items, edit, page)
            texts = [text for _, _, text in made]
            ours = [(settings.name, item_id) in names for (item_id, _, _), names in zip(made, searcher.named(texts), strict=True)]
            flags = (ours, searcher.thirteen.flags(texts).tolist(), searcher.twelve.flags(texts).tolist())
            for (_, length, _), *found in zip(made, *flags, strict=True):
                bucket = next(name for low, high, name in LENGTHS if low <= length < high)
                counts[bucket, edit, "planted"] += 1
                for who, hit in zip(("ours", "13", "12"), found, strict=True):
                    counts[bucket, edit, who] += bool(hit)
        print(f"\n{settings.name}: {fields}, {len(items)} items planted")
        show(counts)
        totals += counts
    return totals


def show(counts: Counter[tuple[str, str, str]]) -> None:
    buckets = [name for _, _, name in LENGTHS if any(counts[name, edit, "planted"] for edit in (*EDITS, *IN_PAGES))]
    print(f"{'':24}" + "".join(f"{name + ' words':>20}" for name in buckets) + f"{'all':>20}")
    for edit in (*EDITS, *IN_PAGES):
        groups = [[bucket] for bucket in buckets] + [buckets]
        if sum(counts[bucket, edit, "planted"] for bucket in buckets):
            print(f"{edit:24}" + "".join(f"{_cell(counts, group, edit):>20}" for group in groups))
    sizes = [str(max(counts[bucket, edit, "planted"] for edit in EDITS)) for bucket in buckets]
    print(f"{'items':24}" + "".join(f"{size:>20}" for size in sizes))


def _cell(counts: Counter[tuple[str, str, str]], buckets: list[str], edit: str) -> str:
    total = sum(counts[bucket, edit, "planted"] for bucket in buckets)
    if not total:
        return "–"
    return " / ".join(f"{100 * sum(counts[bucket, edit, who] for bucket in buckets) / total:.4g}"[:4].rstrip(".") for who in ("ours", "13", "12"))


def false_hits(searcher: Searcher, known: list[BenchmarkSettings], corpus: list[str]) -> None:
    """Print how many texts that are no items are taken for one."""
    print(f"\n{'false hits':56}{'texts':>9}{'ours':>7}{'13-gram':>9}{'12-gram':>9}")
    sets: dict[str, list[str]] = {"look-alikes from templates": look_alikes(), "real text": corpus}
    listed: list[str] = []
    for settings in known:
        if settings.name == "gsm8k":
            questions = [item.pieces[0] for _, item in planted(settings, 1)["question"]]
            made = [(changed_fraction(question, other := sibling(number, question)), other) for number, question in enumerate(questions)]
            for low, high in ((0.0, 0.1), (0.1, 0.15), (0.15, 0.2), (0.2, 1.01)):
                sets[f"gsm8k, other numbers and names, {low:.0%}–{min(high, 1):.0%} of words differ"] = [text for share, text in made if low <= share < high]
    for name, texts in sets.items():
        named = searcher.named(texts)
        flags = [searcher.thirteen.flags(texts).sum(), searcher.twelve.flags(texts).sum()]
        print(f"{name:56}{len(texts):9,}{sum(map(bool, named)):7}{flags[0]:9}{flags[1]:9}")
        listed += [f"  {name}: {sorted(names)[:3]} in {text[:90]!r}" for text, names in zip(texts, named, strict=True) if names and "gsm8k" not in name]
    print("\n".join(listed[:40]))


def across(known: list[BenchmarkSettings]) -> None:
    """Print false hits among items of other benchmarks, and among the unseen half of the same one: some of those are twins in truth."""
    print(f"\n{'items held against an index without them':56}{'texts':>9}{'ours':>7}{'13-gram':>9}{'12-gram':>9}")
    texts = {settings.name: ["\n".join(item.pieces) for _, item in next(iter(planted(settings, 1).values()))] for settings in known}
    for settings in known:
        others = [each for each in known if each.name != settings.name]
        if not others:
            continue
        searcher = searcher_of(others)
        mine = texts[settings.name]
        named = searcher.named(mine)
        counts = [sum(map(bool, named)), searcher.thirteen.flags(mine).sum(), searcher.twelve.flags(mine).sum()]
        print(
            f"{settings.name + ' items against the other benchmarks':56}{len(mine):9,}"
            + "".join(f"{count:{width}}" for count, width in zip(counts, (7, 9, 9), strict=True))
        )
        for text, names in [(text, names) for text, names in zip(mine, named, strict=True) if names][:5]:
            print(f"  {sorted(names)[:2]} in {text[:110]!r}")


def searcher_of(known: list[BenchmarkSettings]) -> Searcher:
    texts = [row["text"] for settings in known for row in read_items(settings).to_pylist()[:: len(choices(settings))]]
    return Searcher(index_of(build_index(known, IndexSettings())), Rule(13, bare, texts), Rule(12, simplified, texts))


def untestable(index: Index) -> None:
    table = item_table(index.items, [], ContaminationSettings()).to_pylist()
    reasons = Counter((row["benchmark"], row["untestable"]) for row in table)
    print(f"{'benchmark':14}{'items':>7}{'testable':>10}   untestable")
    for name in dict.fromkeys(row["benchmark"] for row in table):
        why = ", ".join(f"{count} {reason}" for (benchmark, reason), count in sorted(reasons.items(), key=str) if benchmark == name and reason)
        total = sum(count for (benchmark, _), count in reasons.items() if benchmark == name)
        print(f"{name:14}{total:7}{reasons[name, None]:10}   {why or '–'}")
    print(f"{len(table):,} items, {owners(index.items).size:,} forms")


def speed(index: Index, corpus: list[str]) -> None:
    """MB/s of each step, the best of three: n-grams alone, as before short runs were looked up, and both."""
    data, offsets = text_buffers(as_text(corpus))
    megabytes = (offsets[-1] - offsets[0]) / 1e6
    seconds = dict.fromkeys(("words", "n-grams at every word", "runs", "n-grams near runs"), float("inf"))
    for _ in range(3):
        start = time.perf_counter()
        words, bounds = hash_words(data, offsets, word_tables())
        marks = [start, time.perf_counter()]
        match_items(words, bounds, index.table)
        marks.append(time.perf_counter())
        _, _, near, near_bounds = find_covered(words, bounds, index.seeds, index.texts)
        marks.append(time.perf_counter())
        match_items(near, near_bounds, index.table)
        marks.append(time.perf_counter())
        seconds = {name: min(value, taken) for (name, value), taken in zip(seconds.items(), np.diff(marks).tolist(), strict=True)}
    print(f"\nspeed on {megabytes:.0f} MB, one core: " + ", ".join(f"{name} {megabytes / value:,.0f} MB/s" for name, value in seconds.items()))
    before, after = seconds["words"] + seconds["n-grams at every word"], seconds["words"] + seconds["runs"] + seconds["n-grams near runs"]
    print(f"n-grams alone {megabytes / before:.0f} MB/s, with runs {megabytes / after:.0f} MB/s: {before / after:.2f} times as fast")


def clean_text(corpus: Path | None, megabytes: float) -> list[str]:
    if corpus is None:
        return [file.read_text("cp1252", "replace") for file in sorted((SAMPLES / "text").glob("*.txt"))]
    texts: list[str] = pj.read_json(corpus, pj.ReadOptions(block_size=64 << 20))["text"].to_pylist()
    sizes = np.cumsum([len(text) for text in texts])
    return texts[: int(np.searchsorted(sizes, megabytes * 1e6, side="right")) or 1]


def pages(texts: Sequence[str]) -> Iterator[str]:
    """The lines of the first texts, some 3,000 words."""
    count = 0
    for text in texts:
        for line in text.splitlines():
            yield line
            count += len(line.split())
            if count > 3000:
                return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--every", type=int, default=3)
    parser.add_argument("--megabytes", type=float, default=200)
    given = parser.parse_args()
    known, corpus = benchmarks(given.data), clean_text(given.corpus, given.megabytes)
    searcher = searcher_of(known)
    untestable(searcher.ours)
    page = list(pages(corpus))
    totals: Counter[tuple[str, str, str]] = Counter()
    for settings in known:
        totals += recall(searcher, settings, given.every, page)
    print("\nall benchmarks, every choice of fields: ours / 13-gram / 12-gram")
    show(totals)
    false_hits(searcher, known, corpus)
    across(known)
    speed(searcher.ours, corpus)


if __name__ == "__main__":
    main()
