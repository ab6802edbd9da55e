"""Web pages: the main text of one page, by resiliparse, with what a parser would cost looked at first.

What is main content is resiliparse's judgement. One of its rules (2.0.1) takes a `ul` few levels below `body` for navigation, so
pages with hardly any structure lose their bulleted lists; deeper lists and numbered ones stay.
"""

from pathlib import Path

import numpy as np

from curate.readers.decoding import decode_page
from curate.readers.decompression import whole
from curate.readers.records import Document, Ends, Records, UnusableError, require_text
from curate.readers.sources import Limits, SourceSettings

_LIMIT_NAMES = ("", "max_html_depth", "max_html_attributes", "max_html_nodes")


def read(path: Path, start: int, end: int, settings: SourceSettings, limits: Limits) -> Records:
    """One file, one document (no URI, no identifier)."""
    try:
        page = decode_page(whole(path, limits), encoding=settings.encoding)
        yield Document(require_text(page_text(page, limits)), 0)
    except UnusableError as why:
        if path.stat().st_size:  # an empty file holds no record
            yield why.refused(0)
    return Ends(start, end)


def page_text(page: str, limits: Limits) -> str:
    """The main content of a page as plain text with its lines and list marks kept; may be empty.

    Raises UnusableError (`too_complex`) before parsing if the page's depth, attributes or elements pass a limit.
    """
    from resiliparse.extract.html2text import extract_plain_text

    check_markup(page, limits)
    text: str = extract_plain_text(page, main_content=True, preserve_formatting=True, list_bullets=True, alt_texts=False, comments=False)
    return text


def check_markup(page: str, limits: Limits) -> None:
    """Raises UnusableError (`too_complex`) if parsing the page could take long (see curate.kernels.markup)."""
    from curate.kernels.markup import markup_extent, name_tables

    data = np.frombuffer(page.encode(), np.uint8)
    hashes, flags = name_tables()
    verdict, depth, attributes, nodes = markup_extent(data, hashes, flags, limits.max_html_depth, limits.max_html_attributes, limits.max_html_nodes)
    if verdict:
        found = ("", depth, attributes, nodes)[verdict]
        raise UnusableError("too_complex", f"at least {found} where {_LIMIT_NAMES[verdict]} is {getattr(limits, _LIMIT_NAMES[verdict])}")
