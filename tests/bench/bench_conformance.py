"""Do our rules decide as the peers' own code does, on the same real documents?

    python -m tests.bench.bench_conformance --data CORPUS.jsonl --peers DIR [--dclm REPOSITORY] [--documents 5300] [--uniseg-documents 500]

CORPUS: JSON Lines with `text`; documents are taken evenly from all of it. DIR: environments made by `python -m tests.bench.peers dt dolma dclm`.
REPOSITORY: a clone of mlfoundations/dclm, whose filters are read from commit 361714bd; without it DCLM is left out.

1. datatrove's filters with our words and sentences put in place of its splitter: verdict and reason must be equal for every document;
   the exit code is 1 where one is not.
2. The same with datatrove's own splitter (spaCy): how often they agree, and every class of difference.
3. The numbers of Dolma's taggers, each compared for equality.
4. DCLM's filters, each for itself, with our words and with its own (uniseg) for n-grams.

Rules bound to languages are applied to every document here, as the peers apply theirs. A document with CR LF line ends may differ in 1 and 2
on purpose (one newline here, and no control character at the end of every line; see curate.measures.lines).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from curate.kernels.quality import terminal_marks
from curate.measures import measure
from curate.rules import RuleSettings, families, judge
from curate.rules.verdicts import passes
from tests.bench.conformance.tables import DATATROVE_REASONS, DCLM_STEPS, DOLMA_COUNTS, DOLMA_SHARES

DCLM_COMMIT = "361714bdd60bb9b7f4b2d8354cebbf0dec0c329e"
DCLM_FILES = (
    "baselines/mappers/core_utils.py",
    "baselines/mappers/filters/content_filters.py",
    "baselines/core/constants.py",
    "baselines/core/factory_utils.py",
)
Row = dict[str, Any]


def chosen(path: Path, number: int) -> list[str]:
    """Texts taken evenly from a file."""
    with path.open(encoding="utf-8") as lines:
        total = sum(1 for _ in lines)
    step = max(1, total // number)
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in islice(lines, 0, step * number, step)]


def ask(python: Path, module: str, *arguments: object) -> None:
    """Run a module of tests.bench.conformance in a peer's environment."""
    subprocess.run([str(python), "-m", f"tests.bench.conformance.{module}", *map(str, arguments)], check=True, stderr=subprocess.DEVNULL)


def rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def measured(texts: list[str], settings: RuleSettings) -> pl.DataFrame:
    """What the rules read, every document taken for English."""
    frame = pl.from_arrow(measure(texts, sorted((families(settings) | {"identity"}) - {"language"})))
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(language=pl.lit("en"))


def our_reasons(texts: list[str]) -> dict[str, list[str | None]]:
    """For each set the reason of our datatrove variant."""
    found = {}
    for name in DATATROVE_REASONS:
        settings = RuleSettings.model_validate({name: {"variant": "datatrove"}})
        found[name] = [reason and reason.partition(".")[2] for reason in judge(measured(texts, settings), settings).to_list()]
    return found


def compare_reasons(ours: dict[str, list[str | None]], theirs: Iterable[Row]) -> bool:
    """Print a line a set and every class of difference; whether all reasons are equal."""
    answers = list(theirs)
    all_equal = True
    for name, names in DATATROVE_REASONS.items():
        pairs = [(names[row[name]] if row[name] else None, our) for row, our in zip(answers, ours[name], strict=True)]
        same_verdict = sum((their is None) == (our is None) for their, our in pairs)
        same_reason = sum(their == our for their, our in pairs)
        all_equal &= same_reason == len(pairs)
        dropped = sum(their is not None for their, _ in pairs)
        print(f"{name:18}{len(pairs):7,}{dropped:9,}{same_verdict / len(pairs):10.2%}{same_reason / len(pairs):10.2%}")
        differing = Counter(pair for pair in pairs if pair[0] != pair[1])
        first = {pair: pairs.index(pair) for pair in differing}
        for (their, our), count in differing.most_common():
            print(f"    {count:5,}  theirs {their or 'keeps':42} ours {our or 'keeps':42} first: document {first[their, our]}")
    return all_equal


