"""What the personal-data edit takes out of labelled sentences, of hostile text, and of nothing else."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.documents import as_text
from curate.edits.personal_data import PersonalDataSettings, find_personal_data
from curate.edits.spans import apply_spans
from tests.naive import personal_data as naive
from tests.personal_data_labelled import LABELLED, LOOK_ALIKES

ALL = PersonalDataSettings()
EVERYTHING = PersonalDataSettings(public_ips_only=False)
ONLY = {kind: PersonalDataSettings.model_validate({other: None for other in ALL.replacements if other != kind}) for kind in ALL.replacements}


def found(texts: list[str], given: PersonalDataSettings = ALL) -> list[list[tuple[int, int, str]]]:
    """Start, end (bytes) and word of the spans of each text."""
    spans = find_personal_data(as_text(texts), given)
    result: list[list[tuple[int, int, str]]] = [[] for _ in texts]
    for row, start, end, edit in zip(*(column.tolist() for column in spans[:4]), strict=True):
        result[row].append((start, end, spans.replacements[edit]))
    return result


def replaced(text: str, given: PersonalDataSettings = ALL) -> str:
    texts = as_text([text])
    result: str = apply_spans(texts, find_personal_data(texts, given))[0].as_py()
    return result


@pytest.mark.parametrize(("text", "labels"), LABELLED, ids=lambda value: value[:30] if isinstance(value, str) else "")
def test_finds_exactly_what_is_labelled(text: str, labels: list[tuple[str, int, int]]) -> None:
    expected = [(len(text[:start].encode()), len(text[:end].encode()), ALL.replacements[kind]) for kind, start, end in labels]
    assert found([text]) == [expected]


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_leaves_look_alikes_alone(name: str) -> None:
    assert [text for text, spans in zip(LOOK_ALIKES[name], found(LOOK_ALIKES[name]), strict=True) if spans] == []


def test_all_labelled_sentences_in_one_column_give_what_each_gives_alone() -> None:
    texts = [text for text, _ in LABELLED]
    assert found(texts) == [found([text])[0] for text in texts]
    assert find_personal_data(as_text(["x", *texts]).slice(1), ALL).rows.tolist() == find_personal_data(as_text(texts), ALL).rows.tolist()


def test_nothing_is_found_across_the_border_of_two_documents() -> None:
    assert found(["write to anna", "@example.org now", "call +49 30", " 901820 55", "4111 1111 ", "1111 1111"]) == [[]] * 6


@pytest.mark.parametrize(
    ("first", "second"),
    [("+49 30 90182055 card", "630427373398"), ("12:34:56:78 version", "84.23.118.7 x"), ("1234567 phone", "555 01 99"), ("0123456 1b", "01 42 68 53 00")],
)
def test_what_one_document_says_does_not_count_for_the_next(first: str, second: str) -> None:
    assert found([first, second])[1] == found([second])[0]
    assert found([second, first])[0] == found([second])[0]


def test_what_is_replaced_reads_as_said_and_is_not_found_again() -> None:
    text = "Anna <anna@example.org>, +49 30 901820-55, 84.23.118.7"
    assert replaced(text) == "Anna <<EMAIL>>, <PHONE>, <IP>"
    assert replaced(text, PersonalDataSettings(email="email@example.com", phone=None)) == "Anna <email@example.com>, +49 30 901820-55, <IP>"
    assert found([replaced(text) for text, _ in LABELLED]) == [[]] * len(LABELLED)


@pytest.mark.parametrize("kind", ALL.replacements)
def test_a_kind_alone_is_found_alone(kind: str) -> None:
    texts = [text for text, _ in LABELLED]
    expected = {(row, *span) for row, spans in enumerate(found(texts)) for span in spans if span[2] == ALL.replacements[kind]}
    assert expected <= {(row, *span) for row, spans in enumerate(found(texts, ONLY[kind])) for span in spans}


def test_private_addresses_are_found_where_asked_for() -> None:
    private = ["at 192.168.1.17.", "host 10.0.0.1", "fe80::1ff:fe23:4567:890a%eth0"]
    assert found(private) == [[], [], []]
    assert [len(spans) for spans in found(private, EVERYTHING)] == [1, 1, 1]


def test_no_kind_and_no_text_give_no_spans() -> None:
    off = PersonalDataSettings(email=None, ip_address=None, phone=None, iban=None, card=None, secret=None)
    assert find_personal_data(as_text(["a@example.org"]), off).rows.size == 0
    assert find_personal_data(as_text([]), ALL).rows.size == 0
    assert find_personal_data(as_text(["", ""]), ALL).rows.size == 0


@pytest.mark.parametrize("word", ["", "a\nb", "x" * 65])
def test_words_that_would_break_lines_or_vanish_are_refused(word: str) -> None:
    with pytest.raises(ValidationError):
        PersonalDataSettings(email=word)


HOSTILE = {
    "at signs": "a@",
    "addresses": "a@b.cc ",
    "dots before an at sign": "a.",
    "digits": "0123456789",
    "spaced digits": "1 2 3 ",
    "pairs": "01 02 03 ",
    "phones": "+49 30 901820-55 ",
    "base64": "QUJDRGVmZ2hpSktMTU5PUHFyc3R1dnd4eXo0NTY3ODkw",
    "key openings": "-----BEGIN RSA PRIVATE KEY-----\n",
    "assignments": "password=",
    "tokens": "eyJabcdefghij.",
    "colons": "ab:",
    "accounts": "DE11 ",
    "plus signs": "+1",
    "brackets": "a [at] ",
    "schemes": "a://b:",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_with_the_length_of_hostile_text_and_no_faster(name: str) -> None:
    def seconds(size: int) -> float:
        texts = as_text([HOSTILE[name] * (size // len(HOSTILE[name]))])
        start = time.process_time()
        find_personal_data(texts, ALL)
        return time.process_time() - start

    seconds(1_000)
    small = max(min(seconds(20_000) for _ in range(3)), 1e-3)
    assert seconds(160_000) < 8 * 5 * small  # quadratic would be 64 times


PIECES = st.sampled_from(
    [piece for text, _ in LABELLED for piece in text.split(" ")]
    + [
        *"@.:-+/()[]= \n\x000179aé中👩",
        "\r\n",
        "192.0.2.1",
        "8.8.8.8",
        "tel",
        "password",
        "00",
        "DE89",
        "card ",
        " at ",
        "[at]",
        "http://",
        "x" * 30,
        "word " * 20,
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=25).map("".join) | st.lists(PIECES, max_size=25).map(" ".join) | st.text(max_size=40), min_size=1, max_size=4))
def test_agrees_with_the_plain_twin_on_any_text(texts: list[str]) -> None:
    for chosen in (ALL, EVERYTHING):
        assert found(texts, chosen) == [naive.find(text, chosen) for text in texts]
