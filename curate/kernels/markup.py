"""What a page would cost an HTML parser, found in one pass over its bytes before any parser sees them.

Parsers are quadratic in places: measured with resiliparse 2.0.1 on one core, 20,000 nested `div` take about 10 s, 5,000
attributes of one tag 0.04 s (so 50,000 take 4 s), 50,000 options of one list 8 s, and 1,000 different formatting elements
left open in 1,000 paragraphs 1 s (the standard opens all of them again in every paragraph: 500,000 elements).

The pass follows the HTML standard's tokenizer, and of its tree building what decides how deep a tree gets: void
elements, implied ends, end tags that are ignored, raw text, self-closing inside SVG and MathML, reopened formatting.
"""

import functools

import numba
import numpy as np
from numpy.typing import NDArray

VOID, BLOCK, FORMATTING, RAW, WALL, LIST, FOREIGN, ISLAND = 1, 2, 4, 8, 16, 32, 64, 128
GROUP = 8  # bits 8 and up hold the number of the group whose members end each other
P_GROUP, CELL_GROUP, HEADING_GROUP, OPTION_GROUP, SELECT_GROUP = 1, 2, 3, 4, 5

# HTML standard, 13.1.2 and 13.2.4.2-3. html, head and body are open anyway, so another start tag adds nothing.
_NAMES = {
    VOID: "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr html head body",
    BLOCK: "address applet article aside blockquote button caption center colgroup dd details dir div dl dt fieldset figcaption figure footer form"
    " frameset h1 h2 h3 h4 h5 h6 header hgroup li listing main marquee menu nav noscript object ol optgroup option p pre search section select summary"
    " table tbody td template tfoot th thead tr ul",
    FORMATTING: "b big code em font i s small strike strong tt u",
    RAW: "script style xmp iframe noembed noframes textarea title plaintext",
    WALL: "table template object applet marquee",  # end tags inside do not close what is outside
    LIST: "ul ol menu dir dl select",  # as WALL does, these keep a start tag from ending one of its group outside
    FOREIGN: "svg math",
    ISLAND: "foreignobject desc title annotation-xml mi mo mn ms mtext",  # HTML again, inside SVG and MathML
}
_GROUPS = ("p", "td th caption", "h1 h2 h3 h4 h5 h6", "option optgroup", "select", "li", "dd dt", "tr", "thead tbody tfoot colgroup", "a", "nobr", "button")

FITS, TOO_DEEP, TOO_MANY_ATTRIBUTES, TOO_MANY_NODES = 0, 1, 2, 3
SAME_PENDING = 3  # as many equal formatting elements are reopened (the standard's "Noah's Ark clause")
CHEAP_STEPS = 256  # looking at so many open elements costs about as much as making one (7 ns to 2 µs)


def name_meanings() -> dict[str, int]:
    """Each known tag name and its flags."""
    meanings: dict[str, int] = {}
    for flag, names in _NAMES.items():
        for name in names.split():
            meanings[name] = meanings.get(name, 0) | flag
    for number, names in enumerate(_GROUPS, 1):
        for name in names.split():
            meanings[name] = meanings.get(name, 0) | number << GROUP
    return meanings


@functools.cache
def name_tables() -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """FNV-1a hashes (64 bits) of the known names, sorted, and the flags of each."""
    pairs = sorted((_fnv(name.encode()), flags) for name, flags in name_meanings().items())
    return np.array([key for key, _ in pairs], np.uint64), np.array([flags for _, flags in pairs], np.int64)


