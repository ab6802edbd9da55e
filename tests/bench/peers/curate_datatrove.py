"""datatrove: language, Gopher, C4 and FineWeb filters, then MinHash of what is left, two workers. Usage: curate_datatrove.py FOLDER_OF_JSONL OUT

FineWeb's order (its examples/fineweb.py), without extraction and URL lists. Its language model is the one that lies in our tree (the
quantised lid.176), so that nothing is downloaded.
"""

import shutil
import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter, LanguageFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig

MODEL = Path(__file__).resolve().parents[3] / "curate" / "measures" / "models" / "lid.176.ftz"


def main() -> None:
    source, out = sys.argv[1:]
    shutil.rmtree(out, ignore_errors=True)
    settings = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8, hash_config=HashConfig(precision=64, hash_fc="xxhash"))
    language = LanguageFilter(["en"])
    language.model.MODEL_URL = str(MODEL)  # travels to the workers with the filter
    filters = [language, GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter()]
    num_files = len(list(Path(source).glob("*.jsonl")))
    passed = JsonlReader(f"{out}/passed", glob_pattern="*.jsonl")
    stages = [
        (num_files, [JsonlReader(source, glob_pattern="*.jsonl"), *filters, JsonlWriter(f"{out}/passed", compression=None)]),
        (num_files, [passed, MinhashDedupSignature(f"{out}/signatures", config=settings)]),
        (14, [MinhashDedupBuckets(f"{out}/signatures", f"{out}/buckets", config=settings)]),
        (1, [MinhashDedupCluster(f"{out}/buckets", f"{out}/removed", config=settings)]),
        (num_files, [passed, MinhashDedupFilter(f"{out}/removed"), JsonlWriter(f"{out}/kept", compression=None)]),
    ]
    for number, (tasks, pipeline) in enumerate(stages):
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=2, logging_dir=f"{out}/logs-{number}", skip_completed=False, start_method="forkserver").run()
    print(sum(path.read_bytes().count(b"\n") for path in Path(out, "kept").glob("*.jsonl")))


if __name__ == "__main__":
    main()
