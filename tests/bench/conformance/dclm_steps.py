"""Which of DCLM's filters drop documents; run with the Python of an environment that has what they import.

    python -m tests.bench.conformance.dclm_steps REPOSITORY DOCUMENTS STEPS [--our-words]

REPOSITORY: a folder with DCLM's baselines/mappers/core_utils.py, baselines/mappers/filters/content_filters.py and baselines/core/. DOCUMENTS: JSON
Lines with text. STEPS: JSON Lines, for each filter of dclm_baseline_refinedweb.yaml whether it keeps the document. With
--our-words the n-grams are of our words instead of uniseg's.
"""

import argparse
import importlib
import json
import sys
import types
from pathlib import Path

from tests.naive.words import words

PAGE_LENGTH = {"length_type": "word", "min_length": 50, "max_length": 100_000, "ignore_punctuation": True}
REPETITION: list[tuple[str, str | int, float, bool]] = [
    ("lines", "line", 0.3, False),
    ("paragraphs", "paragraph", 0.3, False),
    ("line_characters", "line", 0.2, True),
    ("paragraph_characters", "paragraph", 0.2, True),
    *((f"{n}_grams", n, limit, True) for n, limit in zip(range(2, 11), (0.2, 0.18, 0.16, 0.15, 0.14, 0.13, 0.12, 0.11, 0.1), strict=True)),
]


def load(repository: Path) -> tuple[types.ModuleType, types.ModuleType]:
    """(core_utils, content_filters), without the packages around them, which import everything else of the project."""
    sys.path.insert(0, str(repository))
    for name in ("baselines", "baselines.mappers", "baselines.mappers.filters", "core"):
        package = types.ModuleType(name)
        package.__path__ = [str(repository.joinpath(*("baselines.core" if name == "core" else name).split(".")))]
        sys.modules[name] = package
    unused = types.ModuleType("transformers")  # imported at the top for a filter that this recipe does not have
    unused.AutoTokenizer = None  # type: ignore[attr-defined]
    sys.modules.setdefault("transformers", unused)
    return importlib.import_module("baselines.mappers.core_utils"), importlib.import_module("baselines.mappers.filters.content_filters")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path)
    parser.add_argument("documents", type=Path)
    parser.add_argument("steps", type=Path)
    parser.add_argument("--our-words", action="store_true")
    given = parser.parse_args()
    core, filters = load(given.repository)
    if given.our_words:
        core.words = words  # type: ignore[attr-defined]
    with given.documents.open(encoding="utf-8") as documents, given.steps.open("w", encoding="utf-8") as out:
        for line in documents:
            page = {"text": json.loads(line)["text"]}
            cache: dict[str, object] = {}
            kept = {
                "words": filters.page_length_filter(page, **PAGE_LENGTH),
                "word_length": filters.word_length_filter(page, min_length=3, max_length=10),
                "symbols": filters.symbol_ratio_filter(page, max_symbol_to_word_ratio=0.1),
                "bullets": filters.bullet_count_filter(page, max_bullet_start_ratio=0.9),
                "ellipses": filters.ellipsis_count_filter(page, max_ellipsis_end_ratio=0.3),
                "alphabetic": filters.alphabetic_word_ratio_filter(page, max_ratio=0.2),
                "stop_words": filters.stop_word_filter(page, count_unique=False, min_stop_word=2),
            }
            kept |= {name: filters.repetition_filter(page, what, limit, count_characters=chars, cache=cache) for name, what, limit, chars in REPETITION}
            out.write(json.dumps({name: bool(pages) for name, pages in kept.items()}) + "\n")


if __name__ == "__main__":
    main()
