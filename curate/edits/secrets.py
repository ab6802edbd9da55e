"""Keys, tokens and passwords: forms that issuers made recognisable, and random-looking values given to a telling name."""

import re2

from curate.edits.addresses import Accepted, before

# Forms with a prefix of their own; each begins with one of PREFIXES. Lengths as the issuers document them.
TOKENS = (
    r"(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AIPA|ANPA|ANVA|AROA)[A-Z2-7]{16}\b",  # AWS key ids
    r"gh[pousr]_[A-Za-z0-9]{36}[A-Za-z0-9]*",  # GitHub
    r"github_pat_[A-Za-z0-9_]{22}[A-Za-z0-9_]*",
    r"glpat-[A-Za-z0-9_-]{20}[A-Za-z0-9_.-]*",  # GitLab
    r"xox[abeoprs]-[A-Za-z0-9-]{10}[A-Za-z0-9-]*",  # Slack
    r"xapp-[0-9]-[A-Za-z0-9-]{10}[A-Za-z0-9-]*",
    r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{20}[A-Za-z0-9/]*",
    r"AIza[A-Za-z0-9_-]{35}",  # Google
    r"ya29\.[A-Za-z0-9_-]{20}[A-Za-z0-9_-]*",
    r"GOCSPX-[A-Za-z0-9_-]{28}",
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16}[A-Za-z0-9]*",  # Stripe
    r"whsec_[A-Za-z0-9+/=]{24}[A-Za-z0-9+/=]*",
    r"sk-(?:[A-Za-z0-9]+-)*[A-Za-z0-9_-]{20}[A-Za-z0-9_-]*",  # OpenAI, Anthropic and others
    r"hf_[A-Za-z0-9]{30}[A-Za-z0-9]*",  # Hugging Face
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{50}[A-Za-z0-9_-]*",
    r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",  # SendGrid
    r"eyJ[A-Za-z0-9_-]{8}[A-Za-z0-9_-]*\.eyJ[A-Za-z0-9_-]{8}[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{10}[A-Za-z0-9_-]*",  # JSON Web Token
)
_PREFIXES = (
    "akia asia abia acca agpa aida aipa anpa anva aroa ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs- xapp- "
    "hooks.slack.com aiza ya29. gocspx- sk_live_ sk_test_ rk_live_ rk_test_ pk_live_ pk_test_ whsec_ sk- hf_ npm_ pypi- sg. eyj"
)
PREFIXES = tuple(_PREFIXES.split())
# Names whose values are secret; "password" and "passwd" both hold the first.
NAMES = (
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "api_key",
    "api-key",
    "apikey",
    "token",
    "private_key",
    "access_key",
    "account_key",
    "accountkey",
    "encryption_key",
)
KEY_BLOCK = "private key"  # of the line that opens a PEM block

TOKEN = r"\b(?:" + "|".join(TOKENS) + ")"
ASSIGNMENT = (
    r"(?i)(?:passw(?:or)?d|passphrase|pwd|secret(?:[_-]?(?:access[_-]?)?key)?|api[_-]?key|(?:private|access|account|encryption)[_-]?key|token)"
    r"""[A-Za-z0-9_]{0,12}["'\]]{0,2}[ \t]{0,8}(?:=>|:=|==?|:)[ \t]{0,8}["']?([A-Za-z0-9_+/=.~!@#$^&*-]{8}[A-Za-z0-9_+/=.~!@#$^&*-]*)"""
)
URL_CREDENTIALS = r"[A-Za-z][A-Za-z0-9+.-]*://([^\s/?#:@<>\"'\x00]+:[^\s/?#@<>\"'\x00]+)@[A-Za-z0-9\[]"
# The body holds no "--", so that one block never reaches into another; a block without its last line ends with its last full line.
_BEGIN = r"-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----"
PEM = rf"{_BEGIN}(?:(?:-?[^\x00-])*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|(?:\s+[A-Za-z0-9+/=]{{40,80}})+(?:\s+[A-Za-z0-9+/=]{{4,80}})?)"

_TEMPLATE = (b"$", b"%", b"*", b"<", b"your", b"xxx", b"example", b"changeme")
_WORDS = re2.compile(rb"^[A-Za-z]+(?:[_.-][A-Za-z]+)*[_.-]?[0-9]{0,2}[.!]?$")


def accept_token(text: bytes, start: int, end: int) -> Accepted:
    """A recognisable form; the short prefix sk- begins ordinary words too, so there the rest must look random."""
    if text[start : start + 3] == b"sk-" and not _looks_random(text[start + 3 : end].rpartition(b"-")[2] or text[start:end], 16):
        return None
    return start, end


def accept_assignment(text: bytes, start: int, end: int) -> Accepted:
    """A value that is neither words, nor a path, nor code or a template's blank: letters and digits mixed, few of them repeated.

    Passwords are shorter than keys: 8 characters, against 16 for the value of other names.
    """
    name = before(text, start, 48).lower()
    least = 8 if b"passw" in name or b"pwd" in name or b"passphrase" in name else 16
    if text[end : end + 1] in (b"(", b"[", b"{") or text[start:end].lower().startswith(_TEMPLATE):
        return None
    end = start + len(text[start:end].rstrip(b".!,"))
    return (start, end) if _looks_random(text[start:end], least) else None


def accept_credentials(text: bytes, start: int, end: int) -> Accepted:
    """The name and password of a URL, unless both are blanks of a template."""
    name, _, password = text[start:end].lower().partition(b":")
    return None if password in (b"password", b"pass", b"pwd") and name in (b"user", b"username", b"login") else (start, end)


def accept_block(text: bytes, start: int, end: int) -> Accepted:
    """A private key's block."""
    return start, end


def _looks_random(value: bytes, least: int) -> bool:
    """Long enough, with letters and digits (one digit alone only beside both cases), not words joined by marks, and at least
    two in five of its first 32 characters distinct."""
    head = value[:32]
    num_digits = sum(c in b"0123456789" for c in head)
    both_cases = head not in (head.upper(), head.lower())
    mixed = head.upper() != head.lower() and num_digits > (0 if both_cases else 1)
    return len(value) >= least and mixed and not _WORDS.search(value) and 5 * len(set(head)) >= 2 * len(head)
