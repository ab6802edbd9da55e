"""A run whose near-duplicates are verified by their shingles: what it writes, how it decides, who can be compared with it."""

from pathlib import Path

import pytest

import curate
from curate.errors import RecipeError
from curate.storage import read_table
from pipelines.lookup import lookup
from pipelines.runs import open_run, run
from pipelines.stages.handover import card_of
from tests.pipelines.corpora import RECIPE, letter, letters, write_jsonl

LONG = letter(100, 300).rstrip(".").split()
WHOLE = RECIPE.replace("fraction: 0.05", "fraction: 0")
EXACTLY = WHOLE + "dedup: {near: {threshold: 0.7, verify: shingles}}\n"


def versions() -> list[dict[str, str]]:
    """Copies with 0 to 19 words replaced, far apart: of n shingles, 5 a word are another's, so version k is alike to those before it by
    (n - 5 k) / (n + 5 k), which falls below 0.7 at the eleventh."""

    def text(number: int) -> str:
        return " ".join(f"other{number}" if place % 9 == 4 and place < 9 * number else word for place, word in enumerate(LONG))

    return [{"id": f"version-{number}", "text": text(number)} for number in range(20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("exactly")
    write_jsonl(base / "archives" / "letters.jsonl", [*letters(12), *versions()])
    (base / "recipe.yaml").write_text(EXACTLY, encoding="utf8")
    run(base / "recipe.yaml", base / "run", workers=1, until="select")
    return base


def kept(folder: Path) -> set[str]:
    found: set[str] = set()
    for file in (folder / "documents").glob("*.arrow"):
        keep = read_table(folder / "ledger" / file.name, ["keep"])["keep"].to_pylist()
        found |= {name for name, keeps in zip(read_table(file, ["identifier"])["identifier"].to_pylist(), keep, strict=True) if keeps}
    return found


def test_a_run_decides_as_the_library_does_in_memory(folder: Path) -> None:
    records = [*letters(12), *versions()]
    by_library = curate.deduplicate([record["text"] for record in records], threshold=0.7, verify="shingles")["keep"].to_pylist()
    assert kept(folder / "run") == {record["id"] for record, keeps in zip(records, by_library, strict=True) if keeps}
    assert 13 < len(kept(folder / "run")) < len(records)


def test_shingles_lie_beside_the_signatures_uncompressed(folder: Path) -> None:
    for file in (folder / "run" / "documents").glob("*.arrow"):
        texts = read_table(file, ["text"])["text"].to_pylist()
        measured = read_table(folder / "run" / "measures" / "shingles" / file.name)["shingles"].to_pylist()
        assert measured == [curate.shingle_hashes(text).tolist() for text in texts]
        assert (folder / "run" / "measures" / "shingles" / file.name).stat().st_size > 4 * sum(map(len, measured))


def test_only_the_decision_is_made_again_for_another_similarity(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(EXACTLY.replace("threshold: 0.7", "threshold: 0.7, min_similarity: 0.5"), encoding="utf8")
    before = kept(folder / "run")
    summary = run(folder / "recipe.yaml", folder / "run", workers=1, until="select")
    assert {stage.name: stage.num_units_run for stage in summary.stages if stage.num_units_run} == {"select": 1}
    assert kept(folder / "run") < before
    (folder / "recipe.yaml").write_text(EXACTLY, encoding="utf8")
    run(folder / "recipe.yaml", folder / "run", workers=1, until="select")
    assert kept(folder / "run") == before


def test_a_text_is_found_by_the_similarity_of_its_shingles(folder: Path) -> None:
    asked = {"id": "asked", "text": versions()[6]["text"]}
    write_jsonl(folder / "asked.jsonl", [asked])
    (found,) = lookup(open_run(folder / "run"), folder / "asked.jsonl")["documents"]
    hashes = {record["id"]: set(curate.shingle_hashes(record["text"]).tolist()) for record in (asked, *versions())}
    own = hashes.pop("asked")
    exact = {name: len(own & other) / len(own | other) for name, other in hashes.items()}
    assert {match["identifier"] for match in found["matches"]} == {name for name, similarity in exact.items() if similarity >= 0.7}
    told = [match["similarity"] == exact[match["identifier"]] for match in found["matches"] if not match["exact"]]
    assert any(told)


def test_an_earlier_run_without_shingles_is_refused_and_one_with_them_serves(folder: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "archives" / "letters.jsonl", [*versions()[:3], *letters(3)])
    (tmp_path / "plain.yaml").write_text(WHOLE + "dedup: {near: {bands: 22, rows: 5}}\n", encoding="utf8")
    run(tmp_path / "plain.yaml", tmp_path / "plain", workers=1, until="select")
    (tmp_path / "recipe.yaml").write_text(EXACTLY.replace("{near:", "{against: ../plain, near:"), encoding="utf8")
    with pytest.raises(RecipeError, match=r"dedup.near.verify: signature, so it has no shingles"):
        run(tmp_path / "recipe.yaml", tmp_path / "run", workers=1, until="select")
    (tmp_path / "recipe.yaml").write_text(EXACTLY.replace("{near:", f"{{against: {folder / 'run'}, near:"), encoding="utf8")
    run(tmp_path / "recipe.yaml", tmp_path / "run", workers=1, until="select")
    assert kept(tmp_path / "run") == set()


def test_the_card_says_what_similarity_decided(folder: Path) -> None:
    told = run(folder / "recipe.yaml", folder / "run", workers=1, until="manufacture")
    card = card_of(told, "letters", "", ["causal"], folder / "run" / "shards" / "causal")
    assert "its Jaccard similarity, counted on the shingles wherever signatures leave it open, is at least 0.7" in " ".join(card.split())
