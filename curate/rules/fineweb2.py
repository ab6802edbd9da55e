"""FineWeb-2's limits by language (huggingface/fineweb-2 d0defb24, configs/<language>_<script>.yml and fineweb-2-pipeline.py).

They were fitted on text of each language so that a rule drops about as much of it as FineWeb's does of English. FineWeb-2 leaves out the
rules over paragraphs, short lines and characters in duplicate lines of Gopher's set, and C4's. Of its rules these are here:
those of datatrove's definitions, over our words. Its score limits are for another language model (GlotLID) and not here.

In scripts written without spaces a word is one character here, and a word of several for FineWeb-2's splitters. There
limits on words and per word are converted by the mean number of characters a word has (CHARACTERS_PER_WORD, measured with the
splitters that datatrove uses on the Universal Declaration of Human Rights), and limits on word length and on n-grams of words
stay off: five single characters are no 5-gram of words, and no factor makes them one. Thai has no list of stop words (see
`curate.rules.stop_words`), so that rule stays off too.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from curate.rules.rule import Limit
from curate.rules.stop_words import STOP_WORDS

SOURCE = "fineweb-2 d0defb24, configs/{}.yml"


class Published(NamedTuple):
    """A row of the table; the limits of n-grams are those of n = 2 to 10."""

    config: str
    duplicate_lines: float
    ngrams: tuple[float, ...]
    word_length: tuple[int, int]
    alphabetic: float
    terminal_lines: float
    newlines_per_word: float


# fmt: off
PUBLISHED = {
    "cs": Published("ces_Latn", 0.311, (0.206, 0.183, 0.165, 0.168, 0.157, 0.145, 0.133, 0.121, 0.109), (3, 11), 0.781, 0.06, 0.182),
    "da": Published("dan_Latn", 0.305, (0.367, 0.297, 0.232, 0.169, 0.158, 0.147, 0.134, 0.123, 0.112), (3, 11), 0.798, 0.1, 0.182),
    "de": Published("deu_Latn", 0.263, (0.169, 0.153, 0.137, 0.141, 0.134, 0.126, 0.117, 0.108, 0.098), (0, 15), 0.774, 0.0, 0.152),
    "es": Published("spa_Latn", 0.252, (0.156, 0.140, 0.125, 0.145, 0.136, 0.127, 0.117, 0.108, 0.099), (3, 14), 0.825, 0.182, 0.138),
    "fi": Published("fin_Latn", 0.293, (0.253, 0.202, 0.179, 0.153, 0.143, 0.133, 0.122, 0.112, 0.101), (3, 14), 0.755, 0.114, 0.161),
    "fr": Published("fra_Latn", 0.264, (0.161, 0.149, 0.134, 0.150, 0.141, 0.131, 0.121, 0.111, 0.100), (2, 11), 0.812, 0.1, 0.185),
    "it": Published("ita_Latn", 0.246, (0.198, 0.156, 0.133, 0.144, 0.136, 0.127, 0.118, 0.109, 0.100), (3, 21), 0.807, 0.025, 0.2),
    "ja": Published("jpn_Jpan", 0.328, (0.239, 0.196, 0.172, 0.243, 0.225, 0.207, 0.190, 0.175, 0.159), (1, 6), 0.759, 0.096, 0.13),
    "nl": Published("nld_Latn", 0.296, (0.213, 0.182, 0.158, 0.156, 0.146, 0.136, 0.126, 0.115, 0.104), (3, 17), 0.828, 0.102, 0.154),
    "no": Published("nob_Latn", 0.283, (0.204, 0.175, 0.150, 0.146, 0.139, 0.128, 0.119, 0.110, 0.099), (3, 12), 0.783, 0.107, 0.167),
    "pl": Published("pol_Latn", 0.320, (0.222, 0.198, 0.176, 0.172, 0.160, 0.148, 0.136, 0.123, 0.111), (3, 12), 0.726, 0.087, 0.158),
    "pt": Published("por_Latn", 0.287, (0.371, 0.191, 0.163, 0.163, 0.153, 0.141, 0.130, 0.119, 0.108), (3, 13), 0.814, 0.077, 0.186),
    "ru": Published("rus_Cyrl", 0.322, (0.184, 0.164, 0.146, 0.168, 0.156, 0.145, 0.133, 0.121, 0.109), (3, 11), 0.713, 0.231, 0.139),
    "sv": Published("swe_Latn", 0.292, (0.242, 0.195, 0.174, 0.156, 0.147, 0.136, 0.125, 0.116, 0.105), (3, 12), 0.841, 0.2, 0.135),
    "th": Published("tha_Thai", 0.349, (0.221, 0.197, 0.162, 0.185, 0.168, 0.152, 0.137, 0.124, 0.111), (2, 10), 0.9, 0.0, 0.153),
    "tr": Published("tur_Latn", 0.272, (0.214, 0.168, 0.147, 0.154, 0.144, 0.134, 0.124, 0.113, 0.103), (3, 21), 0.773, 0.091, 0.222),
    "uk": Published("ukr_Cyrl", 0.300, (0.189, 0.172, 0.153, 0.160, 0.148, 0.136, 0.124, 0.113, 0.102), (3, 11), 0.694, 0.167, 0.175),
    "zh": Published("cmn_Hani", 0.287, (0.256, 0.201, 0.171, 0.198, 0.182, 0.167, 0.154, 0.140, 0.127), (1, 5), 0.735, 0.106, 0.178),
}
# fmt: on
# Words of the Universal Declaration as counted here, over those of sudachipy (mode C), pythainlp (newmm-safe) and jieba that
# hold a letter or number: 3,781 / 2,247; 8,920 / 1,858; 5,048 / 2,871 in both spellings of Chinese.
CHARACTERS_PER_WORD = {"ja": 1.68, "th": 4.80, "zh": 1.76}
_PER_WORD = ("max_hash_signs_per_word", "max_ellipses_per_word", "max_newlines_per_word")


def source(language: str) -> str:
    """Where the limits of a language come from."""
    return SOURCE.format(PUBLISHED[language].config)


def limits(language: str, in_force: Mapping[str, Mapping[str, Limit]]) -> dict[str, dict[str, Limit]]:
    """A language's limits, by set and rule.

    in_force: the limits of the sets that are on, whatever the language; only rules that occur there are given one. Where a
    word is one character, those over words are converted.
    """
    row = PUBLISHED[language]
    factor = CHARACTERS_PER_WORD.get(language)
    shortest, longest = row.word_length
    tops, duplicates = dict(zip((2, 3, 4), row.ngrams[:3], strict=True)), dict(zip(range(5, 11), row.ngrams[3:], strict=True))
    ngrams: dict[str, Limit] = {
        f"max_{kind}_{n}_gram_characters_fraction": limit for kind, of in (("top", tops), ("duplicate", duplicates)) for n, limit in of.items()
    }
    off: dict[str, Limit] = dict.fromkeys(
        ("max_duplicate_paragraphs_fraction", "max_duplicate_paragraph_characters_fraction", "max_duplicate_line_characters_fraction")
    )
    published: dict[str, dict[str, Limit]] = {
        "gopher_repetition": off | {"max_duplicate_lines_fraction": row.duplicate_lines} | (dict.fromkeys(ngrams) if factor else ngrams),
        "gopher_quality": {
            "min_mean_word_length": None if factor else float(shortest),
            "max_mean_word_length": None if factor else float(longest),
            "min_alphabetic_words_fraction": row.alphabetic,
            "min_stop_words": 2 if language in STOP_WORDS else None,
        },
        "fineweb": {
            "min_terminal_lines_fraction": row.terminal_lines,
            "max_short_lines_fraction": None,
            "max_duplicate_line_characters_fraction": 0.1,
            "max_newlines_per_word": row.newlines_per_word,
        },
    }
    found = {name: {rule: limit for rule, limit in published[name].items() if rule in in_force[name]} for name in published if name in in_force}
    return _per_character(found, in_force, factor) if factor else found


def _per_character(found: dict[str, dict[str, Limit]], in_force: Mapping[str, Mapping[str, Limit]], factor: float) -> dict[str, dict[str, Limit]]:
    """Limits over words for a language in which a word is one character."""
    for name in found:
        for rule in ("min_words", "max_words", *_PER_WORD):
            limit = found[name].get(rule, in_force[name].get(rule))
            if isinstance(limit, int | float):
                found[name][rule] = round(limit / factor, 4) if rule in _PER_WORD else math.ceil(limit * factor)
    return found
