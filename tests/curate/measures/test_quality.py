"""Quality scores are the probability of the label `positive`, one column a classifier."""

from pathlib import Path

import pytest

from curate.documents import as_text
from curate.errors import DamageError
from curate.fit.fasttext_model import read_model
from curate.measures import quality
from curate.storage import checksum
from tests.curate.fit.test_classifier import fitted, of


def settings_for(path: Path, known: str) -> quality.Settings:
    plain = {"path": str(path), "checksum": known, "max_characters": 500}
    return quality.Settings.model_validate({"classifiers": [{"name": name, **plain} for name in ("drama", "stage")]})


def test_every_classifier_has_a_column_of_scores(tmp_path: Path) -> None:
    path = tmp_path / "drama.bin"
    output, _ = fitted(path, of("plays"), of("law"))
    texts = as_text([*of("plays")[:5], *of("law")[:5], ""])
    settings = settings_for(path, output.checksum)
    table = quality.measure(texts, settings)
    assert table.schema == quality.schema(settings)
    assert table.column_names == ["drama_score", "stage_score"]
    scores = table["drama_score"].to_pylist()
    assert min(scores[:5]) > max(scores[5:10])
    assert max(scores) <= 1
    expected = read_model(path).predict(texts, 500, "positive")[1]
    assert scores == [min(score, 1.0) for score in expected.tolist()]


def test_another_file_than_the_fitted_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "drama.bin"
    path.write_bytes(b"something else")
    with pytest.raises(DamageError, match="fit it again"):
        quality.measure(as_text(["x"]), settings_for(path, "0" * 32))
    with pytest.raises(DamageError, match="fit it again"):
        quality.measure(as_text(["x"]), settings_for(path, checksum(path)[::-1]))
