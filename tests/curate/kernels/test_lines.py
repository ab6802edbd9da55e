"""The phrase machine."""

from hypothesis import given
from hypothesis import strategies as st

from curate.kernels.lines import phrase_machine

PHRASES = {"he": 1, "she": 2, "hers": 4, "use of": 8, "of us": 16}


@given(st.text(st.sampled_from("hersuof HERS{x"), max_size=60))
def test_finds_exactly_the_phrases_a_text_holds_in_any_case(text: str) -> None:
    machine = phrase_machine(PHRASES)
    state, found = 0, 0
    for character in text:
        state = int(machine.step[state, ord(character)])
        found |= int(machine.found[state])
    assert found == sum(flag for phrase, flag in PHRASES.items() if phrase in text.lower())
