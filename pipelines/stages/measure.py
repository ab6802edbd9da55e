"""measure: one file a measure family a part, row-aligned with its documents; no text."""

from importlib import import_module
from pathlib import Path
from typing import Any

from curate.contamination.benchmark import BenchmarkSettings
from curate.contamination.index import VERSION as INDEX_VERSION
from curate.contamination.index import IndexSettings, index_key, write_index
from curate.documents import as_text
from curate.errors import AccountingError
from curate.measures import FAMILIES
from curate.rules.verdicts import families as families_of_rules
from curate.storage import read_table, write_table
from pipelines.context import Context
from pipelines.parts import with_frozen
from pipelines.units import Done, Unit

UNCOMPRESSED = frozenset({"signature"})  # hash values do not compress, and near-duplicate checks read them at random
OF_FROZEN = frozenset({"identity", "signature"})  # what finding copies needs; nothing else is asked of them
BENCHMARK_INDEX = "measures/benchmarks/index.arrow"


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


def families(context: Context) -> list[Unit]:
    """A unit for every part × family the recipe needs."""
    needed = settings_by_family(context)
    versions = {family: import_module(FAMILIES[family]).VERSION for family in needed}
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
            units.append(Unit(f"measure/{family}/{part.hex}", versions[family], measure_part, arguments, keyed, inputs))
    return units


def settings_by_family(context: Context) -> dict[str, Any]:
    """Which families the recipe needs, with the settings of each as plain data."""
    recipe = context.recipe
    needed: dict[str, Any] = {"identity": {}, "language": recipe.language.model_dump(mode="json")}
    needed |= {family: {} for family in sorted(families_of_rules(recipe.rules)) if family not in needed}
    if recipe.dedup.near is not None:
        needed["signature"] = recipe.dedup.near.signature.model_dump(mode="json")
    if benchmarks := benchmark_settings(context):
        needed["benchmarks"] = {"index": str(context.run / BENCHMARK_INDEX), "key": index_key(benchmarks, recipe.benchmark_index)}
    return needed


def benchmark_settings(context: Context) -> list[BenchmarkSettings]:
    """The recipe's benchmarks with their paths made absolute."""
    root = context.recipe.root_folder
    return [item.model_copy(update={"path": str(root / item.path)}) for item in context.recipe.benchmarks]


def build_benchmark_index(benchmarks: list[dict[str, Any]], settings: dict[str, Any], target: Path) -> Done:
    return Done([write_index(target, [BenchmarkSettings.model_validate(item) for item in benchmarks], IndexSettings.model_validate(settings))])


def measure_part(family: str, documents: Path, settings: Any, target: Path) -> Done:
    module = import_module(FAMILIES[family])
    texts = as_text(read_table(documents, ["text"])["text"])
    table = module.measure(texts, module.Settings.model_validate(settings))
    if table.num_rows != len(texts):
        raise AccountingError(f"{target}: {family} gave {table.num_rows} rows for {len(texts)} documents")
    return Done([write_table(target, table, compression=None if family in UNCOMPRESSED else "zstd")])
