"""Block-lists of URLs (Penedo et al. 2023, RefinedWeb, arXiv 2306.01116, appendix G.1), as DCLM uses them (arXiv 2406.11794): a listed domain
or URL, a strict substring, one hard word, or two soft words drop the document. What is listed, the recipe's `block_lists` say.
"""

from curate.rules.rule import Limit, Rule

_SOURCE = "arXiv 2306.01116, appendix G.1; datatrove a649de79, url_filter.py"


def _at_most(name: str, column: str, limit: Limit) -> Rule:
    return Rule(name=name, numerator=(f"url.{column}",), comparison="<=", limit=limit, source=_SOURCE)


REFINEDWEB = (
    _at_most("max_blocked_domains", "blocked_domain", 0),
    _at_most("max_blocked_urls", "blocked_url", 0),
    _at_most("max_strict_substrings", "num_strict_substrings", 0),
    _at_most("max_hard_words", "num_hard_words", 0),
    _at_most("max_soft_words", "num_soft_words", 1),
)
VARIANTS = {"refinedweb": REFINEDWEB}
