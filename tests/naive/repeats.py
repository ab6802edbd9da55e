"""Repeated pieces and substrings by their definitions (the plain twin of curate.dedup's cuts)."""

import re
import unicodedata
from collections.abc import Sequence

from tests.naive.words import fold, words


def token_list(text: str, equality: str) -> tuple[list[str], list[int]]:
    """The tokens of a text, told so that equal ones are equal strings, and the character each starts at."""
    starts, inside = [], False
    for place, character in enumerate(text):
        category = unicodedata.category(character)[0]
        alone = category in "LNM" and len(words(character + character)) == 2
        if alone or (category in "LNM" and not inside):
            starts.append(place)
        inside = category in "LNM" and not alone
    whole = [text[start:end] for start, end in zip(starts, [*starts, len(text)][1:], strict=True)]
    return (whole if equality == "bytes" else words(text)), starts


def repeated_positions(texts: Sequence[Sequence[str]], min_tokens: int) -> list[list[bool]]:
    """For every token of every text, whether it lies in a run of min_tokens tokens that stands at an earlier place, not overlapping it."""
    covered = [[False] * len(tokens) for tokens in texts]
    places: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for number, tokens in enumerate(texts):
        for start in range(len(tokens) - min_tokens + 1):
            run = tuple(tokens[start : start + min_tokens])
            if any(other != number or at + min_tokens <= start for other, at in places.get(run, [])):
                covered[number][start : start + min_tokens] = [True] * min_tokens
            places.setdefault(run, []).append((number, start))
    return covered


def first_runs(texts: Sequence[Sequence[str]], min_tokens: int) -> dict[tuple[str, ...], tuple[int, int]]:
    """Where every run of min_tokens tokens stands first."""
    first: dict[tuple[str, ...], tuple[int, int]] = {}
    for number, tokens in enumerate(texts):
        for start in range(len(tokens) - min_tokens + 1):
            first.setdefault(tuple(tokens[start : start + min_tokens]), (number, start))
    return first


def fingerprint_places(hashes: Sequence[int], width: int) -> list[int]:
    """Winnowing: in every window the last of the least hashes."""
    return [max(p for p in range(s, s + width) if hashes[p] == min(hashes[s : s + width])) for s in range(len(hashes) - width + 1)]


def piece_list(text: str, paragraphs: bool) -> list[tuple[str, str]]:
    """The pieces of a text as (content, separator); one after another they are the text."""
    parts = re.split(r"((?:\r?\n){2,})" if paragraphs else r"(\r?\n)", text)
    pieces = [(content, gap) for content, gap in zip(parts[::2], [*parts[1::2], ""], strict=True)]
    return [piece for piece in pieces if piece != ("", "")] if text else []


def normal_form(content: str) -> str:
    """Case folded, digits as 0, punctuation and controls gone, white space single."""
    found = []
    for character in content.replace("\r\n", "\n"):
        category = unicodedata.category(character)
        if character.isspace():
            found.append(" ")
        elif category[0] != "P" and category not in ("Cc", "Cf"):
            found.append("0" if category == "Nd" else fold(character))
    return re.sub(" +", " ", "".join(found)).strip(" ")


def num_words(content: str) -> int:
    return len(token_list(content, "words")[0])


def repeated_pieces(
    texts: Sequence[str], *, paragraphs: bool, max_documents: int, keep_first: bool, min_characters: int, min_words: int, normalised: bool
) -> list[set[int]]:
    """The numbers of the pieces to be cut from each text."""
    where: dict[str, list[tuple[int, int]]] = {}
    for number, text in enumerate(texts):
        for place, (content, _) in enumerate(piece_list(text, paragraphs)):
            form = normal_form(content) if normalised else content.replace("\r\n", "\n")
            if len(form) >= min_characters and num_words(content) >= min_words:
                where.setdefault(form, []).append((number, place))
    cut: list[set[int]] = [set() for _ in texts]
    for places in where.values():
        if len({number for number, _ in places}) > max_documents:
            for number, place in places[1:] if keep_first else places:
                cut[number].add(place)
    return cut
