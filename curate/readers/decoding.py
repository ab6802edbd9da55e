"""Bytes to text, strictly: every byte is explained by one encoding, or the record is quarantined.

The order: a byte-order mark; a declared encoding in which ASCII bytes may mean something else (for files nothing comes behind
it); UTF-8 (text in other encodings practically never happens to be valid UTF-8, while declarations are often wrong); the
declared ones; for web pages at last a guess by uchardet from up to 128 KiB. Nothing is replaced, removed or normalised; only the byte-order mark goes.
"""

import codecs
import re
from collections.abc import Sequence

from curate.readers.records import UnusableError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Text in these may be valid UTF-8 by its bytes and mean something else.
_NOT_OVER_ASCII = ("utf-16", "utf-32", "utf-7", "iso2022", "hz", "cp037", "cp500", "cp1140", "cp273", "cp424", "cp1026")
# A web page's label means the wider set that browsers use (WHATWG Encoding Standard); Python's names for those.
_WIDER = {"gbk": "gb18030", "gb2312": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs"}
_META = re.compile(rb"""<meta[^>]{0,500}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.+-]{1,40})""", re.IGNORECASE)
_META_BYTES = 4096
_GUESS_BYTES = 128 << 10


def decode(data: bytes, declared: Sequence[str] = ()) -> str:
    """The text of `data`; `declared` are Python codec names, most trusted first. Raises UnusableError (`undecodable`)."""
    if (marked := _marked(data)) is not None:
        return marked
    return _strict(data, [encoding for encoding in declared if encoding.startswith(_NOT_OVER_ASCII)] or ["utf-8", *declared])


def decode_page(data: bytes, label: str | None = None, encoding: str | None = None) -> str:
    """The text of a web page; `label` is a charset label from HTTP, `encoding` a Python codec that the user names. Raises UnusableError (`undecodable`)."""
    meta = _META.search(data[:_META_BYTES])
    known = [encoding, web_encoding(label), web_encoding(meta[1].decode("ascii") if meta else None)]
    # Without its mark, UTF-16 is not believed: nearly any bytes would pass for it, and a meta element read as ASCII refutes it.
    declared = [name for name in known if name and not name.startswith(("utf-16", "utf-32"))]
    if (marked := _marked(data)) is not None:
        return marked
    try:
        return _strict(data, [*(name for name in declared if name.startswith(_NOT_OVER_ASCII)), "utf-8", *declared])
    except UnusableError:
        from resiliparse.parse.encoding import detect_encoding

        guess = detect_encoding(data, max_len=_GUESS_BYTES)
        guessed = web_encoding(guess)
        if guessed is None or guessed in declared or guessed.startswith(("utf-8", "utf-16", "utf-32")):
            raise
        return _strict(data, [guessed])


def web_encoding(label: str | None) -> str | None:
    """The Python codec a web page's charset label stands for, or None for an unknown label."""
    if not label:
        return None
    from resiliparse.parse.encoding import map_encoding_to_html5

    name = map_encoding_to_html5(label.strip(), fallback_utf8=False)
    if name is None:
        return None
    try:
        found = codecs.lookup(_WIDER.get(name, name)).name
    except LookupError:
        return None
    return found


def _marked(data: bytes) -> str | None:
    """The text if a byte-order mark says how it is encoded."""
    return next((_strict(data[len(mark) :], [encoding]) for mark, encoding in _MARKS if data.startswith(mark)), None)


def _strict(data: bytes, encodings: Sequence[str]) -> str:
    failed = ""
    for encoding in encodings:
        try:
            text = data.decode(encoding)
            if encoding != "utf-8":
                text.encode()  # some codecs (UTF-7) let lone surrogates pass
            return text
        except UnicodeDecodeError as error:
            failed += f"{encoding}: {error.reason} at byte {error.start}; "
        except UnicodeError as error:
            failed += f"{encoding}: {type(error).__name__}; "
    raise UnusableError("undecodable", failed.removesuffix("; "))
