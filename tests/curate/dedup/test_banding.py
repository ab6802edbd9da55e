"""Bands and rows for a threshold, against datasketch."""

import subprocess
import sys
from pathlib import Path

import pytest
from datasketch.lsh import _optimal_param
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.dedup.banding import optimal_banding
from curate.dedup.near import NearSettings, match_curve

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("num_perm", [2, 3, 16, 30, 64, 100, 112, 128, 200, 256])
def test_the_choice_is_datasketchs_for_many_thresholds(num_perm: int) -> None:
    for percent in (5, 20, 35, 50, 60, 70, 75, 80, 85, 90, 95, 99):
        assert optimal_banding(percent / 100, num_perm) == _optimal_param(percent / 100, num_perm, 0.5, 0.5), percent


@settings(deadline=None, max_examples=30)
@given(st.floats(0.02, 0.98), st.integers(2, 90), st.sampled_from([0.1, 0.3, 0.7, 0.9]))
def test_weights_count_as_they_do_in_datasketch(threshold: float, num_perm: int, weight: float) -> None:
    found = optimal_banding(threshold, num_perm, None, None, weight, 1 - weight)
    assert found == _optimal_param(threshold, num_perm, weight, 1 - weight)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95])
def test_what_is_given_is_kept_and_the_rest_chosen_for_it(threshold: float) -> None:
    def error(bands: int, rows: int) -> float:
        """The two areas by a fine sum."""
        steps = [(place + 0.5) / 4000 for place in range(4000)]
        curve = [1 - (1 - step**rows) ** bands for step in steps]
        return sum(share if step < threshold else 1 - share for step, share in zip(steps, curve, strict=True)) / 4000

    bands, rows = optimal_banding(threshold, 64, bands=5)
    assert (bands, rows) == (5, min(range(1, 13), key=lambda one: error(5, one)))
    bands, rows = optimal_banding(threshold, 64, rows=6)
    assert (bands, rows) == (min(range(1, 11), key=lambda one: error(one, 6)), 6)
    assert optimal_banding(threshold, 64, bands=5, rows=6) == (5, 6)


def test_a_threshold_sets_bands_rows_and_the_least_similarity() -> None:
    chosen = NearSettings(threshold=0.8)
    assert (chosen.bands, chosen.rows, chosen.min_similarity) == (9, 12, 0.8)
    assert (chosen.bands, chosen.rows) == _optimal_param(0.8, 112, 0.5, 0.5)
    assert match_curve(chosen, [0.5, 0.8]) == [(0.5, 1 - (1 - 0.5**12) ** 9), (0.8, 1 - (1 - 0.8**12) ** 9)]


def test_direct_values_win_over_the_threshold() -> None:
    chosen = NearSettings(threshold=0.8, bands=14, rows=8, min_similarity=0.7)
    assert (chosen.bands, chosen.rows, chosen.min_similarity) == (14, 8, 0.7)
    assert NearSettings(threshold=0.8, min_similarity=None).min_similarity is None
    assert NearSettings(threshold=0.8, bands=14).bands == 14
    assert NearSettings(threshold=0.5, num_perm=256).bands * NearSettings(threshold=0.5, num_perm=256).rows <= 256


def test_without_a_threshold_nothing_changes() -> None:
    chosen = NearSettings()
    assert (chosen.bands, chosen.rows, chosen.min_similarity, chosen.threshold) == (14, 8, 0.7, None)


def test_written_out_in_full_the_settings_read_back_the_same() -> None:
    chosen = NearSettings(threshold=0.9)
    assert NearSettings.model_validate_json(chosen.model_dump_json()) == chosen


@pytest.mark.parametrize("options", [{"threshold": 0.0}, {"threshold": 1.0}, {"threshold": "0.8"}, {"threshold": True}, {"threshold": 0.8, "bands": 0}])
def test_impossible_thresholds_and_counts_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NearSettings(**options)  # type: ignore[arg-type]


def test_bands_that_leave_no_room_for_a_row_are_refused_as_ever() -> None:
    with pytest.raises(ValidationError, match="need 150 values"):
        NearSettings(threshold=0.8, bands=150)


def test_choosing_loads_no_datasketch() -> None:
    script = "import sys; from curate.dedup.near import NearSettings; NearSettings(threshold=0.8); assert 'datasketch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 0
