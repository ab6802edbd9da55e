"""JSON Lines: of each line's object the text, the identifier and the address, without an object per record.

A line is taken only if it is JSON beyond doubt and means to every strict reader the same; any other (an escaped key, a key
of ours that stands twice, half a surrogate pair, a number of 600 digits, …) is left to the reader that goes line by line and says
what is wrong. Strings are searched sixty-four bytes at a time (`curate.kernels.byte_masks`). Every line must be followed by LF, which
ends every search, so that nothing here looks at a bound.
"""

import numba as nb
import numpy as np

from curate.kernels.byte_masks import bytes_between, copy_block, lowest_bit

u8, u32, u64 = np.uint8, np.uint32, np.uint64

LEFT, TAKEN = 0, 1
ABSENT, PRESENT = 0, 1
MAX_DEPTH = 60  # containers open at once: their kinds are the bits of one number
MAX_DIGITS = 600  # Python reads integers of at least 640 whatever it is told
_ONE = u64(1)
_QUOTE, _BACKSLASH, _COMMA, _COLON, _MINUS, _POINT, _ZERO, _NINE, _LF = 34, 92, 44, 58, 45, 46, 48, 57, 10
_OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY = 123, 125, 91, 93

_UNESCAPED = np.zeros(256, np.uint8)
for _letter, _stands_for in zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True):
    _UNESCAPED[_letter] = _stands_for
_HEX = np.full(256, 255, np.uint8)
for _digit in b"0123456789abcdefABCDEF":
    _HEX[_digit] = int(chr(_digit), 16)


@nb.njit(inline="always")
def _space(data, p):
    """The next byte that is no white space of JSON."""
    while data[p] == 32 or data[p] == 9 or data[p] == 13:
        p += 1
    return p


@nb.njit(inline="always")
def _stops(data, p):
    """Which of 64 bytes end a stretch of a string that stands for itself."""
    return bytes_between(data, p, u8(34), u8(34)) | bytes_between(data, p, u8(92), u8(92)) | bytes_between(data, p, u8(0), u8(31))


@nb.njit(inline="always")
def _four_digits(data, p):
    """The number of four hexadecimal digits, or one above 0xFFFF."""
    a, b, c, d = _HEX[data[p]], _HEX[data[p + 1]], _HEX[data[p + 2]], _HEX[data[p + 3]]
    if a > 15 or b > 15 or c > 15 or d > 15:
        return u32(0x10000)
    return (u32(a) << u32(12)) | (u32(b) << u32(8)) | (u32(c) << u32(4)) | u32(d)


@nb.njit
def _escape(data, p, out, q):
    """Write what the escape at p stands for; (behind it, behind what was written), or −1 for one that is wrong or half a pair."""
    plain = _UNESCAPED[data[p + 1]]
    if plain:
        out[q] = plain
        return p + 2, q + 1
    cp = _four_digits(data, p + 2) if data[p + 1] == 117 else u32(0x10000)
    p += 6
    if cp > u32(0xFFFF):
        return -1, q
    if cp >= u32(0xD800) and cp < u32(0xE000):
        low = _four_digits(data, p + 2) if data[p] == _BACKSLASH and data[p + 1] == 117 else u32(0)
        if cp >= u32(0xDC00) or low < u32(0xDC00) or low > u32(0xDFFF):
            return -1, q
        p += 6
        cp = u32(0x10000) + ((cp - u32(0xD800)) << u32(10)) + (low - u32(0xDC00))
    if cp < u32(0x80):
        out[q] = u8(cp)
        return p, q + 1
    if cp < u32(0x800):
        out[q] = u8(u32(0xC0) | (cp >> u32(6)))
        q += 1
    else:
        if cp < u32(0x10000):
            out[q] = u8(u32(0xE0) | (cp >> u32(12)))
            q += 1
        else:
            out[q] = u8(u32(0xF0) | (cp >> u32(18)))
            out[q + 1] = u8(u32(0x80) | ((cp >> u32(12)) & u32(0x3F)))
            q += 2
        out[q] = u8(u32(0x80) | ((cp >> u32(6)) & u32(0x3F)))
        q += 1
    out[q] = u8(u32(0x80) | (cp & u32(0x3F)))
    return p, q + 1


@nb.njit
def _string(data, p, out, q):
    """Write the string whose inside begins at p; (behind its closing quote, behind what was written), or −1 for one not to be taken.

    Blocks of 64 bytes are written whole, so `out` needs as many bytes behind what is wanted.
    """
    while True:
        copy_block(data, p, out, q)
        stops = _stops(data, p)
        if not stops:
            p += 64
            q += 64
            continue
        bit = lowest_bit(stops)
        p += bit
        q += bit
        if data[p] == _QUOTE:
            return p + 1, q
        if data[p] != _BACKSLASH:
            return -1, q
        p, q = _escape(data, p, out, q)
        if p < 0:
            return -1, q


