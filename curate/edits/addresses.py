"""Internet addresses, and which of them say where somebody is: e-mail, IPv4, IPv6.

Public is what the IANA registries of special-purpose addresses do not set apart (RFC 6890 and its updates), and no
multicast. The networks stand here because those of Python's `ipaddress` change with its patch releases. datatrove
(a649de79, formatters/pii.py) goes by `ipaddress.is_global`, takes IPv4 alone and looks at nothing around it.
"""

import functools
import ipaddress

import re2

_NOT_PUBLIC_4 = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24
192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3
"""
_NOT_PUBLIC_6 = "::/8 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 5f00::/16 fc00::/7 fe80::/9 ff00::/8"
_ALLOCATED_6 = "2000::/3"
# Last labels that are endings of files and no top-level domains: icon@2x.png.
_FILE_ENDINGS = "png jpg jpeg gif svg webp js mjs jsx ts tsx css scss html htm json xml yaml yml txt pdf csv php exe dll"
_FILES = frozenset(_FILE_ENDINGS.split())
_MAX_EMAIL = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
_VERSION = re2.compile(
    r"(?i)(?:\bv|\bver\.?|\bversi[oó]ne?s?|\brelease|\bfirmware|\bbuild|\brev[0-9.]*|\brevision|\blinux|\bkernel|\bsections?|\bchapter|\bfigure|\btable|§|[a-z]/"
    r"|\babschnitt|\bkapitel|\bchapitre|\bcapítulo|\bsección|\bseção|\bsezione|раздел|версия|バージョン|版本)[\s\x{A0}:=]*$"
)
_LINE_START = re2.compile(rb"[\n\x00][ \t*#-]*$")
_LOOK_BACK = 32

Accepted = tuple[int, int] | None  # the bounds to cut; empty where nothing is to be cut up to there; None as `patterns.search` says


def before(text: bytes, start: int, size: int) -> bytes:
    """So many bytes ahead of a place, or as many as there are since the last zero byte, beyond which lies another text."""
    return text[max(0, start - size) : start].rpartition(b"\x00")[2]


def accept_email(text: bytes, start: int, end: int) -> Accepted:
    """An address that could be sent to: of a possible length, its last label no file ending."""
    if end - start > _MAX_EMAIL or text[start:end].rpartition(b".")[2].lower().decode() in _FILES:
        return None
    return start, end


def accept_ip4(text: bytes, start: int, end: int) -> Accepted:
    """A dotted quad that is no version, section or object number: nothing numeric joined to it, no such word before it."""
    if text[start - 1 : start] in (b".", b"-", b"_") or (text[end : end + 1] in (b".", b"-") and text[end + 1 : end + 2].isalnum()):
        return None
    if _VERSION.search(before(text, start, _LOOK_BACK)) or _is_heading(text, start, end):
        return None
    return _parsed(text, start, end)


def accept_ip6(text: bytes, start: int, end: int) -> Accepted:
    """Eight groups, or fewer around a double colon; at least seven digits and colons, since a::b is C++ as well."""
    address = text[start:end]
    if text[start - 1 : start] in (b":", b".") or text[end : end + 1] in (b":", b"_") or text[end : end + 1].isalnum():
        return None
    if (address.count(b":") < 7 and b"::" not in address) or sum(byte in b"0123456789:" for byte in address) < 7:
        return None
    return _parsed(text, start, end)


def is_public(address: bytes) -> bool:
    """Whether an address, in writing, belongs to somebody on the Internet."""
    parsed = ipaddress.ip_address(address.decode())
    networks = _masks(_NOT_PUBLIC_4 if parsed.version == 4 else _NOT_PUBLIC_6)
    return not any(int(parsed) & mask == start for start, mask in networks)


@functools.cache
def _masks(networks: str) -> list[tuple[int, int]]:
    """First address and mask of each network, as numbers."""
    return [(int(network.network_address), int(network.netmask)) for network in map(ipaddress.ip_network, networks.split())]


def accept_public_ip4(text: bytes, start: int, end: int) -> Accepted:
    """As `accept_ip4`, public ones only."""
    return accept_ip4(text, start, end) if _parsed(text, start, end) and is_public(text[start:end]) else None


def accept_public_ip6(text: bytes, start: int, end: int) -> Accepted:
    """As `accept_ip6`, public ones only; with a double colon only if their network is allocated."""
    if accept_ip6(text, start, end) is None or not is_public(text[start:end]):
        return None
    ((first, mask),) = _masks(_ALLOCATED_6)
    return (start, end) if b"::" not in text[start:end] or int(ipaddress.IPv6Address(text[start:end].decode())) & mask == first else None


def _parsed(text: bytes, start: int, end: int) -> Accepted:
    try:
        ipaddress.ip_address(text[start:end].decode())
    except ValueError:  # a number above 255, a leading zero, too many groups: no address
        return None
    return start, end


def _is_heading(text: bytes, start: int, end: int) -> bool:
    """Small numbers that open a line, after a bullet perhaps: "4.2.1.3. Methods"."""
    ahead = text[start - _LOOK_BACK : start] if start >= _LOOK_BACK else b"\x00" + text[:start]
    return bool(_LINE_START.search(ahead)) and all(int(number) < 50 for number in text[start:end].split(b"."))
