"""Many whole lines at once, for readers that look at columns. No line beyond a limit is held."""

from collections.abc import Iterator
from typing import NamedTuple

from curate.kernels.byte_masks import PADDING
from curate.readers.lines import BrokenLinesError
from curate.readers.records import UnusableError

BLOCK_BYTES = 4 << 20
_LINE_FEEDS = b"\n" * PADDING


class LineBlock(NamedTuple):
    """Bytes [offset, end) of a stream, whole lines, with PADDING line feeds behind them; `padded` is None for a single line of more
    bytes than allowed. The last line of a stream may lack its LF."""

    offset: int
    end: int
    padded: bytes | None


def line_blocks(source: Iterator[bytes], offset: int, max_line_bytes: int, stop: int | None = None) -> Iterator[LineBlock]:
    """Cut a stream that begins at `offset` into blocks of BLOCK_BYTES or a little more; the one that reaches `stop` may be shorter.

    Lines beyond max_line_bytes that lie in a block whole are left to whoever reads it. Raises BrokenLinesError when the stream breaks,
    after all whole lines before.
    """
    whole: list[bytes] = []  # lines of the next block
    tail: list[bytes] = []  # the beginning of the line behind them
    num_whole = num_tail = 0
    too_long = False  # then the tail's bytes are counted and not held
    try:
        for piece in source:
            cut = piece.rfind(b"\n") + 1
            if too_long and cut:
                first = piece.find(b"\n") + 1
                yield LineBlock(offset, offset + num_tail + first, None)
                offset, num_tail, too_long = offset + num_tail + first, 0, False
                piece, cut = piece[first:], cut - first
            if cut:
                whole += [*tail, piece[:cut]]
                num_whole += num_tail + cut
                tail, num_tail = [], 0
            num_tail += len(piece) - cut
            if not too_long:
                tail.append(piece[cut:])
            if whole and (num_whole >= BLOCK_BYTES or num_tail > max_line_bytes or (stop is not None and offset + num_whole >= stop)):
                yield LineBlock(offset, offset + num_whole, b"".join((*whole, _LINE_FEEDS)))
                offset, num_whole, whole = offset + num_whole, 0, []
            if num_tail > max_line_bytes:
                tail, too_long = [], True
    except UnusableError as why:
        if whole:
            yield LineBlock(offset, offset + num_whole, b"".join((*whole, _LINE_FEEDS)))
        raise BrokenLinesError(offset + num_whole, why) from why
    if too_long:
        yield LineBlock(offset, offset + num_tail, None)
    elif num_whole + num_tail:
        yield LineBlock(offset, offset + num_whole + num_tail, b"".join((*whole, *tail, _LINE_FEEDS)))
