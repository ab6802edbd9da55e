"""What the peers call what we measure and rule."""

_NGRAMS = {f"top_{n}_gram": f"max_top_{n}_gram_characters_fraction" for n in (2, 3, 4)} | {
    f"duplicated_{n}_n_grams": f"max_duplicate_{n}_gram_characters_fraction" for n in range(5, 11)
}
# datatrove's reasons and the names of our rules, by set.
DATATROVE_REASONS = {
    "gopher_repetition": {
        "empty": "empty",
        "dup_para_frac": "max_duplicate_paragraphs_fraction",
        "dup_para_char_frac": "max_duplicate_paragraph_characters_fraction",
        "dup_line_frac": "max_duplicate_lines_fraction",
        "dup_line_char_frac": "max_duplicate_line_characters_fraction",
        **_NGRAMS,
    },
    "gopher_quality": {
        "gopher_short_doc": "min_words",
        "gopher_long_doc": "max_words",
        "gopher_below_avg_threshold": "min_mean_word_length",
        "gopher_above_avg_threshold": "max_mean_word_length",
        "gopher_too_many_hashes": "max_hash_signs_per_word",
        "gopher_too_many_ellipsis": "max_ellipses_per_word",
        "gopher_too_many_bullets": "max_bullet_lines_fraction",
        "gopher_too_many_end_ellipsis": "max_ellipsis_lines_fraction",
        "gopher_below_alpha_threshold": "min_alphabetic_words_fraction",
        "gopher_enough_stop_words": "min_stop_words",
    },
    "fineweb": {
        "empty": "min_text_lines",
        "line_punct_ratio": "min_terminal_lines_fraction",
        "short_line_ratio": "max_short_lines_fraction",
        "char_dup_ratio": "max_duplicate_line_characters_fraction",
        "list_ratio": "max_newlines_per_word",
        "ZeroDivisionError": "max_newlines_per_word",  # a text without words, which it cannot divide by
    },
    "c4": {"lorem_ipsum": "max_lorem_ipsum_lines", "curly_bracket": "max_curly_bracket_lines", "too_few_sentences": "min_sentences"},
}

# (tagger, number) and our column, or the two whose quotient it is.
DOLMA_COUNTS = {
    ("gopher_v1", "character_count"): "num_characters",
    ("gopher_v1", "word_count"): "num_spaced_words",
    ("gopher_v1", "median_word_length"): "median_spaced_word_length",
    ("gopher_v1", "required_word_count"): "num_spaced_stop_words",
    ("c4_v2", "line_count"): "num_newline_lines",
    ("c4_v2", "lines_with_no_ending_punctuation"): "num_unpunctuated_lines",
    ("c4_v2", "lines_with_too_few_words"): "num_under_3_word_lines",
    ("c4_v2", "has_curly_brace"): "num_curly_bracket_lines",
    ("c4_v2", "has_lorem_ipsum"): "num_lorem_ipsum_lines",
    ("c4_v2", "has_javascript"): "num_javascript_lines",
}
_SPACED = "num_spaced_word_characters"
DOLMA_SHARES = {
    ("gopher_v1", "symbol_to_word_ratio"): ("num_spaced_words_with_symbol", "num_spaced_words"),
    ("gopher_v1", "fraction_of_words_with_alpha_character"): ("num_spaced_words_with_letter", "num_spaced_words"),
    **{
        (tagger, number): (f"num_{kind}_{column}", f"num_{kind}_lines" if of is None else of)
        for tagger, kind in (("gopher_v1", "newline"), ("gopher_v2", "joined"))
        for number, column, of in (
            ("fraction_of_lines_starting_with_bullet_point", "star_bullet_lines", None),
            ("fraction_of_lines_ending_with_ellipsis", "character_ellipsis_lines", None),
            ("fraction_of_duplicate_lines", "repeated_lines", None),
            ("fraction_of_characters_in_duplicate_lines", "repeated_line_characters", _SPACED),
        )
    },
    **{("gopher_v1", f"fraction_of_characters_in_most_common_{n}grams"): (f"num_top_spaced_{n}_gram_characters", _SPACED) for n in (2, 3, 4)},
    **{
        ("gopher_v1", f"fraction_of_characters_in_duplicate_{n}grams"): (f"num_repeated_spaced_{n}_gram_characters", f"num_spaced_{n}_gram_characters")
        for n in range(5, 11)
    },
}

# DCLM's filters in its order, and our rules.
DCLM_STEPS = {
    "words": ("min_words", "max_words"),
    "word_length": ("min_mean_word_length", "max_mean_word_length"),
    "symbols": ("max_symbols_per_word",),
    "bullets": ("max_bullet_lines_fraction",),
    "ellipses": ("max_ellipsis_lines_fraction",),
    "alphabetic": ("min_alphabetic_words_fraction",),
    "stop_words": ("min_stop_words",),
    "lines": ("max_duplicate_lines_fraction",),
    "paragraphs": ("max_duplicate_paragraphs_fraction",),
    "line_characters": ("max_duplicate_line_characters_fraction",),
    "paragraph_characters": ("max_duplicate_paragraph_characters_fraction",),
    **{f"{n}_grams": (f"max_{'top' if n < 5 else 'duplicate'}_{n}_gram_characters_fraction",) for n in range(2, 11)},
}
