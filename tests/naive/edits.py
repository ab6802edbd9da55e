"""Plain twins of the edits: one text at a time, in strings and regular expressions."""

import re

from tests.naive.quality import POLICY, ascii_lower, ending, without_citations

Span = tuple[int, int, str]  # start, end (bytes), what stands in its place
COUNTERS = "likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes|downloads|views|followers"


def apply(text: str, spans: list[Span]) -> str:
    data, out, done = text.encode(), b"", 0
    for start, end, piece in sorted(spans):
        out += data[done:start] + piece.encode()
        done = end
    return (out + data[done:]).decode()


def merge(length: int, earlier: list[Span], later: list[Span]) -> list[Span]:
    """Byte by byte: the earlier spans whole, and what is left of each later one, its replacement at its first piece."""
    owner = [-1] * length
    for number, (start, end, _) in enumerate([*later, *earlier]):
        for at in range(start, end):
            owner[at] = number
    merged = list(earlier)
    for number, (_, _, piece) in enumerate(later):
        mine = [at for at in range(length) if owner[at] == number]
        starts = [at for at in mine if at - 1 not in mine]
        for k, start in enumerate(starts):
            end = next(at for at in range(start, length + 1) if at not in mine)
            merged.append((start, end, piece if k == 0 else ""))
    return sorted(merged)


def split(text: str) -> list[tuple[str, str]]:
    """The lines of splitlines, each with its line end."""
    return [(line, whole[len(line) :]) for whole, line in zip(text.splitlines(keepends=True), text.splitlines(), strict=True)]


def join(lines: list[tuple[str, str]], kept: list[tuple[str, str]]) -> str:
    """Lines put together again; if the last one went and had no line end, the new last one has none either."""
    if lines and kept and lines[-1][1] == "" and kept[-1][1] != "":
        kept = [*kept[:-1], (kept[-1][0], "")]
    return "".join(line + end for line, end in kept)


def keeps_c4(line: str, min_words: int, marks: str, max_word: int = 1000) -> bool:
    words, lower = line.split(), ascii_lower(without_citations(line))
    ended = not marks or (ending(line.strip()) != "" and ending(line.strip()) in marks)
    return (
        len(words) >= min_words
        and ended
        and all(len(word) <= max_word for word in words)
        and "javascript" not in lower
        and not any(phrase in lower for phrase in POLICY)
    )


def edit_c4(text: str, min_words: int, marks: str) -> str:
    lines = split(text)
    strip = re.compile(r"\[[0-9]*\]|\[edit\]|\[citation needed\]")
    return join(lines, [(strip.sub("", line), end) for line, end in lines if keeps_c4(line, min_words, marks)])


def edit_noise(line: str, phrases: list[re.Pattern[str]]) -> str | None:
    """A line without its phrases; None where it goes."""
    if sum(c.isupper() for c in line) / len(line) > 0.5 or sum(c.isdigit() for c in line) / len(line) > 0.999999:
        return None
    if re.search(rf"^\W*\d(?:,|\.|\d)*[kmb]?\s+(?:{COUNTERS})\W*$", ascii_lower(line)) or len(line.split()) < 2:
        return None
    for phrase in phrases:
        if len(line.split()) <= 10:
            left = phrase.sub("", line)
            if not left.strip():
                return None
            line = left
    return line


def edit_refinedweb(text: str) -> str:
    phrases = [re.compile(pattern, re.IGNORECASE) for pattern in (r"\s?items in cart", r"\s?read more(?:\.\.\.|…)?\Z", r"\Asign-in\s?")]
    lines, kept = split(text), []
    for line, end in lines:
        bare = line.strip()
        left = edit_noise(bare, phrases) if bare else bare
        if left is not None:
            before = len(line) - len(line.lstrip()) if bare else 0
            kept.append((line[:before] + left + line[before + len(bare) :], end))
    return join(lines, kept)


def edit_dclm(text: str) -> str:
    phrases = [re.compile(pattern, re.IGNORECASE) for pattern in (r"\s?items in cart", r"\s?read more...\Z", r"\Asign-in\s?")]
    core = text.strip()
    if not core:
        return text
    start = text.index(core)
    edited = [edit_noise(line, phrases) if line else line for line in core.split("\n")]
    return text[:start] + "\n".join(line for line in edited if line is not None) + text[start + len(core) :]
