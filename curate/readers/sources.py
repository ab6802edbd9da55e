"""Settings of a source and the limits every reader keeps."""

import codecs
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MIB = 1 << 20
Format = Literal["warc", "html", "jsonl", "parquet", "text"]
# Their bytes below 0x80 do not stand for ASCII characters, so lines cannot be found before decoding.
_WIDE = ("utf-16", "utf-32")


class Limits(BaseModel):
    """Bounds on what one record or stream may cost; beyond one, it is quarantined with a reason."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    max_document_bytes: int = Field(10 * MIB, ge=1, description="a document's bytes, before parsing and as text; beyond: too_large")
    max_line_bytes: int = Field(16 * MIB, ge=1, description="one line of a JSON Lines file, never loaded whole beyond it; beyond: too_large")
    max_header_bytes: int = Field(64 << 10, ge=64, description="the header block of a WARC record; beyond: damaged")
    max_expansion_ratio: int = Field(200, ge=2, description="decompressed to compressed bytes, once past 1 MiB; beyond: decompression_limit")
    max_member_bytes: int = Field(1 << 30, ge=1, description="decompressed bytes of one record's gzip member; beyond: decompression_limit")
    max_stream_bytes: int = Field(1 << 38, ge=1, description="decompressed bytes of one compressed file read as a stream; beyond: decompression_limit")
    max_window_bytes: int = Field(128 * MIB, ge=1 << 10, description="memory a zstd frame may ask for; beyond: damaged")
    max_json_depth: int = Field(256, ge=1, le=900, description="nesting of one JSON line; beyond: bad_json")
    max_html_depth: int = Field(2000, ge=1, le=100_000, description="open elements of a page; beyond: too_complex")
    max_html_attributes: int = Field(500, ge=1, description="attributes of one tag; beyond: too_complex")
    max_html_nodes: int = Field(1_000_000, ge=1, description="elements a parser would make of a page; beyond: too_complex")


class SourceSettings(BaseModel):
    """One source: which files, how they are read, and what is known of their origin."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^[a-z0-9_-]+$", max_length=64, description="the source's name in every table and report")
    paths: list[str] = Field(min_length=1, description="globs, relative to the recipe's folder or absolute; ** crosses folders")
    format: Literal["auto", "warc", "html", "jsonl", "parquet", "text"] = Field("auto", description="auto: by extension, else by the first bytes")
    text_field: str = Field("text", min_length=1, description="JSON Lines key or Parquet column that holds the text")
    id_field: str | None = Field("id", description="key or column of a record's own identifier (text or integer), if it has one")
    uri_field: str | None = Field("url", description="key or column that says where a record was taken from")
    separator: str | None = Field(None, max_length=200, description="text: a line between records, such as %; empty: blank lines; none: a file is a document")
    encoding: str | None = Field(None, description="text and HTML: what bytes are that carry no byte-order mark and are not UTF-8")
    license: str | None = Field(None, description="the licence of its documents, for the data card")
    origin: str | None = Field(None, description="where its files come from, for the data card")
    provenance: str | None = Field(None, description="how its files were made or chosen, for the data card")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str | None) -> str | None:
        if encoding is None:
            return None
        try:
            name = codecs.lookup(encoding).name
            "x".encode(name)
        except (LookupError, UnicodeError) as error:
            raise ValueError(f"{encoding!r} is not a text encoding Python knows; examples: utf-8, windows-1252, shift_jis, gb18030") from error
        return name

    @model_validator(mode="after")
    def _lines_before_decoding(self) -> "SourceSettings":
        if self.separator is not None and self.encoding is not None and self.encoding.startswith(_WIDE):
            raise ValueError(f"separator needs an encoding whose line ends are single bytes, not {self.encoding}; convert the files to UTF-8 first")
        if self.separator is not None and any(mark in self.separator for mark in "\r\n"):
            raise ValueError("separator is one line without its line end")
        return self