def compare_numbers(texts: list[str], theirs: Iterable[Row]) -> None:
    """Print how many documents have each of Dolma's numbers, and the greatest difference where they have not."""
    frame = measured(texts, RuleSettings.model_validate({name: {"variant": "dolma"} for name in ("gopher_quality", "gopher_repetition", "c4")}))
    ours: dict[tuple[str, str], list[float]] = {key: frame[column].to_list() for key, column in DOLMA_COUNTS.items()}
    for key, (numerator, denominator) in DOLMA_SHARES.items():
        ours[key] = [a / max(b, 1) for a, b in zip(frame[numerator], frame[denominator], strict=True)]
    answers = list(theirs)
    for (tagger, number), values in ours.items():
        pairs = [(value, row[tagger].get(number, 0)) for value, row in zip(values, answers, strict=True)]
        if tagger == "c4_v2" and number.startswith("has_"):
            pairs = [(min(value, 1), their) for value, their in pairs]
        same = sum(one == two for one, two in pairs)
        note = "" if same == len(pairs) else f"   greatest difference {max(abs(one - two) for one, two in pairs):.3g}"
        print(f"{tagger:12}{number:46}{same / len(pairs):10.2%}{note}")


def compare_steps(texts: list[str], theirs: Iterable[Row]) -> None:
    """Print for every filter of DCLM how often ours agrees."""
    settings = RuleSettings.model_validate({"dclm": {"max_cut_words_fraction": None}})
    rules = {reason.partition(".")[2]: rule for reason, rule in settings.active()}
    frame = measured(texts, settings)
    answers = list(theirs)
    for step, names in DCLM_STEPS.items():
        kept: Callable[[str], pl.Series] = lambda name: frame.select(passes(rules[name])).to_series()  # noqa: E731
        ours = [all(values) for values in zip(*map(kept, names), strict=True)]
        pairs = [(our, row[step]) for our, row in zip(ours, answers, strict=True)]
        same = sum(one == two for one, two in pairs)
        dropped = sum(not two for _, two in pairs)
        only_ours, only_theirs = sum(not one and two for one, two in pairs), sum(one and not two for one, two in pairs)
        print(f"{step:24}{len(pairs):7,}{dropped:9,}{same / len(pairs):10.2%}   only ours drops {only_ours}, only theirs {only_theirs}")


def dclm_files(repository: Path, into: Path) -> Path:
    """DCLM's filter functions as of the commit."""
    for name in DCLM_FILES:
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(subprocess.run(["git", "-C", str(repository), "show", f"{DCLM_COMMIT}:{name}"], check=True, capture_output=True).stdout)
    return into


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--dclm", type=Path)
    parser.add_argument("--documents", type=int, default=5300)
    parser.add_argument("--uniseg-documents", type=int, default=500, help="it splits some 20 to 100 kB a second")
    given = parser.parse_args()
    texts = chosen(given.data, given.documents)
    python = {name: given.peers.absolute() / name / "bin" / "python" for name in ("dt", "dolma", "dclm")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        documents, some, answers, marks = folder / "documents.jsonl", folder / "some.jsonl", folder / "answers.jsonl", folder / "marks.json"
        fewer = texts[:: max(1, len(texts) // given.uniseg_documents)]
        for path, held in ((documents, texts), (some, fewer)):
            path.write_text("".join(json.dumps({"text": text}) + "\n" for text in held), "utf-8")
        marks.write_text(json.dumps(list(map(chr, terminal_marks()))), "utf-8")
        ours = our_reasons(texts)
        head = f"{'':18}{'number':>7}{'dropped':>9}{'verdict':>10}{'reason':>10}"
        print(f"datatrove's filters, our words and sentences\n{head}", flush=True)
        ask(python["dt"], "datatrove_reasons", documents, answers, "--terminal", marks)
        conforms = compare_reasons(ours, rows(answers))
        print(f"\ndatatrove's filters as they are\n{head}", flush=True)
        ask(python["dt"], "datatrove_reasons", documents, answers)
        compare_reasons(ours, rows(answers))
        print(f"\nDolma's taggers: share of {len(texts):,} documents with the same number", flush=True)
        ask(python["dolma"], "dolma_numbers", documents, answers)
        compare_numbers(texts, rows(answers))
        if given.dclm:
            code = dclm_files(given.dclm, folder / "dclm")
            for title, path, held, flags in (("our words", documents, texts, ["--our-words"]), ("words as they are (uniseg)", some, fewer, [])):
                print(f"\nDCLM's filters, {title}\n{'':24}{'number':>7}{'dropped':>9}{'agree':>10}", flush=True)
                ask(python["dclm"], "dclm_steps", code, path, answers, *flags)
                compare_steps(held, rows(answers))
    sys.exit(0 if conforms else 1)


if __name__ == "__main__":
    main()
