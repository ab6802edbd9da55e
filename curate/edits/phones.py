"""Telephone numbers: forms that give themselves away, and looser ones next to a word such as "phone".

Forms: international (E.164 calling codes and lengths), North American (NANP: area and exchange begin with 2 to 9),
national with a trunk zero (9 to 12 digits, in groups). Anything else needs a word before or after it.
"""

from itertools import pairwise

import re2

from curate.edits.addresses import Accepted

# Calling codes in use (ITU-T E.164, list of assigned codes).
_CODES = """
1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 211 212 213
216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 254
255 256 257 258 260 261 262 263 264 265 266 267 268 269 290 291 297 298 299 350 351 352 353 354 355 356 357 358 359 370 371 372 373 374 375 376 377
378 380 381 382 383 385 386 387 389 420 421 423 500 501 502 503 504 505 506 507 508 509 590 591 592 593 594 595 596 597 598 599 670 672 673 674 675
676 677 678 679 680 681 682 683 685 686 687 688 689 690 691 692 800 808 850 852 853 855 856 870 878 880 881 882 883 886 888 960 961 962 963 964 965
966 967 968 970 971 972 973 974 975 976 977 979 992 993 994 995 996 998
"""
_CALLING_CODES = frozenset(_CODES.split())
_GROUP = re2.compile(rb"\d+")
_PAIRS = re2.compile(rb"\d\d(?:[ .-]\d\d)*")
_COMPACT_DATE = re2.compile(rb"^(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{4}|\d{6})?$")
_EXTENSION = re2.compile(rb"(?i)^ ?(?:x|ext\.? ?|#) ?\d{1,6}\b")
_MIN_E164, _MAX_E164 = 8, 15  # digits with the calling code; shorter ones exist on small islands only


def accept_international(text: bytes, start: int, end: int) -> Accepted:
    """+ or 00, a calling code in use, 8 to 15 digits in all; 11 with code 1. Groups that are too many are left out at the end."""
    if _is_joined(text, start) or text[start - 1 : start].isalnum():
        return None
    end = _whole(text, start, end)
    sign = 2 if text[start : start + 2] == b"00" else 1
    if sign == 2 and _is_grouped_alike(text, start, len(_GROUP.match(text[start:end]).group())):
        return None
    groups = _groups(text, start + sign, end)
    digits = "".join(group for group, _ in groups)
    code = next((digits[:size] for size in (1, 2, 3) if digits[:size] in _CALLING_CODES), None)
    if code is None or digits[len(code) :].startswith("00") or len(set(digits)) < 3:
        return None
    if code == "1":
        return _ended(text, start, groups, 11, 11) if digits[1:2] > "1" else None
    found = _ended(text, start, groups, _MIN_E164, _MAX_E164)
    # +48.8577000 is a place on earth; +44.2079460958 is how WHOIS writes a number
    return None if found and len(groups) == 2 and text[start:end].count(b".") and len(groups[1][0]) < 9 else found


def accept_north_american(text: bytes, start: int, end: int) -> Accepted:
    """Ten digits in their places, with nothing numeric joined on either side."""
    goes_on = text[end : end + 1] in (b"-", b".", b"/") and text[end + 1 : end + 2].isdigit()
    whole = _extended(text, end)
    if goes_on or _is_joined(text, start) or (whole == end and text[end : end + 1].isalnum()):
        return None
    return start, whole


def accept_trunk(text: bytes, start: int, end: int) -> Accepted:
    """9 to 12 digits after a trunk zero, separated in one manner (the area code may stand off in another), and no date or list of pairs."""
    if _is_joined(text, start):
        return None
    end = _whole(text, start, end)
    groups = _groups(text, start, end)
    if _is_grouped_alike(text, start, len(groups[0][0])):
        return None
    seams = [text[one : other - len(group)].strip() for (_, one), (group, other) in pairwise(groups[1:])]
    if len(set(seams)) > 1 or len({*text[start:end]} - {*b" .-/()"}) < 4 or _is_date([group for group, _ in groups]):
        return None
    if [len(group) for group, _ in groups] in ([5, 4], [3, 2, 4]):  # a ZIP code, or two numbers; a social security number
        return None
    if all(len(group) == 2 for group, _ in groups) and (len(groups) != 5 or _goes_on(text, start, end)):
        listed = _PAIRS.match(text, start).end()
        return listed, listed
    return _ended(text, start, groups, 9, 12)


def accept_near_a_word(text: bytes, start: int, end: int) -> Accepted:
    """7 to 15 digits that are no date."""
    if _is_joined(text, start):
        return None
    end = _whole(text, start, end)
    groups = _groups(text, start, end)
    if _is_date([group for group, _ in groups]) or _COMPACT_DATE.search(text[start:end]):
        return None
    return _ended(text, start, groups, 7, _MAX_E164)


def _groups(text: bytes, start: int, end: int) -> list[tuple[str, int]]:
    """The runs of digits, each with its end in the text."""
    return [(match.group().decode(), start + match.end()) for match in _GROUP.finditer(text[start:end])]


def _ended(text: bytes, start: int, groups: list[tuple[str, int]], least: int, most: int) -> Accepted:
    """The longest run of leading groups with a number of digits within bounds."""
    total, best = 0, None
    for group, end in groups:
        total += len(group)
        if least <= total <= most:
            best = end
    if best is None:
        return None
    return start, _extended(text, best)


def _whole(text: bytes, start: int, end: int) -> int:
    """The end with the number's last digits, which a bounded pattern may have cut off: such a group is then left out."""
    if not text[end : end + 1].isdigit():
        return end
    while end > start and text[end - 1 : end].isdigit():
        end -= 1
    return end


def _extended(text: bytes, end: int) -> int:
    """The end with an extension (x123, ext. 45)."""
    found = _EXTENSION.search(text[end : end + 16])
    return end + found.end() if found else end


def _is_joined(text: bytes, start: int) -> bool:
    """Whether a number goes on to the left: a digit, or a letter or digit before a joining mark."""
    before, mark = text[max(0, start - 2) : max(0, start - 1)], text[start - 1 : start]
    return mark.isdigit() or mark == b"_" or (mark in (b".", b"-", b"/", b":", b",", b"=") and before.isdigit()) or (mark in (b"-", b"/") and before.isalpha())


def _is_grouped_alike(text: bytes, start: int, size: int) -> bool:
    """Whether a group of as many digits stands one space before: then this is the rest of an account or card number."""
    before = text[max(0, start - size - 1) : start]
    return len(before) == size + 1 and before[:-1].isdigit() and before[-1:] == b" "


def _goes_on(text: bytes, start: int, end: int) -> bool:
    """Whether more pairs stand one space away, as in a dump of bytes."""
    pairs = (text[max(0, start - 3) : max(0, start - 1)], text[start - 1 : start]), (text[end + 1 : end + 3], text[end : end + 1])
    return any(pair.isalnum() and mark in (b" ", b".", b"-") for pair, mark in pairs)


def _is_date(groups: list[str]) -> bool:
    """Whether groups begin or end like a day, a month and a year, in any order that is in use."""
    for three in (groups[:3], groups[-3:]):
        if len(three) == 3:
            year = three[0] if len(three[0]) == 4 else three[2]
            others = [int(group) for group in three if group is not year]
            if len(year) == 4 and "1800" <= year <= "2199" and len(others) == 2 and all(1 <= other <= 31 for other in others) and min(others) <= 12:
                return True
    return False
