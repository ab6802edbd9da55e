"""Plain twins of the words, lines and repetition families: one document at a time, in strings and sets."""

import re
import unicodedata
from collections import Counter

from curate.kernels.quality import terminal_marks
from tests.naive.sentences import count_sentences

SPACELESS = (
    (0x0E00, 0x0F00),
    (0x1000, 0x10A0),
    (0x1780, 0x1800),
    (0x3040, 0x3100),
    (0x31F0, 0x3200),
    (0x3400, 0x4DC0),
    (0x4E00, 0xA000),
    (0xF900, 0xFB00),
    (0x20000, 0x33480),
)
STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
TERMINAL = set(map(chr, terminal_marks()))


def stands_alone(character: str) -> bool:
    return any(start <= ord(character) < end for start, end in SPACELESS)


def split_words(text: str) -> list[str]:
    words, word = [], ""
    for character in text + " ":
        in_word = unicodedata.category(character)[0] in "LMN"
        if in_word and not stands_alone(character):
            folded = character.casefold()
            word += folded if len(folded) == 1 else character
            continue
        if word:
            words.append(word)
        word = ""
        if in_word:
            words.append(character)
    return words


def is_alphabetic(word: str) -> bool:
    return any(c.isalpha() or (stands_alone(c) and unicodedata.category(c)[0] == "M") for c in word)


def measure_words(text: str) -> dict[str, int]:
    words = split_words(text)
    stops = [word for word in words if word in STOP_WORDS]
    return {
        "num_words": len(words),
        "num_word_characters": sum(map(len, words)),
        "num_alphabetic_words": sum(map(is_alphabetic, words)),
        "num_hash_signs": text.count("#"),
        "num_ellipses": text.count("...") + text.count("…"),
        "num_stop_words": len(stops),
        "num_distinct_stop_words": len(set(stops)),
    }


def ascii_lower(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


def without_citations(line: str) -> str:
    return re.sub(r"\[[0-9]*\]|\[edit\]|\[citation needed\]", "", line)


def ending(line: str) -> str:
    line = without_citations(line)
    return "" if line.endswith("...") or not line else line[-1]


def measure_c4(lines: list[str], min_words: int, marks: str) -> list[int]:
    kept = sentences = placeholder = bracket = 0
    for line in lines:
        words = line.split()
        if any(len(word) > 1000 for word in words) or len(words) < min_words or (marks and (ending(line) == "" or ending(line) not in marks)):
            continue
        line = without_citations(line)
        lower = ascii_lower(line)
        placeholder += "lorem ipsum" in lower
        if "javascript" in lower:
            continue
        bracket += "{" in line
        if any(phrase in lower for phrase in POLICY):
            continue
        kept += 1
        sentences += count_sentences(line, TERMINAL)
    return [kept, sentences, placeholder, bracket]


def copies(pieces: list[str]) -> tuple[int, int]:
    """Second and later copies, and their characters."""
    seen: set[str] = set()
    number = characters = 0
    for piece in pieces:
        if piece in seen:
            number += 1
            characters += len(piece)
        seen.add(piece)
    return number, characters


def measure_lines(text: str) -> dict[str, int]:
    lines = [line.strip() for line in text.splitlines()]
    lower = [ascii_lower(line) for line in lines]
    counts = {
        "num_lines": len(lines),
        "num_bullet_lines": sum(line.startswith(("-", "•")) for line in lines),
        "num_ellipsis_lines": sum(line.endswith(("...", "…")) for line in lines),
        "num_sentences": sum(count_sentences(line, TERMINAL) for line in lines),
        "num_end_mark_lines": sum(ending(line) in tuple(".?!\"'") for line in lines),
        "num_few_word_lines": sum(len(line.split()) in (1, 2) for line in lines),
        "num_javascript_lines": sum("javascript" in line for line in lower),
        "num_policy_lines": sum(any(phrase in line for phrase in POLICY) for line in lower),
        "num_lorem_ipsum_lines": sum("lorem ipsum" in line for line in lower),
        "num_curly_bracket_lines": sum("{" in line for line in lines),
    }
    for variant, min_words, marks in (("c4", 3, ".?!\"'"), ("c4_any_ending", 3, ""), ("c4_code", 5, '.?!"')):
        names = ("lines", "sentences", "lorem_ipsum_lines", "curly_bracket_lines")
        counts |= {f"num_{variant}_{name}": count for name, count in zip(names, measure_c4(lines, min_words, marks), strict=True)}
    unix = text.replace("\r\n", "\n")
    text_lines = [line for line in unix.split("\n") if line.strip()]
    return counts | {
        "num_newlines": unix.count("\n"),
        "num_characters_without_newlines": len(unix.replace("\n", "")),
        "num_text_lines": len(text_lines),
        "num_terminal_text_lines": sum(line[-1] in TERMINAL for line in text_lines),
        "num_short_text_lines": sum(len(line) <= 30 for line in text_lines),
        "num_long_text_lines": sum(len(line) >= 200 for line in text_lines),
        "num_duplicate_text_line_characters": copies(text_lines)[1],
    }


def top_ngram_characters(words: list[str], n: int) -> int:
    ngrams = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
    if not ngrams:
        return 0
    ngram, count = ngrams.most_common(1)[0]
    return len(ngram) * count


def duplicate_ngram_characters(words: list[str], n: int) -> int:
    seen: set[tuple[str, ...]] = set()
    characters = i = 0
    while i + n <= len(words):
        ngram = tuple(words[i : i + n])
        if ngram in seen:
            characters += len("".join(ngram))
            i += n
        else:
            seen.add(ngram)
            i += 1
    return characters


def measure_repetition(text: str) -> dict[str, int]:
    unix, words = text.replace("\r\n", "\n"), split_words(text)
    lines, paragraphs = re.split("\n+", unix), re.split("\n{2,}", unix.strip())
    names = ("num_duplicate_lines", "num_duplicate_line_characters", "num_duplicate_paragraphs", "num_duplicate_paragraph_characters")
    return {
        "num_separate_lines": len(lines),
        "num_paragraphs": len(paragraphs),
        **dict(zip(names, (*copies(lines), *copies(paragraphs)), strict=True)),
        **{f"num_top_{n}_gram_characters": top_ngram_characters(words, n) for n in (2, 3, 4)},
        **{f"num_duplicate_{n}_gram_characters": duplicate_ngram_characters(words, n) for n in range(5, 11)},
    }
