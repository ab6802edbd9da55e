"""JSON Lines, plain or in gzip or zstd: one object a line, one of whose fields is the text.

Strict where the standard library is not: NaN and Infinity, lone surrogates, text fields that stand twice, nesting beyond a
limit and lines beyond a limit are refused. Of other keys that stand twice the last counts. Blank lines are no records.
A compressed stream that breaks keeps its whole lines; one refused record stands for the rest.
"""

import json
import re
from pathlib import Path
from typing import Any, NoReturn

from curate.readers.lines import BrokenLinesError, lines_of
from curate.readers.records import Document, Ends, Records, UnusableError, require_text
from curate.readers.sources import Limits, SourceSettings

BOM = b"\xef\xbb\xbf"
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")


def read(path: Path, start: int, end: int, settings: SourceSettings, limits: Limits) -> Records:
    """The records whose lines start in [start, end) of a plain file; all of a compressed one."""
    first: int | None = None
    last: int | None = None
    try:
        for line in lines_of(path, start, end, limits, limits.max_line_bytes):
            first = line.offset if first is None else first
            last = line.end
            if line.content is None:
                yield UnusableError("too_large", f"a line of {line.end - line.offset} bytes, more than {limits.max_line_bytes}").refused(line.offset)
                continue
            content = line.content.removeprefix(BOM) if line.offset == 0 else line.content
            if not content.strip():
                continue
            try:
                yield line_document(content, line.offset, settings, limits)
            except UnusableError as why:
                yield why.refused(line.offset)
    except BrokenLinesError as broken:
        yield broken.why.refused(broken.offset)
        last = end
    return Ends(first, last)


def line_document(content: bytes, offset: int, settings: SourceSettings, limits: Limits) -> Document:
    """The document of one line. Raises UnusableError: `undecodable`, `bad_json`, `no_text_field`, `empty`, `too_large`."""
    try:
        line = content.decode()
    except UnicodeDecodeError as error:
        raise UnusableError("undecodable", f"utf-8: {error.reason} at byte {error.start}") from error
    record = _parse(line, settings.text_field, limits)
    text = record.get(settings.text_field)
    if not isinstance(text, str):
        found = f"it is {type(text).__name__}" if settings.text_field in record else "there is none"
        raise UnusableError("no_text_field", f"field {settings.text_field!r} should be text; {found}")
    uri = record.get(settings.uri_field) if settings.uri_field else None
    uri = uri if isinstance(uri, str) else None
    identifier = identifier_of(record.get(settings.id_field) if settings.id_field else None)
    try:
        size = len(text.encode())
        for other in (uri, identifier):
            other and other.encode()
    except UnicodeEncodeError as error:
        raise UnusableError("undecodable", f"a lone surrogate, {error.object[error.start]!a}") from error
    if size > limits.max_document_bytes:
        raise UnusableError("too_large", f"{size} bytes, more than {limits.max_document_bytes}")
    return Document(require_text(text), offset, None, uri, identifier)


def identifier_of(value: object) -> str | None:
    """A record's own identifier as text: text as it is, an integer in decimals, anything else None."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _parse(line: str, text_field: str, limits: Limits) -> dict[str, Any]:
    if line.count("[") + line.count("{") > limits.max_json_depth and (depth := _depth(line)) > limits.max_json_depth:
        raise UnusableError("bad_json", f"nested {depth} deep, more than {limits.max_json_depth}")
    twice = line.count(f'"{text_field}"') > 1
    try:
        record = json.loads(line, parse_constant=_refuse_constant, object_pairs_hook=_Pairs if twice else None)
    except json.JSONDecodeError as error:
        raise UnusableError("bad_json", f"{error.msg} at character {error.pos}") from error
    except (ValueError, RecursionError) as error:  # an integer of more than 4,300 digits
        raise UnusableError("bad_json", "a number that is too long" if isinstance(error, ValueError) else "nested too deep") from error
    if isinstance(record, _Pairs):
        if sum(key == text_field for key, _ in record) > 1:
            raise UnusableError("bad_json", f"field {text_field!r} stands more than once")
        return dict(record)
    if not isinstance(record, dict):
        raise UnusableError("bad_json", f"a line should hold an object, not {type(record).__name__}")
    return record


class _Pairs(list[tuple[str, Any]]):
    """An object's keys and values as they stand, to see keys that stand twice."""


def _refuse_constant(name: str) -> NoReturn:
    raise UnusableError("bad_json", f"{name} is not JSON")


def _depth(line: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", line)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest
