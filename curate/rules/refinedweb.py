"""RefinedWeb's rules for a page (Penedo et al. 2023, arXiv 2306.01116, section 3.1 and appendix G.2), in its order.

The paper takes the repetition and quality rules from Gopher and names no other definition, so they are those of Gopher's
paper; a page from which the line corrections cut more than 5% of the words is dropped. RefinedWeb's code is not public;
DCLM's reading of it is the set `dclm`. Language (English above 0.65) is the set `languages`; the line corrections are the recipe's
`edits`, without which `max_cut_words_fraction` has nothing to read.
"""

from dataclasses import replace

from curate.rules import gopher_quality, gopher_repetition
from curate.rules.dclm import CUT_WORDS

_GOPHER = "arXiv 2306.01116, section 3.1, after"
VARIANTS = {
    "paper": (
        *(replace(rule, source=f"{_GOPHER} {rule.source}") for rule in (*gopher_repetition.PAPER, *gopher_quality.PAPER)),
        replace(CUT_WORDS, source="arXiv 2306.01116, G.2"),
    )
}
