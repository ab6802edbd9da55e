"""Corpuscle's data side as a library. Names are loaded when first used, so that importing the package costs nothing.

import curate

curate.deduplicate(texts)      which of them are exact or near-duplicates, and which to keep
curate.measure(texts)          every measure of every text, as a table
curate.signatures(texts)       MinHash signatures, datasketch's value for value
curate.shingle_hashes(text)    the hashes they are made of
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.dedup.texts import deduplicate as deduplicate
    from curate.measures import measure as measure
    from curate.measures.signature import shingle_hashes as shingle_hashes
    from curate.measures.signature import signatures as signatures

_HOMES = {
    "deduplicate": "curate.dedup.texts",
    "measure": "curate.measures",
    "shingle_hashes": "curate.measures.signature",
    "signatures": "curate.measures.signature",
}

__all__ = ["deduplicate", "measure", "shingle_hashes", "signatures"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
