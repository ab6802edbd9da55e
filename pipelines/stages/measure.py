"""measure: one file a measure family a part, row-aligned with its documents; no text."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.contamination.benchmark import BenchmarkSettings
from curate.contamination.index import VERSION as INDEX_VERSION
from curate.contamination.index import IndexSettings, index_key, write_index
from curate.dedup.representative import require_column
from curate.documents import as_text
from curate.errors import AccountingError
from curate.measures import FAMILIES, WRITTEN_BY_GATHER, block_lists
from curate.measures import family as family_named
from curate.measures.own import check_measured, identity_of, own_families, own_family, settings_of
from curate.rules.verdicts import families as families_of_rules
from curate.storage import read_table, write_table
from pipelines.context import Context
from pipelines.parts import with_frozen
from pipelines.stages import classifiers, perplexity
from pipelines.units import Done, Unit

UNCOMPRESSED = frozenset({"signature"})  # hash values do not compress, and near-duplicate checks read them at random
OF_FROZEN = frozenset({"identity", "signature"})  # what finding copies needs; nothing else is asked of them
BENCHMARK_INDEX = "measures/benchmarks/index.arrow"
BLOCK_LISTS = "measures/url/lists.arrow"


def benchmark_index(context: Context) -> list[Unit]:
    """The n-grams of every benchmark item, once for the run."""
    benchmarks = benchmark_settings(context)
    if not benchmarks:
        return []
    settings = context.recipe.benchmark_index.model_dump(mode="json")
    arguments = {"benchmarks": [item.model_dump(mode="json") for item in benchmarks], "settings": settings, "target": context.run / BENCHMARK_INDEX}
    listed = [item.model_dump(mode="json", exclude={"path"}) for item in benchmarks]
    inputs = {item.name: context.inputs.of(Path(item.path)) for item in benchmarks}
    # Besides what is listed, an index depends on how files are read by their names' endings and on Unicode's tables.
    keyed = {"index": settings, "benchmarks": listed, "made_of": index_key(benchmarks, context.recipe.benchmark_index)}
    return [Unit("measure/benchmark_index", INDEX_VERSION, build_benchmark_index, arguments, keyed, inputs)]


def url_lists(context: Context) -> list[Unit]:
    """The entries of every block-list as hashes, once for the run."""
    if context.recipe.block_lists is None:
        return []
    root = context.recipe.root_folder
    files = block_lists.list_files(context.recipe.block_lists, root)
    inputs = {f"{kind} {path.relative_to(root) if path.is_relative_to(root) else path}": context.inputs.of(path) for kind in files for path in files[kind]}
    return [Unit("measure/block_lists", block_lists.VERSION, build_block_lists, {"files": files, "target": context.run / BLOCK_LISTS}, None, inputs)]


def families(context: Context) -> list[Unit]:
    """A unit for every part × family the recipe needs."""
    needed = settings_by_family(context)
    versions = {family: family_named(family).VERSION for family in needed}
    units: list[Unit] = []
    for part in with_frozen(context):
        for family, settings in needed.items():
            if part.frozen and family not in OF_FROZEN:
                continue
            target = part.measure_file(family)
            arguments = {"family": family, "documents": part.documents(context.run), "settings": settings, "target": context.run / target}
            inputs = {"documents": context.written(part.document_file)}
            keyed = settings
            if family == "benchmarks":
                inputs["index"] = context.written(BENCHMARK_INDEX)
                keyed = None  # the index's checksum says it all, and where it lies says nothing
            if family in context.recipe.measures:
                keyed = {"settings": settings, "package": identity_of(own_families()[family])}
            if family == "quality":
                keyed = classifiers.keyed(settings)
            if family == "perplexity":
                keyed = {"checksum": settings["checksum"]}
            if family == "url":
                inputs["lists"] = context.written(BLOCK_LISTS)
                keyed = None
            units.append(Unit(f"measure/{family}/{part.hex}", versions[family], measure_part, arguments, keyed, inputs))
    return units


def settings_by_family(context: Context) -> dict[str, Any]:
    """Which families the recipe needs, with the settings of each as plain data."""
    recipe = context.recipe
    needed: dict[str, Any] = {"identity": {}, "language": recipe.language.model_dump(mode="json")}
    chosen = recipe.rules.family_settings()
    read = families_of_rules(recipe.rules) - WRITTEN_BY_GATHER
    needed |= {family: chosen.get(family, {}) for family in sorted(read) if family not in needed}
    if recipe.dedup.near is not None:
        needed["signature"] = recipe.dedup.near.signature.model_dump(mode="json")
    if benchmarks := benchmark_settings(context):
        needed["benchmarks"] = {"index": str(context.run / BENCHMARK_INDEX), "key": index_key(benchmarks, recipe.benchmark_index)}
    if recipe.classifiers:
        needed["quality"] = classifiers.quality_settings(context)
    for name, given in recipe.measures.items():
        needed[name] = settings_of(own_family(name), given)
    if recipe.perplexity is not None:
        needed["perplexity"] = perplexity.family_settings(context)
    if recipe.block_lists is not None:
        needed["url"] = {"lists": str(context.run / BLOCK_LISTS)}
    if (best := recipe.dedup.representative).family is not None:
        require_column(best, getattr(family_named(best.family), "SCHEMA", pa.schema([])))
        needed.setdefault(best.family, {})
    return needed


def benchmark_settings(context: Context) -> list[BenchmarkSettings]:
    """The recipe's benchmarks with their paths made absolute."""
    root = context.recipe.root_folder
    return [item.model_copy(update={"path": str(root / item.path)}) for item in context.recipe.benchmarks]


def build_benchmark_index(benchmarks: list[dict[str, Any]], settings: dict[str, Any], target: Path) -> Done:
    return Done([write_index(target, [BenchmarkSettings.model_validate(item) for item in benchmarks], IndexSettings.model_validate(settings))])


def build_block_lists(files: dict[str, list[Path]], target: Path) -> Done:
    return Done([block_lists.write_lists(target, files)])


def measure_part(family: str, documents: Path, settings: Any, target: Path) -> Done:
    module = family_named(family)
    column = getattr(module, "COLUMN", "text")
    values = read_table(documents, [column])[column]
    table = module.measure(as_text(values) if column == "text" else values.combine_chunks(), module.Settings.model_validate(settings))
    if family not in FAMILIES:
        check_measured(own_families()[family], table, len(values))
    if table.num_rows != len(values):
        raise AccountingError(f"{target}: {family} gave {table.num_rows} rows for {len(values)} documents")
    return Done([write_table(target, table, compression=None if family in UNCOMPRESSED else "zstd")])
