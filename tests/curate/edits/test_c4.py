import pyarrow as pa
import pytest
from hypothesis import given, settings

from curate.edits.c4 import find_c4
from curate.edits.settings import C4EditSettings
from curate.edits.spans import apply_spans
from curate.measures import measure
from tests.curate.edits.pieces import texts
from tests.naive import edits as naive
from tests.samples import sample_texts

# Variant: fewest words, end marks, the column that counts the lines it keeps.
VARIANTS = {"datatrove": (3, ".?!\"'", "num_c4_lines"), "paper": (3, ".?!\"'", "num_c4_lines"), "code": (5, '.?!"', "num_c4_code_lines")} | {
    "fineweb": (3, "", "num_c4_any_ending_lines")
}


def edit(given_texts: list[str], chosen: C4EditSettings) -> list[str]:
    array = pa.array(given_texts, pa.large_string())
    return apply_spans(array, find_c4(array, chosen)).to_pylist()


def cut(text: str, chosen: C4EditSettings | None = None) -> list[tuple[str, str]]:
    spans = find_c4(pa.array([text], pa.large_string()), chosen or C4EditSettings())
    data = text.encode()
    return [(spans.names[k].removeprefix("c4."), data[a:b].decode()) for a, b, k in zip(spans.starts, spans.ends, spans.edits, strict=True)]


@settings(deadline=None)
@given(texts)
def test_every_variant_agrees_with_its_plain_twin(text: str) -> None:
    for variant, (min_words, marks, _) in VARIANTS.items():
        assert edit([text], C4EditSettings(variant=variant)) == [naive.edit_c4(text, min_words, marks)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_lines_left_of_real_pages_are_those_the_measures_count(variant: str) -> None:
    pages = [page for page in sample_texts() if page][:400]
    counted = measure(pages, ["lines"])[VARIANTS[variant][2]].to_pylist()
    left = edit(pages, C4EditSettings(variant=variant, citations=False))
    assert [len(page.splitlines()) for page in left] == counted
    assert 0 < sum(counted) < sum(len(page.splitlines()) for page in pages)


def test_each_cut_names_its_reason_and_takes_the_line_end_along() -> None:
    lines = [
        "One fine line here.",
        "Menu",
        "No end mark at all",
        "Turn on JavaScript to see this.",
        "Our privacy policy has more.",
        "",
        "Two words.",
        "x" * 1001 + " a b.",
    ]
    assert cut("\n".join(lines)) == [
        ("unended_lines", "\nMenu\n"),
        ("unended_lines", "No end mark at all\n"),
        ("javascript_lines", lines[3] + "\n"),
        ("policy_lines", lines[4] + "\n"),
        ("blank_lines", "\n"),
        ("short_lines", "Two words.\n"),
        ("long_word_lines", lines[7]),
    ]
    assert edit(["\n".join(lines)], C4EditSettings()) == [lines[0]]


def test_a_text_keeps_its_last_line_end_or_its_lack() -> None:
    assert edit(["A b c.\nd\n", "A b c.\nd", "d\nA b c.", "d\nd"], C4EditSettings()) == ["A b c.\n", "A b c.", "A b c.", ""]


def test_citation_marks_go_from_the_lines_that_stay() -> None:
    text = "The city [12] is old.[citation needed][3]\nThe river[edit] is [x] long [].\nSee[1]"
    assert edit([text], C4EditSettings()) == ["The city  is old.\nThe river is [x] long ."]
    assert [name for name, _ in cut(text)] == ["citation_marks"] * 5 + ["unended_lines"]
    assert edit([text], C4EditSettings(citations=False)) == ["The city [12] is old.[citation needed][3]\nThe river[edit] is [x] long []."]


def test_single_settings_win_over_the_variant_and_can_be_switched_off() -> None:
    assert C4EditSettings(variant="code").min_words == 5
    assert C4EditSettings(variant="code", min_words=2).min_words == 2
    text = "Use javascript in this line.\nno end\nOur cookie policy is this.\n\n" + "x" * 1001
    off = C4EditSettings(min_words=None, end_marks=None, max_word_characters=None, javascript=False, policy=False)
    assert edit([text], off) == [text]
    assert edit([text], C4EditSettings(min_words=None, end_marks=None, javascript=False, max_word_characters=None)) == [
        text.replace("Our cookie policy is this.\n", "")
    ]


@settings(deadline=None)
@given(texts)
def test_what_was_edited_once_is_not_edited_again_where_no_mark_stood_in_it(text: str) -> None:
    text = text.replace("[", "(")  # a mark may have been a word, and may leave another
    once = edit([text], C4EditSettings())
    assert edit(once, C4EditSettings()) == once
