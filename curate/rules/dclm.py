"""DCLM-Baseline's heuristic rules for a page, in its order (arXiv 2406.11794, section 4; dclm 361714bd,
baselines_configs/dclm_baseline_refinedweb.yaml): Gopher's quality and repetition rules as DCLM counts them, then what the line
edits cut. Language (fastText English above 0.65) is the set `languages`; the line edits are the recipe's `edits`.

`max_cut_words_fraction` needs those edits: it reads how many words they cut. DCLM counts words by fastText's splitting there, the
edits by `curate.kernels.words`.
"""

from curate.rules import gopher_quality, gopher_repetition
from curate.rules.rule import Rule

CUT_WORDS = Rule(
    name="max_cut_words_fraction",
    numerator=("edits.num_cut_words",),
    denominator=("edits.num_words_before",),
    comparison="<=",
    limit=0.05,
    source="arXiv 2306.01116, G.2; dclm 361714bd, dclm_baseline_refinedweb.yaml (word_removal_ratio_filter)",
)
VARIANTS = {"dclm": (*gopher_quality.DCLM, *gopher_repetition.DCLM, CUT_WORDS)}
