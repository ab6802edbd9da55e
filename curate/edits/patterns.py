"""The table of patterns: what is looked for, of which kind, and who has the last word on a match.

All are RE2 patterns (linear time, no backtracking), over UTF-8 bytes. None can match a zero byte, which stands between the
stretches of text that are searched together. What a pattern matches is a candidate; its `accept` gives the bounds to cut
or None. Where a candidate is refused the search goes on after its first run of letters or digits (`inside`: candidates
are short, so the time stays linear), after the whole, or where an empty span says.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import re2

from curate.edits import addresses, phones, secrets
from curate.edits.addresses import Accepted
from curate.edits.check_digits import IBAN_LENGTHS, has_card_prefix, is_iban, luhn
from curate.kernels.regions import NEAR_AT, NEAR_MARKS, NEAR_PHRASE

AT, MARKS, PHRASE = int(NEAR_AT), int(NEAR_MARKS), int(NEAR_PHRASE)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One form of one kind. near: the triggers without which it cannot match; group: the capture that is cut."""

    kind: str
    expression: str
    accept: Callable[[bytes, int, int], Accepted]
    near: int
    group: int = 0
    inside: bool = False


def accept_card(text: bytes, start: int, end: int) -> Accepted:
    """A card's number alone, not a piece of a longer number, path or name: a known prefix, or a word such as "card" before it.

    12 and 13 digits always need the word: they are in use hardly anywhere, and the length of article numbers.
    """
    if text[start - 1 : start] in (b"/", b"_", b"-", b"+", b"=") or (text[start - 1 : start] in (b".", b",") and text[start - 2 : start - 1].isdigit()):
        return None
    if text[end : end + 1] in (b"-", b".", b"/", b"_") and text[end + 1 : end + 2].isalnum():
        return None
    digits = text[start:end].replace(b" ", b"").replace(b"-", b"").decode()
    if not luhn(digits) or len(set(digits)) == 1:
        return None
    known = len(digits) > 13 and has_card_prefix(digits)
    return (start, end) if known or _CARD_WORD.search(addresses.before(text, start, 48)) else None


def accept_iban(text: bytes, start: int, end: int) -> Accepted:
    """As many letters and digits as the country's accounts have, ending there, with the right check digits."""
    length = IBAN_LENGTHS[text[start : start + 2].decode().upper()]
    at, count = start, 0
    while at < end and count < length:
        count += text[at : at + 1] not in (b" ", b"-")
        at += 1
    account = text[start:at].decode().replace(" ", "").replace("-", "").upper()
    return None if text[at : at + 1].isalnum() or not is_iban(account) else (start, at)


_CARD_WORD = re2.compile(r"(?i)card|visa|maestro|credit|debit|\bcc\b|carte|karte|tarjeta|carta|cartão|cartao|карт|卡|カード|카드")

# Letters of the scripts that write e-mail addresses with spaces around them: Latin, Greek, Cyrillic.
_LETTER = r"A-Za-z\x{C0}-\x{24F}\x{370}-\x{52F}"
_LABEL = rf"[{_LETTER}0-9](?:[{_LETTER}0-9-]*[{_LETTER}0-9])?"
_TOP = rf"(?:xn--[A-Za-z0-9-]+|[{_LETTER}]{{2,24}})"
_LOCAL = rf"[{_LETTER}0-9_][{_LETTER}0-9_.!#$%&'*+~^-]*"
EMAIL = rf"{_LOCAL}@(?:(?:{_LABEL}\.)+{_TOP}|\[\d{{1,3}}(?:\.\d{{1,3}}){{3}}\])"
_DOT = r"(?:\.| ?[\[(] ?(?i:dot) ?[\])] ?)"
DISGUISED_EMAIL = rf"{_LOCAL} ?[\[(] ?(?i:at) ?[\])] ?(?:{_LABEL}{_DOT})+{_TOP}"

IP4 = r"\b\d{1,3}(?:\.\d{1,3}){3}\b"
IP6 = r"\b[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7}"
CARD = r"\b(?:\d{12,19}|\d{4}(?:[ -]\d{4}){3}(?:[ -]\d{3})?|\d{4}[ -]\d{6}[ -]\d{4,5}|\d{4}(?:[ -]\d{4}){2}[ -]\d)\b"
IBAN = rf"\b(?i:{'|'.join(IBAN_LENGTHS)})\d\d(?:[ -]?[A-Za-z0-9]{{4}}){{2,7}}(?:[ -]?[A-Za-z0-9]{{1,3}})?\b"

