"""RefinedWeb's line-wise corrections and DCLM's reading of them, as cuts.

RefinedWeb (Penedo et al. 2023, arXiv 2306.01116, appendix G.2) cuts lines that are mainly upper-case, only numerical, a counter
such as "3 likes", or of one word, and edits lines of at most 10 words that begin with "sign-in", end with "Read more..." or
hold "items in cart"; it gives these as examples, so the other forms in the defaults are ours. DCLM (arXiv 2406.11794; code:
dclm 361714bd, baselines_configs/dclm_baseline_refinedweb.yaml and mappers/modifiers.py) has the numbers: more than half of the
characters in upper case, more than 0.999999 of them digits, twelve nouns of counters, fewer than 2 words.

Of each phrase the phrase alone goes, with one white space beside it; a line of which nothing is left goes whole. In DCLM the
phrases are regular expressions, so that the full stops of "Read more..." stand for any character. Both drop a page of which
more than 5% of the words went: that is a rule over the columns of the family `edits`, not an edit.
Differences from DCLM's code: white space at both ends of a text stays (the code strips it after each step), and case is
folded for ASCII letters only.
"""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.documents import text_buffers
from curate.edits.settings import DclmEditSettings, LineNoiseSettings, RefinedWebEditSettings
from curate.edits.spans import Spans, spans_of_cuts
from curate.kernels.line_noise import NoiseTables, Phrases, find_noise_cuts, noise_flags

KINDS = ("upper_case_lines", "numeric_lines", "counter_lines", "short_lines", "anywhere_phrases", "end_phrases", "start_phrases")


def find_refinedweb(texts: pa.LargeStringArray, settings: RefinedWebEditSettings) -> Spans:
    """What RefinedWeb's corrections cut from each text."""
    return _find(texts, settings, "refinedweb", as_they_stand=False)


def find_dclm(texts: pa.LargeStringArray, settings: DclmEditSettings) -> Spans:
    """What DCLM's modifiers cut from each text."""
    return _find(texts, settings, "dclm", as_they_stand=True)


def _find(texts: pa.LargeStringArray, settings: LineNoiseSettings, name: str, *, as_they_stand: bool) -> Spans:
    data, offsets = text_buffers(texts)
    phrases = [_encoded(chosen, any_stop=as_they_stand) for chosen in (settings.anywhere_phrases, settings.end_phrases, settings.start_phrases)]
    tables = NoiseTables(noise_flags(), _beginnings(phrases), _encoded(settings.counters, any_stop=False), *phrases)
    shares = (np.inf if limit is None else limit for limit in (settings.max_upper_case_fraction, settings.max_numeric_fraction))
    cuts = find_noise_cuts(data, offsets, tables, as_they_stand, *shares, settings.min_words or 0, settings.max_phrase_line_words or -1)
    return spans_of_cuts(cuts, tuple(f"{name}.{kind}" for kind in KINDS))


def _beginnings(phrases: Iterable[Phrases]) -> NDArray[np.bool_]:
    """Whether a phrase may begin with a byte: in either case, and any where its first character may be any."""
    begins = np.zeros(256, bool)
    for kind in phrases:
        for first in kind.held[kind.bounds[:-1]].tolist():
            begins[[first, ord(chr(first).upper()) if first < 128 else first] if first else slice(None)] = True
    begins[0x80:0xC0] = False  # inside a code point
    return begins


def _encoded(phrases: tuple[str, ...], *, any_stop: bool) -> Phrases:
    pieces = [phrase.encode().replace(b".", b"\0") if any_stop else phrase.encode() for phrase in phrases]
    return Phrases(np.array(bytearray(b"".join(pieces)), np.uint8), np.cumsum([0, *map(len, pieces)]))
