"""The plain twin of curate.kernels.markup: strings, lists and regular expressions instead of bytes and arrays."""

import re

from curate.kernels import markup

_ATTRIBUTE = re.compile(r"""[^ \t\n\f\r/>][^ \t\n\f\r/>=]*(?:[ \t\n\f\r]*=[ \t\n\f\r]*(?:"[^"]*("|$)|'[^']*('|$)|[^ \t\n\f\r>]*))?""")
_GAP = re.compile(r"[ \t\n\f\r/]*")
_NAME = re.compile(r"[^ \t\n\f\r/>]*")
_COMMENT_END = re.compile(r"--!?>")


def _has(kind: int, flag: int) -> bool:
    return bool(kind & flag)


class _Page:
    """A page's open elements, as (name, kind, tag, formatting that waited when it opened, foreign content inside)."""

    def __init__(self) -> None:
        self.open: list[tuple[str, int, str, list[tuple[str, str]], bool]] = []
        self.waiting: list[tuple[str, str]] = []

    def close_down_to(self, level: int, ended: bool) -> None:
        """Close all elements from `level` on; the lowest one by its own end tag if `ended`."""
        closed = self.open[level:]
        del self.open[level:]
        for position, (name, kind, tag, before, _) in enumerate(closed):
            ends_formatting = _has(kind, markup.WALL) or kind >> markup.GROUP == markup.CELL_GROUP
            if ends_formatting:
                self.waiting = list(before)
                return
            own_end = ended and position == 0
            if _has(kind, markup.FORMATTING) and not own_end and self.waiting.count((name, tag)) < markup.SAME_PENDING:
                self.waiting.append((name, tag))

    def end(self, name: str, kind: int) -> None:
        group = kind >> markup.GROUP
        for level in reversed(range(len(self.open))):
            other, other_kind, *_ = self.open[level]
            if other == name or (group == markup.HEADING_GROUP and other_kind >> markup.GROUP == markup.HEADING_GROUP):
                self.close_down_to(level, ended=True)
                return
            if not _has(kind, markup.BLOCK) and _has(other_kind, markup.BLOCK):
                break
            if _has(kind, markup.BLOCK) and not _has(kind, markup.WALL) and _has(other_kind, markup.WALL):
                break
        if _has(kind, markup.FORMATTING):
            for position in reversed(range(len(self.waiting))):
                if self.waiting[position][0] == name:
                    del self.waiting[position]
                    return

    def imply_ends(self, kind: int) -> None:
        level = len(self.open)
        group = kind >> markup.GROUP
        if _has(kind, markup.BLOCK):
            for at in reversed(range(level)):
                if self.open[at][1] >> markup.GROUP == markup.P_GROUP:
                    level = at
                    break
                if _has(self.open[at][1], markup.BLOCK):
                    break
        if group not in (0, markup.P_GROUP, markup.HEADING_GROUP):
            for at in reversed(range(level)):
                other = self.open[at][1]
                if other >> markup.GROUP == group:
                    level = at
                    break
                if _has(other, markup.WALL | markup.LIST) or (not _has(kind, markup.BLOCK) and _has(other, markup.BLOCK)):
                    break
        self.close_down_to(level, ended=False)


def _read_tag(page: str, at: int) -> tuple[int, bool, int]:
    """Attributes, whether the tag closes itself, and where it ends (-1: never)."""
    count = 0
    while True:
        gap = _GAP.match(page, at)
        assert gap is not None
        at = gap.end()
        if at >= len(page):
            return count, False, -1
        if page[at] == ">":
            return count, gap[0].endswith("/"), at + 1
        attribute = _ATTRIBUTE.match(page, at)
        assert attribute is not None
        count += 1
        at = attribute.end()


def _declaration_end(page: str, at: int) -> int:
    if page.startswith("<!--", at):
        found = _COMMENT_END.search(page, at + 2)
        return found.end() if found else len(page)
    found_at = page.find(">", at)
    return found_at + 1 if found_at >= 0 else len(page)


def _raw_end(page: str, at: int, name: str) -> int:
    for match in re.finditer(r"</(?=[A-Za-z])", page[at:]):
        found = _NAME.match(page, at + match.end())
        assert found is not None
        if _lower(found[0]) == name and at + match.start() + 2 < len(page):
            return at + match.start()
    return len(page)


def _lower(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: letter[0].lower(), name)


def markup_extent(page: str, max_depth: int, max_attributes: int, max_nodes: int) -> tuple[int, int, int, int]:
    """As curate.kernels.markup.markup_extent, for text."""
    meanings = markup.name_meanings()
    state = _Page()
    deepest = attributes = nodes = options = steps = at = 0
    while (at := page.find("<", at)) >= 0 and at + 1 < len(page):
        tag = re.compile(r"<(/?)(?=[A-Za-z])").match(page, at)
        if tag is None:
            at = _declaration_end(page, at) if page[at + 1] in "/!?" else at + 1
            continue
        named = _NAME.match(page, tag.end())
        assert named is not None
        name = _lower(named[0])
        count, closes_itself, end = _read_tag(page, named.end())
        attributes = max(attributes, count)
        if attributes > max_attributes:
            return markup.TOO_MANY_ATTRIBUTES, deepest, attributes, nodes
        if end < 0:
            break
        kind = meanings.get(name, 0)
        steps += len(state.open)
        at = end
        if tag[1]:
            state.end(name, kind)
        else:
            foreign = bool(state.open) and state.open[-1][4]
            level = len(state.open)
            if foreign and kind & (markup.BLOCK | markup.VOID | markup.FORMATTING):
                while level and state.open[level - 1][4]:
                    level -= 1
                foreign = False
            _imply_after(state, level, kind)
            group = kind >> markup.GROUP
            options = 0 if group == markup.SELECT_GROUP else options + (group == markup.OPTION_GROUP)
            nodes += 1 + len(state.waiting) + (options // markup.CHEAP_STEPS if group == markup.OPTION_GROUP else 0)
            if kind & markup.RAW and not foreign:
                at = _raw_end(page, end, name)
            elif not kind & markup.VOID and not (closes_itself and (foreign or kind & markup.FOREIGN)):
                inside = bool(kind & markup.FOREIGN) or (foreign and not kind & markup.ISLAND)
                state.open.append((name, kind, page[tag.end() : end], list(state.waiting), inside))
            deepest = max(deepest, len(state.open) + len(state.waiting))
        if deepest > max_depth:
            return markup.TOO_DEEP, deepest, attributes, nodes
        if nodes + steps // markup.CHEAP_STEPS > max_nodes:
            return markup.TOO_MANY_NODES, deepest, attributes, nodes + steps // markup.CHEAP_STEPS
    return markup.FITS, deepest, attributes, nodes + steps // markup.CHEAP_STEPS


def _imply_after(state: _Page, level: int, kind: int) -> None:
    """What the start of an element of `kind` ends, once the elements from `level` on are left."""
    below = _Page()
    below.open, below.waiting = state.open[:level], []
    below.imply_ends(kind)
    state.close_down_to(len(below.open), ended=False)
