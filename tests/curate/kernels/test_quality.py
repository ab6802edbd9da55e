"""The character table."""

import unicodedata

from curate.kernels.quality import BREAK, CLOSER, LETTER, SPACE, TERMINAL, character_flags, terminal_marks


def test_spaces_and_line_breaks_are_those_of_python() -> None:
    flags = character_flags()
    assert [c for c in range(0x110000) if flags[c] & SPACE] == [c for c in range(0x110000) if chr(c).isspace()]
    assert [c for c in range(0x110000) if flags[c] & BREAK] == [0xA, 0xB, 0xC, 0xD, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029]


def test_letters_are_those_of_unicode_and_the_marks_of_scripts_without_spaces() -> None:
    flags = character_flags()
    extra = [c for c in range(0x110000) if flags[c] & LETTER and not chr(c).isalpha()]
    assert all(flags[c] & LETTER for c in range(0x110000) if chr(c).isalpha())
    assert 0x0E31 in extra
    assert 0x0301 not in extra
    assert 0xFE0F not in extra
    assert {unicodedata.category(chr(c))[0] for c in extra} == {"M"}


def test_terminal_marks_are_punctuation_and_cover_many_scripts() -> None:
    marks, flags = terminal_marks(), character_flags()
    assert len(marks) == len(set(marks)) == 159
    assert {ord(c) for c in ".?!。！？｡।॥؟۔។։።၊"} <= set(marks)
    assert all(unicodedata.category(chr(c)) in ("Po", "So", "Pd", "Cn") for c in marks)
    assert all(flags[c] & TERMINAL for c in marks)
    assert int((flags & TERMINAL != 0).sum()) == 159


def test_closers_are_closing_brackets_and_quotes() -> None:
    flags = character_flags()
    assert all(flags[ord(c)] & CLOSER for c in "\"')]}”’»」）")
    assert not any(flags[ord(c)] & CLOSER for c in "([{“«-.a ")
