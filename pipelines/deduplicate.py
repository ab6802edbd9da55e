"""`corpuscle dedup`: near-duplicates out of JSON Lines files in one go, without a recipe or a run."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from curate.dedup.duplicates import Policy
from curate.dedup.files import VERDICTS, Fields, Found, copy_kept, find_in_files
from curate.dedup.near import NearSettings
from curate.errors import InputError
from curate.measures.signature import checked
from curate.storage import publish, write_batches

DEFAULTS = {"threshold": 0.7, "verify": "shingles"}  # that is 22 bands of 5; its files lie in the scratch folder only


def deduplicate_files(
    files: Sequence[Path],
    settings: NearSettings,
    *,
    fields: Fields,
    representative: Policy,
    threads: int,
    ids: Callable[[str], None] | None = None,
    lines: Path | None = None,
    verdicts: Path | None = None,
) -> dict[str, Any]:
    """Find duplicates and write what is asked for: `ids` is called with the kept documents' identifiers, many lines at a time;
    `lines` gets their lines as they stand; `verdicts` an Arrow file with every document.

    Returns counts that add up: lines = documents + refused, documents = kept + exact + near duplicates. The scratch folder lies beside the
    first file to be written, else where the system keeps its own. Raises InputError where a file cannot be read, is given
    twice, or would be overwritten.
    """
    _refuse_clashes(files, [path for path in (lines, verdicts) if path is not None])
    beside = next((path.resolve().parent for path in (lines, verdicts) if path is not None), None)
    if beside is not None:
        beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".dedup-", dir=beside) as scratch:
        found = find_in_files(files, Path(scratch), settings, fields, representative, threads)
        if ids is not None:
            _give_ids(found, ids)
        if lines is not None:
            publish(lines, lambda attempt: _write_lines(attempt, copy_kept(found)))
        if verdicts is not None:
            write_batches(verdicts, VERDICTS, found.verdicts())
        return _counts(found)


def _counts(found: Found) -> dict[str, Any]:
    refused = Counter(record.reason for _, record in found.refused)
    return {
        "lines": len(found.keep) + len(found.refused),
        "documents": len(found.keep),
        "kept": int(found.keep.sum()),
        "exact_duplicates": int(found.duplicates.exact_duplicate.sum()),
        "near_duplicates": int(found.duplicates.near_duplicate.sum()),
        "refused": dict(sorted(refused.items())),
        "first_refused": [
            {"path": str(found.paths[number]), "offset": record.offset, "reason": record.reason, "detail": record.detail}
            for number, record in found.refused[:5]
        ],
    }


def _give_ids(found: Found, give: Callable[[str], None]) -> None:
    """Kept identifiers; a document without one is named by its file and byte offset."""
    start = 0
    for identifiers, keep in found.identifiers():
        kept = keep.nonzero()[0]
        names = identifiers.take(kept).to_pylist()
        if None in names:
            places = zip(names, found.files[start + kept].tolist(), found.offsets[start + kept].tolist(), strict=True)
            names = [f"{found.paths[file]}:{offset}" if name is None else name for name, file, offset in places]
        if names:
            give("\n".join(names))
        start += len(keep)


def _write_lines(path: Path, kept: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(kept)


def _refuse_clashes(files: Sequence[Path], written: Sequence[Path]) -> None:
    resolved = [path.resolve() for path in files]
    if twice := sorted(str(path) for path, count in Counter(resolved).items() if count > 1):
        raise InputError(f"{twice[0]} is given twice; all its documents would be duplicates of themselves")
    if clash := sorted(str(path) for path in written if path.resolve() in resolved):
        raise InputError(f"{clash[0]} is read and would be overwritten; write to another file")


def near_settings(**options: Any) -> NearSettings:
    """DEFAULTS, with those options that are not None. Raises RecipeError for one out of range."""
    return checked(NearSettings, DEFAULTS | {name: value for name, value in options.items() if value is not None})
