"""Earlier runs that this one is deduplicated against: their kept documents are the first copies, their files are read where they lie.

Nothing of an earlier run is judged, counted or made again: of its index the sorted runs, of its ledger the mark of kept
documents, of its measures the signatures and shingles (memory-mapped) are read, and the checksum of each such file is in the key of
the unit that reads it. Parts of different runs may have equal ids, so an earlier part goes by a number of its own here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import xxhash

from curate.dedup.numbering import EarlierRows
from curate.errors import DamageError, RecipeError
from pipelines.context import Context, InputChecksums
from pipelines.journal import Journal
from pipelines.parts import Part, parts, with_frozen
from pipelines.recipe import load

MUST_AGREE = ("num_perm", "seed", "shingle_words", "bands", "rows")  # of two runs whose signatures are compared and whose index is merged


@dataclass(frozen=True)
class EarlierPart:
    """A part of an earlier run. id: its number here; run: which of `dedup.against`, from 0; own: the part as it is there."""

    id: int
    run: int
    folder: Path
    own: Part

    @property
    def rows(self) -> EarlierRows:
        """As `curate.dedup.numbering` takes it."""
        return EarlierRows(self.id, self.own.num_documents, self.run, self.own.id)


def earlier_runs(context: Context) -> list[Context]:
    """The runs of `dedup.against`, opened for reading. Raises RecipeError for one that cannot serve, naming what is wrong."""
    folders = [(name, (context.recipe.root_folder / name).resolve()) for name in context.recipe.dedup.against]
    found: list[Context] = []
    for name, folder in folders:
        if folder == context.run.resolve() or sum(folder == other for _, other in folders) > 1:
            raise RecipeError(
                f"dedup.against: {name} is {'this run itself' if folder == context.run.resolve() else 'named twice'}; name finished runs, each once"
            )
        if not (folder / "recipe.yaml").exists() or not (folder / "journal.jsonl").exists():
            raise RecipeError(f"dedup.against: {folder} is no run (no recipe.yaml and journal.jsonl); name the folder that `corpuscle run` wrote to")
        earlier = Context(load(folder / "recipe.yaml"), folder, Journal(folder / "journal.jsonl"), InputChecksums(folder / ".inputs.json"))
        if "select/ledger" not in earlier.journal.live:
            raise RecipeError(f"dedup.against: {folder} has no ledger yet, so nothing says which of its documents were kept; finish it through select")
        _require_comparable(context, earlier)
        found.append(earlier)
    return found


def earlier_parts(context: Context) -> list[EarlierPart]:
    """The parts of the earlier runs, in the order of the recipe, then of each run."""
    taken = {part.id for part in with_frozen(context)}
    found: list[EarlierPart] = []
    for number, earlier in enumerate(earlier_runs(context)):
        for part in parts(earlier):
            found.append(EarlierPart(_free_number(number, part, taken), number, earlier.run, part))
            taken.add(found[-1].id)
    return found


def checksums(context: Context, found: Sequence[EarlierPart], files: Iterable[str]) -> dict[str, str]:
    """Label -> checksum of the files of earlier parts, for a unit's key. files: path patterns with {hex}.

    Raises DamageError where a file is not what its run's journal says.
    """
    listed = list(files)
    vouched = {folder: Journal(folder / "journal.jsonl").outputs() for folder in {part.folder for part in found}}
    named = [(part, pattern.format(hex=part.own.hex)) for part in found for pattern in listed]
    return {f"earlier/{part.run}/{file}": _checked(context, part.folder, file, vouched[part.folder]) for part, file in named}


def _checked(context: Context, folder: Path, file: str, vouched: dict[str, tuple[int, str]]) -> str:
    if file not in vouched or not (folder / file).exists():
        raise DamageError(f"dedup.against: {folder} lacks {file}, which its index should have; run its recipe again, then this one")
    if (now := context.inputs.of(folder / file)) != vouched[file][1]:
        raise DamageError(f"dedup.against: {folder / file} is not what its run wrote; `corpuscle verify {folder}` tells what else was changed")
    return now


def _require_comparable(context: Context, earlier: Context) -> None:
    here, there = context.recipe.dedup.near, earlier.recipe.dedup.near
    if here is None:
        return
    if there is None:
        raise RecipeError(f"dedup.against: {earlier.run} looked for no near-duplicates, so it has no signatures; set dedup.near: null here too, or run it anew")
    if lacking := [family for family in here.families if family not in there.families]:
        raise RecipeError(
            f"dedup.against: {earlier.run} was made with dedup.near.verify: {there.verify}, so it has no {lacking[0]};"
            f" set dedup.near.verify: {there.verify} here too, or run it anew with {here.verify}"
        )
    if different := [f"{name} {getattr(there, name)} there, {getattr(here, name)} here" for name in MUST_AGREE if getattr(there, name) != getattr(here, name)]:
        raise RecipeError(
            f"dedup.against: {earlier.run} made its index with other settings of dedup.near ({'; '.join(different)}), so the two cannot be merged;"
            " use its settings here, or run it anew with these"
        )


def _free_number(run: int, part: Part, taken: set[int]) -> int:
    """A number that no other part has: of the first hash that is free, which is nearly always the first."""
    attempt = 0
    while (number := xxhash.xxh3_64_intdigest(f"earlier/{run}/{part.hex}/{attempt}".encode()) >> 32) in taken:
        attempt += 1
    return number