_BETWEEN = r"[ .\-/()\x{A0}\x{2010}-\x{2013}]"
INTERNATIONAL = rf"(?:\+[1-9]|\b00[1-9]\d{{0,2}}{_BETWEEN}{{1,2}}\d)(?:{_BETWEEN}{{0,2}}\d){{6,15}}"
NORTH_AMERICAN = r"(?:\b1[ .-]?)?(?:\([2-9]\d\d\)[ .-]?|\b[2-9]\d\d[./-])\d{3}[ .-]\d{4}"
TRUNK = r"(?:\(0[1-9]\d{0,4}\) ?\d{2,8}|\b0[1-9]\d{0,4}(?: ?[./-] ?| )\d{2,8})(?:[ .-]\d{2,8}){0,4}\b"
_LOOSE = rf"(\(?\d(?:{_BETWEEN}{{0,2}}\d){{6,14}})"
_PHONE_WORDS = (
    r"\b(?:tele)?phones?|\btel\b\.?|\bmobile|\bcell(?:phone|ular)?|\bfax|\bcall|\bdial|\bring|\bwhatsapp|\bsms|\bhotline|\bdesk|\boffice|\banswering|\bmessages|\bcontact"
    r"|\btél(?:éphone|écopie)?\.?|\bportable|\btelefono?|\bteléfono|\bmóvil|\bcelular|\btelefone|\btelemóvel|\btelefoon|\bcellulare|\bhandy|\bmobil|\brufnummer|\bpuhelin"
    r"|\btelefon(?:nummer)?|тел(?:ефон)?\.?|τηλ(?:έφωνο)?|طلب|هاتف|電話(?:番号)?|电话|手机|手機|联系方式|전화(?:번호)?|휴대폰"
)
_LINKS = r"(?:[\s:：=#|*()-]|\bnumber|\bnumero|\bnummer|\bnúmero|\bno\b\.?|\bnr\b\.?|\bme\b|\bus\b|\bhim\b|\bher\b|\bat\b|\bon\b|\bto\b|\bis\b|\bor\b|\bby\b)"
AFTER_A_WORD = rf"(?i)(?:{_PHONE_WORDS}){_LINKS}{{0,6}}{_LOOSE}"
BEFORE_A_WORD = rf"(?i)\b{_LOOSE} ?[-–]? ?\(?(?:office|fax|mobile|home|cell|phone|desk|handy|mobil)\b"


def patterns(kinds: frozenset[str], *, public_ips_only: bool) -> tuple[Pattern, ...]:
    """The patterns of some kinds, most trustworthy first: where two overlap, the first stays."""
    ip4 = addresses.accept_public_ip4 if public_ips_only else addresses.accept_ip4
    ip6 = addresses.accept_public_ip6 if public_ips_only else addresses.accept_ip6
    table = (
        Pattern("secret", secrets.PEM, secrets.accept_block, PHRASE),
        Pattern("secret", secrets.TOKEN, secrets.accept_token, PHRASE),
        Pattern("secret", secrets.URL_CREDENTIALS, secrets.accept_credentials, AT, group=1),
        Pattern("email", EMAIL, addresses.accept_email, AT),
        Pattern("email", DISGUISED_EMAIL, addresses.accept_email, AT),
        Pattern("secret", secrets.ASSIGNMENT, secrets.accept_assignment, PHRASE, group=1),
        Pattern("iban", IBAN, accept_iban, MARKS, inside=True),
        Pattern("card", CARD, accept_card, MARKS, inside=True),
        Pattern("ip_address", IP4, ip4, MARKS, inside=True),
        Pattern("ip_address", IP6, ip6, MARKS),
        Pattern("phone", INTERNATIONAL, phones.accept_international, MARKS, inside=True),
        Pattern("phone", NORTH_AMERICAN, phones.accept_north_american, MARKS, inside=True),
        Pattern("phone", TRUNK, phones.accept_trunk, MARKS, inside=True),
        Pattern("phone", AFTER_A_WORD, phones.accept_near_a_word, MARKS, group=1),
        Pattern("phone", BEFORE_A_WORD, phones.accept_near_a_word, MARKS, group=1),
    )
    return tuple(pattern for pattern in table if pattern.kind in kinds)


@functools.cache
def compiled(expression: str) -> Any:
    """RE2's automaton, made once a process (a few milliseconds each)."""
    return re2.compile(expression)


def search(pattern: Pattern, text: bytes) -> Iterator[tuple[int, int]]:
    """The bounds of every accepted match, ascending and apart."""
    automaton, at = compiled(pattern.expression), 0
    while (match := automaton.search(text, at)) is not None:
        start, end = match.span(pattern.group)
        if found := pattern.accept(text, start, end):
            if found[0] < found[1]:
                yield found
            at = max(found[1], start + 1)
        elif pattern.inside:
            at = _after_run(text, start)
        else:
            at = match.end()


def _after_run(text: bytes, at: int) -> int:
    """The end of the run of ASCII letters and digits that starts at a place, at least one byte on."""
    at += 1
    while text[at : at + 1].isalnum():
        at += 1
    return at