@nb.njit
def _number(data, p):
    """(behind the number at p, whether it is an integer), or −1."""
    start = p
    if data[p] == _MINUS:
        p += 1
    if data[p] < _ZERO or data[p] > _NINE:
        return -1, False
    if data[p] == _ZERO:
        p += 1
    else:
        while data[p] >= _ZERO and data[p] <= _NINE:
            p += 1
    whole = True
    if data[p] == _POINT:
        whole = False
        p += 1
        if data[p] < _ZERO or data[p] > _NINE:
            return -1, False
        while data[p] >= _ZERO and data[p] <= _NINE:
            p += 1
    if data[p] | 32 == 101:  # e or E
        whole = False
        p += 1
        if data[p] == _MINUS or data[p] == 43:
            p += 1
        if data[p] < _ZERO or data[p] > _NINE:
            return -1, False
        while data[p] >= _ZERO and data[p] <= _NINE:
            p += 1
    return (p, whole) if p - start <= MAX_DIGITS else (-1, False)


@nb.njit(inline="always")
def _literal(data, p):
    """Behind true, false or null at p, or −1."""
    if data[p] == 116 and data[p + 1] == 114 and data[p + 2] == 117 and data[p + 3] == 101:
        return p + 4
    if data[p] == 102 and data[p + 1] == 97 and data[p + 2] == 108 and data[p + 3] == 115 and data[p + 4] == 101:
        return p + 5
    if data[p] == 110 and data[p + 1] == 117 and data[p + 2] == 108 and data[p + 3] == 108:
        return p + 4
    return -1


@nb.njit
def _key(data, p, scratch):
    """Where the value begins whose key stands at p, or −1."""
    if data[p] != _QUOTE:
        return -1
    p, _ = _string(data, p + 1, scratch, 0)
    if p < 0:
        return -1
    p = _space(data, p)
    return _space(data, p + 1) if data[p] == _COLON else -1


@nb.njit
def _value(data, p, scratch, max_depth):
    """Behind the value at p, whatever it is, or −1. It stands in one object already."""
    kinds, depth = u64(0), 1  # the lowest bit says whether the innermost container inside this value is an object
    while True:
        c = data[p]
        opened = False
        if c == _QUOTE:
            p, _ = _string(data, p + 1, scratch, 0)
        elif c in (_OPEN_OBJECT, _OPEN_ARRAY):
            depth += 1
            kinds = (kinds << _ONE) | u64(c == _OPEN_OBJECT)
            opened = True
            p = _space(data, p + 1) if depth <= max_depth else -1
        elif c == _MINUS or (c >= _ZERO and c <= _NINE):
            p, _ = _number(data, p)
        else:
            p = _literal(data, p)
        if p < 0:
            return -1
        if opened and data[p] != _CLOSE_OBJECT and data[p] != _CLOSE_ARRAY:
            if kinds & _ONE:
                p = _key(data, p, scratch)
                if p < 0:
                    return -1
            continue
        while True:  # behind a value, or at the end of an empty container
            if depth == 1:
                return p
            p = _space(data, p)
            if data[p] == (_CLOSE_OBJECT if kinds & _ONE else _CLOSE_ARRAY):
                kinds >>= _ONE
                depth -= 1
                p += 1
                opened = False
                continue
            if opened or data[p] != _COMMA:
                return -1
            p = _space(data, p + 1)
            if kinds & _ONE:
                p = _key(data, p, scratch)
                if p < 0:
                    return -1
            break


@nb.njit(inline="always")
def _is(data, start, end, name):
    """Whether bytes start to end are the name."""
    if end - start != name.size or not name.size:
        return False
    for k in range(name.size):  # noqa: SIM110 - what numba compiles
        if data[start + k] != name[k]:
            return False
    return True


@nb.njit(inline="always")
def _blank(text, start, end):
    """Whether a text may be white space alone: false at the first byte that begins no white space in Unicode."""
    for p in range(start, end):
        c = text[p]
        if (c > 32 and c < 128) or (c >= 0xC3 and c != 0xE1 and c != 0xE2 and (c != 0xE3 or text[p + 1] > 0x80)):
            return False
    return True


@nb.njit
def _scalar(data, p, out, q, scratch, max_depth):
    """Write the string or integer at p; (behind the value, behind what was written, PRESENT or ABSENT)."""
    if data[p] == _QUOTE:
        p, q = _string(data, p + 1, out, q)
        return p, q, PRESENT
    if data[p] == _MINUS or (data[p] >= _ZERO and data[p] <= _NINE):
        end, whole = _number(data, p)
        if end < 0 or not whole:
            return end, q, ABSENT
        if data[p] == _MINUS and data[p + 1] == _ZERO:
            return -1, q, ABSENT
        for k in range(p, end):
            out[q + k - p] = data[k]
        return end, q + end - p, PRESENT
    return _value(data, p, scratch, max_depth), q, ABSENT


