"""Word starts and hiding, written plainly: a regular expression and one token at a time."""

import re
import unicodedata

import numpy as np

from curate import seeds


def pieces(text, kinds):
    """Text split by GPT-2's rule. Each code point is first written as the letter of its kind, so that `re` can split."""
    letters = "".join(c if c in "'strvemld " else "!a1\n"[kinds[ord(c)]] for c in text)
    rule = r"'s|'t|'re|'ve|'m|'ll|'d| ?[a-z]+| ?1+| ?[!']+|[ \n]+(?![^ \n])|[ \n]+"
    return [text[m.start() : m.end()] for m in re.finditer(rule, letters)]


def kind(character):
    """What Python's own Unicode tables say a character is: 1 letter, 2 number, 3 white space, 0 anything else."""
    category = unicodedata.category(character)[0]
    return 3 if (character.isspace() and category != "C") or character in "\t\n\v\f\r\x85" else {"L": 1, "N": 2}.get(category, 0)


def hide(ids, starts, content, seed, shares, mask, ordinary, special):
    """One document: (hidden, labels), each choice drawn through `curate.seeds` alone."""
    hidden, labels = list(ids), [-100] * len(ids)
    word = -1
    for place, token in enumerate(ids):
        word += bool(starts[place])
        if draw_fraction(seed, "which", content, max(word, 0)) >= shares[0] or word < 0 or special[token]:
            continue
        labels[place] = token
        how = draw_fraction(seed, "how", content, place)
        if how < shares[1]:
            hidden[place] = mask
        elif how < shares[1] + shares[2]:
            draw = int(seeds.draw(seed, "masked/what", np.array([[*content, place]], np.uint64))[0])
            hidden[place] = int(ordinary[(draw >> 32) * len(ordinary) >> 32])
    return hidden, labels


def draw_fraction(seed, purpose, content, place):
    """A uniform number that belongs to one place of one document."""
    return float(seeds.fractions(seed, f"masked/{purpose}", np.array([[*content, place]], np.uint64))[0])