def _fnv(name: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in name:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


@numba.njit(nogil=True, cache=True)
def _letter(byte):
    return 97 <= (byte | 32) <= 122


@numba.njit(nogil=True, cache=True)
def _space(byte):
    return byte == 32 or byte == 9 or byte == 10 or byte == 12 or byte == 13


@numba.njit(nogil=True, cache=True)
def _hash_name(data, at):
    """The hash of the lower-cased tag name at `at`, and where it ends."""
    value = np.uint64(0xCBF29CE484222325)
    while at < len(data) and not _space(data[at]) and data[at] != 47 and data[at] != 62:
        byte = data[at] + 32 if 65 <= data[at] <= 90 else data[at]
        value = (value ^ np.uint64(byte)) * np.uint64(0x100000001B3)
        at += 1
    return value, at


@numba.njit(nogil=True, cache=True)
def _read_attributes(data, at):
    """From behind a tag's name: how many attributes, whether it closes itself, where the tag ends (-1: it never does)."""
    count = 0
    while True:
        closes = False
        while at < len(data) and (_space(data[at]) or data[at] == 47):
            closes = data[at] == 47
            at += 1
        if at >= len(data):
            return count, False, -1
        if data[at] == 62:
            return count, closes, at + 1
        count += 1
        at += 1  # a name's first byte may be anything, even "="
        while at < len(data) and not _space(data[at]) and data[at] != 47 and data[at] != 62 and data[at] != 61:
            at += 1
        after = at
        while after < len(data) and _space(data[after]):
            after += 1
        if after >= len(data) or data[after] != 61:
            continue
        at = after + 1
        while at < len(data) and _space(data[at]):
            at += 1
        if at < len(data) and (data[at] == 34 or data[at] == 39):
            quote = data[at]
            at += 1
            while at < len(data) and data[at] != quote:
                at += 1
            at += 1
        else:
            while at < len(data) and not _space(data[at]) and data[at] != 62:
                at += 1


@numba.njit(nogil=True, cache=True)
def _skip_declaration(data, at):
    """Behind the comment or declaration that begins at `at` with `<!`, `<?` or `</`."""
    if at + 3 < len(data) and data[at + 1] == 33 and data[at + 2] == 45 and data[at + 3] == 45:
        at += 2  # its two dashes may be those of its end: <!--> is whole
        while at + 2 < len(data):
            if data[at] == 45 and data[at + 1] == 45 and data[at + 2] == 62:
                return at + 3
            if data[at] == 45 and data[at + 1] == 45 and data[at + 2] == 33 and at + 3 < len(data) and data[at + 3] == 62:
                return at + 4
            at += 1
        return len(data)
    while at < len(data) and data[at] != 62:
        at += 1
    return at + 1


@numba.njit(nogil=True, cache=True)
def _skip_raw(data, at, name):
    """Where the end tag of a raw text element begins, or the end of data."""
    while at + 2 < len(data):
        if data[at] == 60 and data[at + 1] == 47 and _letter(data[at + 2]) and _hash_name(data, at + 2)[0] == name:
            return at
        at += 1
    return len(data)


@numba.njit(nogil=True, cache=True)
def _after_implied_ends(kinds, depth, kind):
    """How many elements stay open when one of `kind` starts."""
    if kind & BLOCK:
        for level in range(depth - 1, -1, -1):
            if kinds[level] >> GROUP == P_GROUP:
                depth = level
                break
            if kinds[level] & BLOCK:
                break
    group = kind >> GROUP
    if group > P_GROUP and group != HEADING_GROUP:
        for level in range(depth - 1, -1, -1):
            if kinds[level] >> GROUP == group:
                return level
            if kinds[level] & (WALL | LIST) or (not kind & BLOCK and kinds[level] & BLOCK):
                break
    return depth


@numba.njit(nogil=True, cache=True)
def _after_end_tag(names, kinds, depth, name, kind):
    """How many elements stay open after an end tag; `depth` where the standard ignores it."""
    for level in range(depth - 1, -1, -1):
        if names[level] == name or (kind >> GROUP == HEADING_GROUP and kinds[level] >> GROUP == HEADING_GROUP):
            return level
        if kinds[level] & (WALL if kind & BLOCK and not kind & WALL else BLOCK if not kind & BLOCK else 0):
            return depth
    return depth


@numba.njit(nogil=True, cache=True)
def _keep_formatting(names, kinds, tags, saved, pending_names, pending_tags, pending, start, depth):
    """Formatting elements among the closed levels start..depth that had no end tag of their own wait to be reopened."""
    for level in range(start, depth):
        if kinds[level] & WALL or kinds[level] >> GROUP == CELL_GROUP:
            return saved[level]  # what was left open inside a cell ends with it
        if kinds[level] & FORMATTING and pending < len(pending_tags):
            same = 0
            for other in range(pending):
                same += pending_tags[other] == tags[level]
            if same < SAME_PENDING:
                pending_names[pending] = names[level]
                pending_tags[pending] = tags[level]
                pending += 1
    return pending


@numba.njit(nogil=True, cache=True)
def _forget_formatting(pending_names, pending_tags, pending, name):
    """A formatting element that waited got its end tag: one fewer, if there was one of that name."""
    for at in range(pending - 1, -1, -1):
        if pending_names[at] == name:
            for later in range(at, pending - 1):
                pending_names[later], pending_tags[later] = pending_names[later + 1], pending_tags[later + 1]
            return pending - 1
    return pending


@numba.njit(nogil=True, cache=True)
def markup_extent(data, hashes, flags, max_depth, max_attributes, max_nodes):
    """Whether a page keeps within limits, and what was found until it did not.

    data: uint8, the page as UTF-8. hashes, flags: `name_tables()`. Returns (verdict, depth, attributes, nodes): FITS or
    the limit that was passed first; the most elements open at once, the most attributes in one tag, the elements a parser
    makes (with a share for long searches). Time is linear in the page for fixed limits.
    """
    room = max_depth + 2
    names, tags = np.zeros(room, np.uint64), np.zeros(room, np.uint64)
    kinds, saved, foreign = np.zeros(room, np.int64), np.zeros(room, np.int64), np.zeros(room, np.bool_)
    pending_names, pending_tags = np.zeros(room, np.uint64), np.zeros(room, np.uint64)
    depth = pending = options = steps = deepest = attributes = nodes = at = 0
    while at + 1 < len(data):
        if data[at] != 60:
            at += 1
            continue
        closing = data[at + 1] == 47
        begin = at + 2 if closing else at + 1
        if begin >= len(data) or not _letter(data[begin]):
            at = _skip_declaration(data, at) if closing or data[at + 1] == 33 or data[at + 1] == 63 else at + 1
            continue
        name, behind = _hash_name(data, begin)
        count, closes_itself, end = _read_attributes(data, behind)
        attributes = max(attributes, count)
        if attributes > max_attributes:
            return TOO_MANY_ATTRIBUTES, deepest, attributes, nodes
        if end < 0:
            break
        found = np.searchsorted(hashes, name)
        kind = flags[found] if found < len(hashes) and hashes[found] == name else 0
        before = depth
        steps += depth
        if closing:
            depth = _after_end_tag(names, kinds, depth, name, kind)
            if depth < before:
                pending = _keep_formatting(names, kinds, tags, saved, pending_names, pending_tags, pending, depth + 1, before)
                if kinds[depth] & WALL or kinds[depth] >> GROUP == CELL_GROUP:
                    pending = saved[depth]
            elif kind & FORMATTING:
                pending = _forget_formatting(pending_names, pending_tags, pending, name)
            at = end
        else:
            in_foreign = depth > 0 and foreign[depth - 1]
            if in_foreign and kind & (BLOCK | VOID | FORMATTING):  # HTML breaks out of SVG and MathML
                while depth > 0 and foreign[depth - 1]:
                    depth -= 1
                in_foreign = False
            depth = _after_implied_ends(kinds, depth, kind)
            pending = _keep_formatting(names, kinds, tags, saved, pending_names, pending_tags, pending, depth, before)
            options = 0 if kind >> GROUP == SELECT_GROUP else options + (kind >> GROUP == OPTION_GROUP)
            nodes += 1 + pending + (options // CHEAP_STEPS if kind >> GROUP == OPTION_GROUP else 0)
            at = end
            if kind & RAW and not in_foreign:
                at = _skip_raw(data, end, name)
            elif not kind & VOID and not (closes_itself and (in_foreign or kind & FOREIGN)):
                names[depth], kinds[depth], saved[depth] = name, kind, pending
                tags[depth] = np.uint64(_tag_hash(data, begin, end)) if kind & FORMATTING else np.uint64(0)
                foreign[depth] = kind & FOREIGN != 0 or (in_foreign and not kind & ISLAND)
                depth += 1
            deepest = max(deepest, depth + pending)
        if deepest > max_depth:
            return TOO_DEEP, deepest, attributes, nodes
        if nodes + steps // CHEAP_STEPS > max_nodes:
            return TOO_MANY_NODES, deepest, attributes, nodes + steps // CHEAP_STEPS
    return FITS, deepest, attributes, nodes + steps // CHEAP_STEPS


@numba.njit(nogil=True, cache=True)
def _tag_hash(data, start, end):
    value = np.uint64(0xCBF29CE484222325)
    for at in range(start, end):
        value = (value ^ np.uint64(data[at])) * np.uint64(0x100000001B3)
    return value
