"""A killed run, resumed, is the run that was never killed: every promised byte, the weights among them."""

import random
import shutil
import time
from pathlib import Path

import pytest

from tests.torture.harness import ROOT, assert_same, finish, kill_after_lines, kill_after_seconds, moments

RECIPE = ROOT / "tests" / "recipes" / "small.yaml"


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A run that nobody killed, and how long it took here."""
    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    start = time.perf_counter()
    finish(RECIPE, run)
    return run, time.perf_counter() - start


@pytest.fixture(scope="module")
def uninterrupted(timed: tuple[Path, float]) -> Path:
    return timed[0]


def num_lines(run: Path) -> int:
    return len((run / "journal.jsonl").read_bytes().splitlines())


def test_a_run_killed_five_times_ends_with_the_same_bytes(timed: tuple[Path, float], tmp_path: Path) -> None:
    """Twice after a journal line, three times at any moment."""
    uninterrupted, seconds = timed
    run = tmp_path / "run"
    source = random.Random(5)
    for _ in range(2):
        assert kill_after_lines(RECIPE, run, source.randint(1, num_lines(uninterrupted) // 4))
    kills = sum(kill_after_seconds(RECIPE, run, moment) for moment in moments(11, 3, seconds / 2))
    assert kills >= 1
    finish(RECIPE, run, "--workers", "1")  # the other run had every core
    assert_same(run, uninterrupted)


@pytest.mark.torture
def test_killed_after_every_journal_line(uninterrupted: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    while kill_after_lines(RECIPE, run, 1):
        pass
    assert_same(run, uninterrupted)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(10))
def test_killed_ten_times_at_random_moments(uninterrupted: Path, tmp_path: Path, seed: int) -> None:
    run = tmp_path / "run"
    for moment in moments(seed, 10, 20.0):
        kill_after_seconds(RECIPE, run, moment)
    finish(RECIPE, run)
    assert_same(run, uninterrupted)
    shutil.rmtree(run)
