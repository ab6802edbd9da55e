"""Planted items are found whatever was done to their letters and marks; look-alikes live."""

import random
import string
from collections.abc import Callable
from pathlib import Path

import pytest

from curate.contamination.index import Index
from curate.contamination.verdict import ContaminationSettings, shares
from curate.documents import as_text
from curate.measures.benchmarks import find_hits
from tests.curate.contamination.items import ARITHMETIC, CODE, SHORT, TOO_SHORT, flagged, index_of

_PLANTED = [*ARITHMETIC, *CODE, *SHORT]
_FILLER = [
    "the",
    "of",
    "and",
    "river",
    "stone",
    "window",
    "market",
    "light",
    "answer",
    "paper",
    "slowly",
    "under",
    "seven",
    "garden",
    "north",
    "because",
    "morning",
    "letter",
    "wheel",
    "small",
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return index_of(tmp_path_factory.mktemp("benchmark"), [*_PLANTED, *TOO_SHORT])


def _page(num_words: int, seed: int) -> list[str]:
    return random.Random(seed).choices(_FILLER, k=num_words)


_WAYS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "upper case": str.upper,
    "title case": str.title,
    "punctuation deleted": lambda text: text.translate(str.maketrans("", "", string.punctuation)),
    "punctuation made spaces": lambda text: "".join(c if c.isalnum() else " " for c in text),
    "typographic quotes and dashes": lambda text: text.replace("'", "’").replace('"', "“").replace("-", "—"),
    "marks added": lambda text: " ".join(f"*{word}*," for word in text.split()),
    "line ends for spaces": lambda text: "\r\n".join(text.split()),
    "wide and no-break spaces": lambda text: "\u3000\u00a0".join(text.split()),
}


@pytest.mark.parametrize("way", _WAYS)
def test_a_planted_item_is_found(index: Index, way: str) -> None:
    assert flagged(index, [_WAYS[way](text) for text in _PLANTED]) == [True] * len(_PLANTED)


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("position", [0, 2500, 5000])
def test_a_planted_item_is_found_in_a_page_of_5000_words(index: Index, way: str, position: int) -> None:
    pages = []
    for number, text in enumerate(_PLANTED):
        page = _page(5000, number)
        page.insert(position, _WAYS[way](text))
        pages.append(" ".join(page))
    assert flagged(index, pages) == [True] * len(_PLANTED)


def test_every_item_planted_in_one_page_is_reported(index: Index) -> None:
    page = " ".join(f"{' '.join(_page(50, number))} {text}" for number, text in enumerate(_PLANTED))
    (hits,) = find_hits(as_text([page]), index)["hits"].to_pylist()
    found = {index.items["item_id"][hit["item"]].as_py() for hit in hits}
    assert found == {f"quiz/{number}" for number in range(len(_PLANTED))}


def test_clean_pages_live(index: Index) -> None:
    assert flagged(index, [" ".join(_page(5000, seed)) for seed in range(5)] + ["", "  ", "!?"]) == [False] * 8


def test_a_text_on_the_same_topic_lives(index: Index) -> None:
    look_alikes = [
        "Marta's bakery sells rye bread and rolls every morning. A loaf costs more than a roll. How many dollars does she take in each week?",
        "A ferry carries passengers across the fjord five times before noon, fewer on each crossing. How many does it carry on its last?",
        'def rotate_consonants(text: str) -> str:\n    """Replace each consonant by the one that follows it."""\n',
        "The river that flows through the old town of Bern is the Aare.",
    ]
    assert flagged(index, look_alikes) == [False] * len(look_alikes)


def test_runs_one_word_short_of_an_ngram_are_no_hit_wherever_they_lie(index: Index) -> None:
    words = ARITHMETIC[1].split()
    runs = [f"Well: {' '.join(words[start : start + 12])}, they say." for start in range(len(words) - 12)]
    assert flagged(index, runs, ContaminationSettings(min_matched_fraction=0)) == [False] * len(runs)
    exact = ContaminationSettings(min_covered_fraction=1, min_covered_fraction_short=1)
    assert flagged(index, [" ".join(SHORT[0].split()[:-1]), " ".join(SHORT[0].split()[1:])], exact) == [False, False]


def test_a_quoted_phrase_that_is_a_small_share_of_an_item_lives_and_settings_decide(index: Index) -> None:
    quote = " ".join(ARITHMETIC[0].split()[:14])
    assert flagged(index, [quote]) == [False]
    assert flagged(index, [quote], ContaminationSettings(min_matched_fraction=0)) == [True]
    assert flagged(index, [quote], ContaminationSettings(min_matched_fraction=0, min_matched_ngrams=20)) == [False]
    assert flagged(index, [ARITHMETIC[0], SHORT[0]], ContaminationSettings(min_matched_fraction=1, min_matched_ngrams=20)) == [True, True]


def test_an_item_with_one_word_changed_is_still_found(index: Index) -> None:
    changed = []
    for position in range(1, 40):
        words = ARITHMETIC[0].split()
        words[min(position, len(words) - 1)] = "zzz"
        changed.append(" ".join(words))
    assert flagged(index, changed) == [True] * len(changed)


def test_of_items_from_one_template_only_those_in_the_page_are_contaminated(tmp_path: Path) -> None:
    """Twelve questions differ in names and numbers; the words they share are evidence for none."""
    names = ["Ana", "Bo", "Cy", "Dee", "Eli", "Fay", "Gus", "Hal", "Ida", "Jon", "Kay", "Lou"]
    texts = [
        f"{name} plants {number + 3} rows of beans with {number * 2 + 5} beans in each row of the garden behind the old house by the lake."
        f" Crows eat {number + 1} beans out of every row before the first rain of the spring comes down. How many beans are left for {name} to grow?"
        for number, name in enumerate(names)
    ]
    index = index_of(tmp_path, texts)
    instance = texts[0].replace("Ana", "Zoe").replace("3 rows", "90 rows").replace("5 beans", "77 beans").replace("eat 1 beans", "eat 41 beans")
    assert flagged(index, [*texts, instance]) == [True] * 12 + [False]
    hits = find_hits(as_text([texts[4]]), index)["hits"].combine_chunks()
    found = shares(hits, index.items, ContaminationSettings())
    assert [index.items["item_id"][row].as_py() for row in found.rows[found.enough].tolist()] == ["quiz/4"]


def test_items_in_scripts_without_spaces_are_found(tmp_path: Path) -> None:
    items = ["小明有十二个苹果,他给了小红五个,还剩几个?", "แมวของฉันกินปลาสามตัวทุกวัน", "Сколько дней нужно, чтобы прочитать книгу в триста страниц?"]
    index = index_of(tmp_path, items)
    planted = [f"前文。{items[0].replace(',', ' ')}后文", f"ก{items[1]}ข", items[2].upper()]
    assert flagged(index, [*planted, "小明有十二个梨,他给了小红三个。"]) == [True, True, True, False]
