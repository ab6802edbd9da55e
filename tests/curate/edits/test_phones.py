"""Telephone numbers by form, and what has such a form by chance."""

import pytest

from curate.documents import as_text
from curate.edits.personal_data import PersonalDataSettings, find_personal_data

PHONES = PersonalDataSettings(email=None, ip_address=None, iban=None, card=None, secret=None)


def cut(text: str) -> list[str]:
    spans = find_personal_data(as_text([text]), PHONES)
    return [text.encode()[start:end].decode() for start, end in zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)]


@pytest.mark.parametrize(
    "number",
    [
        "+1 212 867 5309",
        "+1.2128675309",
        "+44.2079460958",
        "+46 (0)8 928 571 38",
        "+39 06 6982 1234",
        "+352 27 12 34 56",
        "+81\u00a03\u00a01234\u00a05678",
        "+33\u20116\u201112\u201134\u201156\u201178",
        "001-518-640-0854",
        "1-800-867-5309",
        "(800) 867-5309 ext. 12",
        "646.867.5310x4587",
        "0664 123 45 67",
        "(089) 12345678",
        "02 9876 5432",
        "010-1234-5678",
        "0341 / 123456-78",
    ],
)
def test_forms_that_give_themselves_away_are_cut_whole(number: str) -> None:
    assert cut(f"It is {number}, he said") == [number]


@pytest.mark.parametrize("text", ["Phone: ", "call me at ", "Tel. ", "my mobile is ", "Telefonnummer: ", "电话：", "тел. ", "fax #"])
def test_other_numbers_are_cut_next_to_a_word(text: str) -> None:
    assert cut(f"{text}555 01 99 and more") == ["555 01 99"]
    assert cut(f"{text}2021-03-04 and more") == []
    assert cut("the total was 555 01 99 and more") == []


def test_a_number_is_cut_before_the_word_for_its_kind() -> None:
    assert cut("655 437 108 office\n78 651 450 fax") == ["655 437 108", "78 651 450"]


def test_what_follows_a_number_stays() -> None:
    assert cut("+1 212 867 5309 2021") == ["+1 212 867 5309"]
    assert cut("06 12 34 56 78, 2021") == ["06 12 34 56 78"]
    assert cut("020 7946 0958, 0171 1234567") == ["020 7946 0958", "0171 1234567"]


@pytest.mark.parametrize(
    "text",
    [
        "+999 123 456 789",  # no country's code
        "+1 123 456 7890",  # no American area begins with 1
        "+48.8577000, +2.2950000",
        "1+49301234567",
        "123-45-6789",
        "09.10.2011 12.13",
        "01-02-2003 04-05-2006",
        "10.1234/0171-1234567",
        "0.0171 1234567",
        "DE89 3704 0044 0532 0130 00",
        "2001 0800 1234 5678 9999",
        "12 03 04 05 06 07",
        "+11111111111",
        "call(20210304)",
    ],
)
def test_numbers_of_other_kinds_stay(text: str) -> None:
    assert cut(text) == []
