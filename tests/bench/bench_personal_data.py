"""Precision and recall of the personal_data edit by kind, what it wrongly cuts among look-alikes, and its speed.

    python -m tests.bench.bench_personal_data [--data FILE] [--texts FILE] [--megabytes 20] [--repeats 3] [--misses N]

--data: a labelled set in the format of Presidio's synthetic data (JSON: a list of {full_text, spans: [{entity_type,
start_position, end_position}]}); without one only the look-alikes and the speed are measured, and the small labelled set of the
tests. --texts: what speed is measured on, as in bench_measures. --misses: print so many errors of each kind.

A label is found where a span of its kind overlaps it, exact where the span has its very bounds; a span is right where it
overlaps a label of its kind. Speed is printed beside that of Python's `re` with FineWeb's two patterns in the same process.
"""

import argparse
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.documents import as_text, text_buffers
from curate.edits.addresses import is_public
from curate.edits.personal_data import PersonalDataSettings, find_personal_data
from tests.bench.bench_measures import first_megabytes, made_up, read
from tests.personal_data_labelled import LABELLED, LOOK_ALIKES

KINDS = {"EMAIL_ADDRESS": "email", "IP_ADDRESS": "ip_address", "PHONE_NUMBER": "phone", "IBAN_CODE": "iban", "CREDIT_CARD": "card"}
# What FineWeb replaces (datatrove a649de79, formatters/pii.py), restated for Python's `re`.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
PLAIN = (re.compile(rf"\b{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}"), re.compile(rf"(?:{_BYTE}\.){{3}}{_BYTE}"))

Label = tuple[str, int, int]  # kind, start and end in characters


def labelled(path: Path) -> tuple[list[str], list[list[Label]]]:
    """The texts of a labelled set, with the labels of the kinds that are looked for."""
    items: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    labels = [[(KINDS[s["entity_type"]], s["start_position"], s["end_position"]) for s in item["spans"] if s["entity_type"] in KINDS] for item in items]
    return [item["full_text"] for item in items], labels


def found(texts: list[str], settings: PersonalDataSettings) -> list[list[Label]]:
    """The spans of each text, in characters."""
    spans = find_personal_data(as_text(texts), settings)
    result: list[list[Label]] = [[] for _ in texts]
    for row, start, end, edit in zip(*(column.tolist() for column in spans[:4]), strict=True):
        encoded = texts[row].encode()
        bounds = len(encoded[:start].decode()), len(encoded[:end].decode())
        result[row].append((spans.names[edit].partition(".")[2], *bounds))
    return result


def overlaps(one: Label, other: Label) -> bool:
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]


def score(name: str, texts: list[str], labels: list[list[Label]], misses: int) -> None:
    """Print a row for each kind."""
    answers = found(texts, PersonalDataSettings())
    print(f"\n{name}: {len(texts):,} texts\n{'kind':12}{'labels':>8}{'recall':>8}{'exact':>8}{'spans':>8}{'precision':>11}")
    for kind in PersonalDataSettings().replacements:
        wanted = [(row, label) for row, mine in enumerate(labels) for label in mine if label[0] == kind]
        spans = [(row, span) for row, mine in enumerate(answers) for span in mine if span[0] == kind]
        missed = [(row, label) for row, label in wanted if not any(overlaps(label, span) for span in answers[row])]
        wrong = [(row, span) for row, span in spans if not any(overlaps(label, span) for label in labels[row])]
        exact = sum(label in answers[row] for row, label in wanted)
        shares = [f"{part / whole:.1%}" if whole else "–" for part, whole in ((len(wanted) - len(missed), len(wanted)), (exact, len(wanted)))]
        precision = f"{1 - len(wrong) / len(spans):.1%}" if spans else "–"
        print(f"{kind:12}{len(wanted):8,}{shares[0]:>8}{shares[1]:>8}{len(spans):8,}{precision:>11}")
        for word, errors in (("missed", missed), ("wrong", wrong)):
            for row, (_, start, end) in errors[:misses]:
                print(f"    {word}: {texts[row][max(0, start - 30) : start]!r} [{texts[row][start:end]!r}] {texts[row][end : end + 15]!r}")


def look_alikes() -> None:
    """Print the share of look-alikes of each sort in which anything is cut."""
    print(f"\n{'look-alikes':28}{'texts':>6}{'cut':>8}")
    for name, texts in LOOK_ALIKES.items():
        cut = [text for text, spans in zip(texts, found(texts, PersonalDataSettings()), strict=True) if spans]
        print(f"{name:28}{len(texts):6}{len(cut) / len(texts):8.1%}  {'; '.join(cut[:3])}")


def speeds(texts: pa.LargeStringArray, repeats: int) -> Iterator[tuple[str, float]]:
    """The best processor time of this edit, of its part that FineWeb has, and of `re` doing that part."""
    both = PersonalDataSettings(phone=None, iban=None, card=None, secret=None)
    find_personal_data(texts.slice(0, 1), both)
    strings = texts.to_pylist()

    def with_re() -> None:
        for text in strings:
            for pattern, is_address in zip(PLAIN, (False, True), strict=True):
                for match in pattern.finditer(text):
                    if is_address and not re.search(r"(?:^|\.)0[0-9]", match.group()):
                        is_public(match.group().encode())

    ways = {
        "every kind": lambda: find_personal_data(texts, PersonalDataSettings()),
        "e-mail and IP": lambda: find_personal_data(texts, both),
        "e-mail and IP, with re": with_re,
    }
    for name, way in ways.items():
        seconds = []
        for _ in range(repeats if name != "e-mail and IP, with re" else 1):
            start = time.process_time()
            way()
            seconds.append(time.process_time() - start)
        yield name, min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--misses", type=int, default=0)
    given = parser.parse_args()
    score("labelled sentences of the tests", [text for text, _ in LABELLED], [labels for _, labels in LABELLED], given.misses)
    if given.data:
        score(given.data.name, *labelled(given.data), given.misses)
    else:
        print("\nno --data: give a labelled set in the format of Presidio's synthetic data to measure precision and recall on it")
    look_alikes()
    texts = first_megabytes(read(given.texts, given.column) if given.texts else made_up(), given.megabytes)
    _, offsets = text_buffers(texts)
    megabytes = (offsets[-1] - offsets[0]) / 1e6
    print(f"\n{len(texts):,} documents, {megabytes:.1f} MB; best of {given.repeats}, one core")
    for name, seconds in speeds(texts, given.repeats):
        print(f"{name:24}{megabytes / seconds:9.0f} MB/s")


if __name__ == "__main__":
    main()
