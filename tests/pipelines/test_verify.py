"""Every byte a run vouches for is checked, and what is wrong is named."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from curate.errors import DamageError
from pipelines.runs import open_run, run
from pipelines.verify import verify
from tests.pipelines.corpora import corpuscle, run_of_every_fate
from tests.torture.harness import assert_same


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of_every_fate(tmp_path_factory.getbasetemp()) / "run"


@pytest.fixture
def copied(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "run"))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


DAMAGES = [(flip, r"its bytes differ"), (cut, r"\d+ bytes where \d+ were written"), (Path.unlink, r"missing")]


def test_a_sound_run_has_no_problems_and_every_file_is_counted(sound: Path) -> None:
    result = verify(open_run(sound))
    files = [path for path in sound.rglob("*") if path.is_file() and path.name not in ("journal.jsonl", "recipe.yaml", "report.html", ".lock", ".inputs.json")]
    assert result == {"files": len(files), "bytes": sum(path.stat().st_size for path in files), "problems": []}
    assert len(files) > 15


@pytest.mark.parametrize(("damage", "told"), DAMAGES, ids=["flipped bit", "cut", "missing"])
def test_damage_to_any_file_is_found_and_named(copied: Path, damage: Callable[[Path], None], told: str) -> None:
    context = open_run(copied)
    for path, unit in ((path, entry.unit) for entry in context.entries("") for path in entry.outputs):
        file = copied / path
        content = file.read_bytes()
        damage(file)
        (problem,) = verify(context)["problems"]
        assert (problem["path"], problem["unit"]) == (path, unit)
        assert re.match(told, problem["what"])
        file.write_bytes(content)
    assert verify(context)["problems"] == []


def test_all_that_is_damaged_is_named_at_once_and_what_is_deleted_is_made_anew(copied: Path, sound: Path) -> None:
    damaged = [next((copied / "documents").iterdir()), next((copied / "measures" / "words").iterdir()), copied / "fitted" / "tokenizer.json"]
    for path in damaged:
        flip(path)
    problems = verify(open_run(copied))["problems"]
    assert {problem["path"] for problem in problems} == {path.relative_to(copied).as_posix() for path in damaged}
    for path in damaged[:2]:
        path.unlink()
    flip(damaged[2])
    run(sound.parent / "recipe.yaml", copied, workers=1)
    assert verify(open_run(copied))["problems"] == []
    assert_same(copied, sound)


def test_the_command_exits_with_0_or_1_and_names_the_file(copied: Path) -> None:
    sound = corpuscle("verify", copied)
    assert (sound.returncode, sound.stdout) == (0, "")
    assert "0 problems" in sound.stderr
    path = next((copied / "ledger").glob("*.arrow"))
    flip(path)
    damaged = corpuscle("verify", copied)
    assert damaged.returncode == 1
    assert damaged.stdout == f"ledger/{path.name}: its bytes differ from those written\n"
    assert "give `corpuscle run` the same recipe and folder" in damaged.stderr
    as_json = corpuscle("verify", copied, "--json")
    assert as_json.returncode == 1
    assert [problem["path"] for problem in json.loads(as_json.stdout)["problems"]] == [f"ledger/{path.name}"]


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamageError, match=r"is not a run: it has no recipe\.yaml"):
        open_run(tmp_path)
