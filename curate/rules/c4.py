"""C4's rules (Raffel et al. 2020, arXiv 1910.10683, section 2.2), judged a page at a time; all bound to English.

C4 edits lines: it cuts every line with fewer than 3 words (5 in the released code), without an end mark (. ? ! or a closing
quote; an ellipsis is none), with a word of more than 1,000 characters, or mentioning javascript or a policy phrase, and
strips citation marks. Only then does it count sentences. Here no line is cut: `min_sentences` counts the sentences in
the lines that would stay, so a page is dropped exactly where C4 would drop it, and a kept page keeps its other lines.
Sentences are split by marks (see `curate.measures.lines`), not by the trained splitter C4 uses.

Variants:
    datatrove   3 words a line, 5 sentences a page, as the paper; the placeholder and brackets are looked for only in
                lines that got so far, as in the code of datatrove (a649de79, c4_filters.py)
    paper       the same numbers; the placeholder or a bracket anywhere drops the page
    code        5 words a line, 3 sentences a page, no apostrophe as end mark: tensorflow_datasets, text/c4_utils.py
    fineweb     datatrove without the end mark (filter_no_terminal_punct=False), arXiv 2406.17557, section 3.5
    dclm        `code` and at most 190,000 characters: dclm 361714bd, baselines_configs/c4.yaml (lines by newlines only there)
    dolma       a page that holds the placeholder, a bracket or javascript anywhere is dropped, and no sentences are
                counted: dolma 669f5348, taggers/c4.py (c4_v2), configs/c4-replication/mixer.yaml

The lists of bad words that C4 and Dolma also drop pages by are not part of these tables. The rules with limit null give
the recipe a handle; C4 has no such number for a page. `min_long_lines` is mC4's (3).
"""

from curate.rules.rule import ENGLISH, Comparison, Limit, Rule

_PAPER = "arXiv 1910.10683, section 2.2"
_DATATROVE = f"{_PAPER}; datatrove a649de79, c4_filters.py"
_CODE = "tensorflow_datasets, text/c4_utils.py"
_DCLM = "dclm 361714bd, baselines_configs/c4.yaml"
_DOLMA = "dolma 669f5348, taggers/c4.py (c4_v2), configs/c4-replication/mixer.yaml"
_FINEWEB = "arXiv 2406.17557, section 3.5; datatrove a649de79, c4_filters.py"
_OURS = "no published number for a page; off unless the recipe sets it"


def _rule(name: str, numerator: str, limit: Limit, source: str) -> Rule:
    denominator = ("lines.num_lines",) if name.endswith("_fraction") else ()
    comparison: Comparison = ">=" if name.startswith("min_") else "<="
    return Rule(name=name, numerator=(numerator,), denominator=denominator, comparison=comparison, limit=limit, source=source, languages=ENGLISH)


def _variant(columns: str, min_sentences: int, source: str, *, anywhere: bool = False) -> tuple[Rule, ...]:
    """The table over the columns counted for one way of keeping lines."""
    page = "lines.num" if anywhere else f"lines.num_{columns}"
    return (
        _rule("max_lorem_ipsum_lines", f"{page}_lorem_ipsum_lines", 0, source),
        _rule("max_curly_bracket_lines", f"{page}_curly_bracket_lines", 0, source),
        _rule("min_sentences", f"lines.num_{columns}_sentences", min_sentences, source),
        _rule("min_kept_lines_fraction", f"lines.num_{columns}_lines", None, _OURS),
        *_HANDLES,
    )


_HANDLES = (
    _rule("max_javascript_lines_fraction", "lines.num_javascript_lines", None, _OURS),
    _rule("max_policy_lines_fraction", "lines.num_policy_lines", None, _OURS),
    Rule(
        name="min_long_lines",
        numerator=("lines.num_long_text_lines",),
        comparison=">=",
        limit=None,
        source="mC4 asks for 3 lines of 200 characters, arXiv 2010.11934, section 3.1; not part of C4, so off",
    ),
)
VARIANTS = {
    "datatrove": _variant("c4", 5, _DATATROVE),
    "paper": _variant("c4", 5, _PAPER, anywhere=True),
    "code": _variant("c4_code", 3, _CODE),
    "fineweb": _variant("c4_any_ending", 5, _FINEWEB),
    "dclm": (_rule("max_characters", "identity.num_characters", 190_000, _DCLM), *_variant("c4_code", 3, _DCLM)),
    "dolma": (
        _rule("max_curly_bracket_lines", "lines.num_curly_bracket_lines", 0, _DOLMA),
        _rule("max_lorem_ipsum_lines", "lines.num_lorem_ipsum_lines", 0, _DOLMA),
        _rule("max_javascript_lines", "lines.num_javascript_lines", 0, _DOLMA),
        *_HANDLES,
    ),
}
