"""Facts about whole texts: how many lines they have, whether they hold anything but white space."""

import numba as nb

from curate.kernels.quality import BREAK, SPACE
from curate.kernels.repetition import is_carriage_return
from curate.kernels.words import decode


@nb.njit(nogil=True, cache=True)
def count_splitlines(data, offsets, flags, out):
    """The number of lines that str.splitlines yields of every text, into out: int64 (n,). flags: character_flags."""
    for i in range(offsets.size - 1):
        p, end, lines, is_open = offsets[i], offsets[i + 1], 0, False
        while p < end:
            cp, size = decode(data, p)
            if flags[cp] & BREAK:
                lines += 1
                is_open = False
                size += 1 if is_carriage_return(data, p, end) else 0
            else:
                is_open = True
            p += size
        out[i] = lines + is_open


@nb.njit(nogil=True, cache=True)
def find_blank(data, offsets, flags, out):
    """Whether a text is empty or only white space, into out: bool (n,). flags: character_flags."""
    for i in range(offsets.size - 1):
        p, end = offsets[i], offsets[i + 1]
        while p < end:
            cp, size = decode(data, p)
            if not flags[cp] & SPACE:
                break
            p += size
        out[i] = p == end
