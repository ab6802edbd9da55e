"""Some of the rules are the same rules in the same order, whichever are chosen."""

from hypothesis import given, settings
from hypothesis import strategies as st

from curate.rules.chosen import only
from curate.rules.settings import RuleSettings

EVERYTHING = RuleSettings.model_validate(
    {
        "languages": {"allowed": ["en", "de"]},
        "gopher_repetition": {},
        "gopher_quality": {},
        "c4": {},
        "fineweb": {},
        "own": [{"name": "first", "keep": "words.num_words > 3"}, {"name": "second", "keep": "words.num_words < 9"}],
        "classifiers": {"drama": {"min_score": 0.5}, "law": {"min_score": 0.2}},
        "perplexity": {"min_bits_per_word": 2.0, "max_bits_per_word": 9.0},
        "by_language": {"de": {"gopher_quality": {"min_words": 9, "min_stop_words": 1}}, "fr": {"c4": {"min_sentences": None}}},
    }
)
REASONS = sorted({reason for reason, _ in EVERYTHING.active()})


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(REASONS)))
def test_the_chosen_rules_are_left_as_they_are(reasons: set[str]) -> None:
    assert only(EVERYTHING, reasons).active() == [(reason, rule) for reason, rule in EVERYTHING.active() if reason in reasons]


def test_nothing_and_everything() -> None:
    assert only(EVERYTHING, set()).active() == []
    assert only(EVERYTHING, REASONS).active() == EVERYTHING.active()
