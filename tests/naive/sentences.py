"""Sentences of a line, one character at a time. Needs nothing but Python, so that peers' environments can run it."""

import unicodedata
from collections.abc import Container


def is_closer(character: str) -> bool:
    return character in "\"'" or unicodedata.category(character) in ("Pe", "Pf")


def count_sentences(line: str, terminal: Container[str]) -> int:
    """Cut after each run of terminal marks and closers that stands before white space or the end, or holds a mark beyond ASCII."""
    sentences, at = [""], 0
    while at < len(line):
        if line[at] not in terminal:
            sentences[-1] += line[at]
            at += 1
            continue
        end = at
        while end < len(line) and (line[end] in terminal or is_closer(line[end])):
            end += 1
        sentences[-1] += line[at:end]
        if end == len(line) or line[end].isspace() or any(c in terminal and not c.isascii() for c in line[at:end]):
            sentences.append("")
        at = end
    return sum(1 for sentence in sentences if sentence.strip())
