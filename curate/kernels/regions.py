"""The few stretches of a text in which personal data can stand: what lies around an at sign, a cluster of digits or a tell-tale phrase.

One pass over the bytes; regular expressions then search these regions alone (a tenth of ordinary text). A region never
leaves its document, and always starts and ends at white space (any byte up to 0x20) or at the ends of the document, so
that no word or number is cut at its edge. Each tells which triggers it holds, so that a pattern need not search regions that
were kept for another's sake.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.lines import PhraseMachine, phrase_machine

u8 = np.uint8

BEFORE, AFTER = 160, 32  # bytes kept on either side of a trigger, at least
MARKS, MARK_GAP = 7, 7  # a cluster: so many digits, colons and full stops after digits, neighbours at most this far apart
ASSIGNED_WITHIN = 24  # bytes after a phrase in which an equals sign or colon makes it an assignment
MARK, AT, BRACKET, NAME, SPACE, DIGIT, FULL_STOP = u8(1), u8(2), u8(4), u8(8), u8(16), u8(32), u8(64)
ALONE, ASSIGNED, TO_THE_END = u8(0x80), u8(0x40), u8(0x20)  # what else a phrase asks for, above the 5 bits of its length
_LENGTH = u8(0x1F)
NEAR_AT, NEAR_MARKS, NEAR_PHRASE = u8(1), u8(2), u8(4)  # which triggers a region holds


class RegionTables(NamedTuple):
    """kinds: uint8 (256,), what a byte is; machine: finds the phrases, flags as above."""

    kinds: NDArray[np.uint8]
    machine: PhraseMachine


def region_tables(alone: Iterable[str], assigned: Iterable[str], to_the_end: Iterable[str]) -> RegionTables:
    """Tables for lower-case ASCII phrases, found in any case, none of which may be the end of another.

    alone: only where no letter, digit or underscore stands before; assigned: only where an equals sign or colon follows
    closely; to_the_end: the region then reaches to the end of the document.
    """
    kinds = np.zeros(256, np.uint8)
    kinds[: 0x20 + 1] = SPACE
    kinds[[*b"0123456789:"]] |= MARK
    kinds[[*b"0123456789"]] |= DIGIT
    kinds[[*b"."]] |= FULL_STOP
    kinds[[*b"@"]] |= AT
    kinds[[*b"[("]] |= BRACKET
    kinds[[*b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"]] |= NAME
    groups = ((alone, int(ALONE)), (assigned, int(ASSIGNED)), (to_the_end, int(TO_THE_END)))
    phrases = {phrase: len(phrase) | flag for group, flag in groups for phrase in group}
    if clash := [(one, other) for one in phrases for other in phrases if one != other and one.endswith(other)]:
        raise ValueError(f"phrase {clash[0][0]!r} ends with phrase {clash[0][1]!r}; their flags would mix")
    return RegionTables(kinds, phrase_machine(phrases))


@nb.njit
def _is_in_brackets(data, p, end, word):
    """Whether a lower-case word, in any case, and a closing bracket follow the opening one at p; one space is allowed on either side."""
    p += 1
    if p < end and data[p] == 32:
        p += 1
    if p + len(word) >= end:
        return False
    same = 0
    for k in range(len(word)):
        same += data[p + k] | 32 == word[k]
    p += len(word)
    if data[p] == 32:
        p += 1
    return same == len(word) and p < end and (data[p] == 93 or data[p] == 41)


@nb.njit
def _is_assigned(data, p, end):
    """Whether an equals sign or colon is among the next bytes."""
    found = 0
    for q in range(p, min(p + ASSIGNED_WITHIN, end)):
        found += data[q] == 61 or data[q] == 58
    return found > 0


@nb.njit(nogil=True, cache=True)
def find_regions(data, offsets, tables):
    """Where regions start and end in `data`, ascending and apart.

    data: uint8 bytes of valid UTF-8; offsets: int64 (n + 1,); tables: RegionTables. Returns (starts, ends, int64; holds, uint8, a
    sum of NEAR_…). A region is what lies around triggers: from the white space at or before BEFORE bytes ahead of one to the
    white space at or after AFTER bytes past it, both included; regions that touch are one. Linear in the bytes, whatever
    they are.
    """
    room = (offsets[-1] - offsets[0]) // AFTER + offsets.size  # only at the end of a document is a region shorter than AFTER
    starts, ends, holds = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.uint8)
    count = 0
    kinds, step, found = tables.kinds, tables.machine.step, tables.machine.found
    for i in range(offsets.size - 1):
        begin, end = offsets[i], offsets[i + 1]
        state = u8(0)
        last, marks = begin, 0
        region_start, region_end, held = begin, begin, u8(0)  # the region that is open; empty at first
        for p in range(begin, end):
            c = data[p]
            flags = u8(0)
            if c < 128:
                state = step[state, c]
                flags = found[state]
            else:
                state = u8(0)
            kind = kinds[c] & (MARK | AT | BRACKET | FULL_STOP)
            if kind == 0 and flags == 0:
                continue
            hit = u8(0)
            if kind == MARK or (kind == FULL_STOP and p > begin and kinds[data[p - 1]] & DIGIT != 0):
                marks = marks + 1 if p - last <= MARK_GAP else 1
                last = p
                if marks >= MARKS:
                    hit = NEAR_MARKS
            elif kind == AT or (kind == BRACKET and (_is_in_brackets(data, p, end, b"at") or _is_in_brackets(data, p, end, b"dot"))):
                hit = NEAR_AT
            if flags:
                before = p - np.int64(flags & _LENGTH)
                free = flags & ALONE == 0 or before < begin or kinds[data[before]] & NAME == 0
                if free and (flags & ASSIGNED == 0 or _is_assigned(data, p + 1, end)):
                    hit |= NEAR_PHRASE
            if hit == 0:
                continue
            whole = flags & TO_THE_END != 0
            if not whole and p + AFTER < region_end:
                held |= hit
                continue
            low = max(p - BEFORE, region_end)
            while low > region_end and kinds[data[low]] & SPACE == 0:
                low -= 1
            high = end if whole else max(p + AFTER, region_end)
            while high < end and kinds[data[high]] & SPACE == 0:
                high += 1
            if low > region_end:
                if region_end > region_start:
                    starts[count], ends[count], holds[count] = region_start, region_end, held
                    count += 1
                region_start, held = low, u8(0)
            region_end = min(high + 1, end)
            held |= hit
        if region_end > region_start:
            starts[count], ends[count], holds[count] = region_start, region_end, held
            count += 1
    return starts[:count].copy(), ends[:count].copy(), holds[:count].copy()


@nb.njit(nogil=True, cache=True)
def copy_regions(data, starts, ends):
    """The bytes of regions one after the other, a zero byte before each and one at the end; and where each begins there, int64."""
    total = 1
    for k in range(starts.size):
        total += ends[k] - starts[k] + 1
    copied, places = np.zeros(total, np.uint8), np.empty(starts.size, np.int64)
    at = 1
    for k in range(starts.size):
        places[k] = at
        size = ends[k] - starts[k]
        copied[at : at + size] = data[starts[k] : ends[k]]
        at += size + 1
    return copied, places
