"""Words and their hashes, one character at a time (the plain twin of curate.kernels.words)."""

import unicodedata

_OWN_WORD = [
    (0xE00, 0xEFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3347F),
]
_WRAP = (1 << 64) - 1


def words(text: str) -> list[str]:
    """The folded words of a text."""
    found, word = [], ""
    for character in text:
        if unicodedata.category(character)[0] not in "LNM":
            found.append(word)
            word = ""
        elif any(first <= ord(character) <= last for first, last in _OWN_WORD):
            found += [word, fold(character)]
            word = ""
        else:
            word += fold(character)
    return [word for word in [*found, word] if word]


def fold(character: str) -> str:
    """Case folding that keeps one character one."""
    folded = character.casefold()
    return folded if len(folded) == 1 else character


def hash_word(word: str) -> int:
    """The 64-bit hash of a folded word."""
    state = 0
    for character in word:
        state = ((state ^ ord(character)) * 0x9E3779B97F4A7C15) & _WRAP
        if ord(character) >= 128:
            state ^= state >> 29
    return mix(state)


def mix(state: int) -> int:
    """The finaliser of word and shingle hashes."""
    state ^= state >> 32
    state = (state * 0xD6E8FEB86659FD93) & _WRAP
    return state ^ (state >> 32)