@nb.njit
def _line(data, p, names, limits, outs, at, scratch):
    """Read the object of the line at p; (LEFT or TAKEN, ends in the three outputs, whether the last two are present)."""
    text_name, id_name, uri_name = names
    max_depth, max_text_bytes = limits
    texts, ids, uris = outs
    text_at, id_at, uri_at = at
    text_end, id_end, uri_end = text_at, id_at, uri_at
    has_text, id_found, uri_found, has_id, has_uri = False, False, False, ABSENT, ABSENT
    left = (LEFT, text_at, id_at, uri_at, ABSENT, ABSENT)
    p = _space(data, p)
    if data[p] != _OPEN_OBJECT:
        return left
    while True:
        p = _space(data, p + 1)
        if data[p] != _QUOTE:
            return left
        key = p + 1
        p = key
        while data[p] != _QUOTE and data[p] != _BACKSLASH and data[p] >= 32:
            p += 1
        key_end = p
        if data[p] != _QUOTE:
            return left
        p = _space(data, p + 1)
        if data[p] != _COLON:
            return left
        p = _space(data, p + 1)
        if _is(data, key, key_end, text_name):
            if has_text or data[p] != _QUOTE:
                return left
            has_text = True
            p, text_end = _string(data, p + 1, texts, text_at)
        elif _is(data, key, key_end, id_name):
            if id_found:
                return left
            id_found = True
            p, id_end, has_id = _scalar(data, p, ids, id_at, scratch, max_depth)
        elif _is(data, key, key_end, uri_name):
            if uri_found:
                return left
            uri_found = True
            if data[p] == _QUOTE:
                p, uri_end = _string(data, p + 1, uris, uri_at)
                has_uri = PRESENT
            else:
                p = _value(data, p, scratch, max_depth)
        else:
            p = _value(data, p, scratch, max_depth)
        if p < 0:
            return left
        p = _space(data, p)
        if data[p] == _COMMA:
            continue
        if data[p] != _CLOSE_OBJECT or data[_space(data, p + 1)] != _LF:
            return left
        if not has_text or text_end - text_at > max_text_bytes or _blank(texts, text_at, text_end):
            return left
        return TAKEN, text_end, id_end, uri_end, has_id, has_uri


@nb.njit(nogil=True, cache=True)
def line_ends(data, size, ends):
    """Where each LF of data[:size] stands, and `size` where no LF stands last; returns how many. ends: int64, long enough."""
    count = 0
    for base in range(0, size, 64):
        found = bytes_between(data, base, u8(10), u8(10))
        if base + 64 > size:
            found &= (_ONE << u64(size - base)) - _ONE
        while found:
            ends[count] = base + lowest_bit(found)
            found &= found - _ONE
            count += 1
    if size and (not count or ends[count - 1] != size - 1):
        ends[count] = size
        count += 1
    return count


@nb.njit(nogil=True, cache=True)
def read_lines(data, starts, names, limits, outs, taken, bounds, present):
    """Read the objects of lines.

    data: uint8, valid UTF-8, each line and the last bytes (`PADDING` of them) LF; starts: int64 (lines,); names: the keys of text,
    identifier and address, uint8 each, empty for none, no two the same; limits: (nesting, bytes of a text). Fills outs (three
    uint8 arrays of at least data.size + 64): of the lines taken, texts, identifiers and addresses one after another; taken: uint8
    (lines,), TAKEN or LEFT; and for the lines taken, in order, bounds: int64 (3, lines + 1); present: uint8 (2, lines).
    Returns how many were taken.
    """
    count = 0
    at = (np.int64(0), np.int64(0), np.int64(0))
    max_depth = min(limits[0], MAX_DEPTH)
    scratch = np.empty(data.size + 64, np.uint8)
    bounds[:, 0] = 0
    for line in range(starts.size):
        status, text_end, id_end, uri_end, has_id, has_uri = _line(data, starts[line], names, (max_depth, limits[1]), outs, at, scratch)
        taken[line] = status
        if status == LEFT:
            continue
        present[0, count], present[1, count] = has_id, has_uri
        id_end, uri_end = (id_end if has_id else at[1]), (uri_end if has_uri else at[2])
        count += 1
        bounds[0, count], bounds[1, count], bounds[2, count] = text_end, id_end, uri_end
        at = (text_end, id_end, uri_end)
    return count
