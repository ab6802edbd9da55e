"""The wheel holds all that a run needs, and runs where there is no checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.pipelines.corpora import ROOT

FEWER = [
    'sources=[{name: speeches, paths: ["text/184*.txt", "text/186*.txt"], format: text}]',
    "benchmarks=[]",
    "held_out.fraction=0.2",
    "tokenizer.vocabulary_size=512",
    "tasks.causal.context_length=64",
    "tasks.masked=null",
    "train.masked=null",
    "train.causal={num_steps: 2, batch_rows: 4, evaluate_rows: 4, dtype: float32, num_threads: 1, dimensions: {hidden_size: 32, num_layers: 2, num_heads: 2}}",
]
PACKAGES = ("curate", "train", "pipelines")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel installed, which sees this one's locked packages behind its own and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    install = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True, env=clean())
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "locked.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    hand_over_compiled_kernels(packages / "curate" / "kernels")
    return folder


def hand_over_compiled_kernels(installed: Path) -> None:
    """Spare the test the half minute of compiling that the checkout has behind it: numba takes machine code for a source of the same time and size."""
    ours = ROOT / "curate" / "kernels"
    (installed / "__pycache__").mkdir(exist_ok=True)
    for source in ours.glob("*.py"):
        os.utime(installed / source.name, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))
    for pattern in ("*.nb[ci]", "compiled.json"):
        for compiled in (ours / "__pycache__").glob(pattern):
            shutil.copy(compiled, installed / "__pycache__")


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")} | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def ran(environment: Path, name: str, *arguments: str, cwd: Path) -> str:
    """What a program of the environment gives on stdout; it must succeed."""
    done = subprocess.run([environment / "bin" / name, *arguments], cwd=cwd, env=clean(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_it_holds_every_file_of_the_packages_and_no_test(names: set[str]) -> None:
    ours = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()}
    ours = {name for name in ours if "__pycache__" not in name}
    about = {name for name in names if ".dist-info/" in name}
    assert names - about == ours
    assert not [name for name in names if re.search(r"(^|/)(tests?|conftest)[./]", name)]
    assert {name.partition(".dist-info/")[2] for name in about} >= {"METADATA", "RECORD", "entry_points.txt", "licenses/LICENSE"}


def test_it_holds_recipes_archives_the_language_model_templates_and_styles(names: set[str]) -> None:
    assert {
        "pipelines/recipes/quickstart.yaml",
        "pipelines/samples/PROVENANCE.csv",
        "pipelines/samples/benchmarks/gsm8k-test-200.jsonl",
        "curate/measures/models/lid.176.ftz",
        "curate/measures/models/NOTICE",
        "pipelines/report/page.html.j2",
        "pipelines/report/style.css",
        "pipelines/cards/dataset.md.j2",
        "pipelines/cards/model.md.j2",
    } <= names
    assert len([name for name in names if name.startswith("pipelines/samples/text/")]) > 100


def test_what_is_imported_is_what_was_installed(environment: Path, tmp_path: Path) -> None:
    script = f"import json, importlib; print(json.dumps([importlib.import_module(name).__file__ for name in {PACKAGES}]))"
    for file in json.loads(ran(environment, "python", "-c", script, cwd=tmp_path)):
        assert Path(file).is_relative_to(environment)
        assert not Path(file).resolve().is_relative_to(ROOT)
    assert ran(environment, "corpuscle", "--version", cwd=tmp_path) == f"corpuscle {version('corpuscle')}\n"


def test_a_new_folder_runs_to_a_model_outside_the_checkout(environment: Path, tmp_path: Path) -> None:
    ran(environment, "corpuscle", "init", "new", cwd=tmp_path)
    changes = [f"--set={change}" for change in FEWER]
    told = json.loads(ran(environment, "corpuscle", "run", "recipe.yaml", "--workers", "1", "--json", *changes, cwd=tmp_path / "new"))
    assert told["sources"]["speeches"]["kept"] > 5
    assert told["rows"]["causal"]["train"] > 10
    assert told["models"]["causal"]["bits_per_byte"]["speeches"].keys() == {"before", "after"}
    run = tmp_path / "new" / "runs" / "quickstart"
    assert (tmp_path / "new" / told["run"]).resolve() == run.resolve()  # as it was named, from where the command was given
    assert (run / "report.html").stat().st_size > 1000
    assert (run / "shards" / "causal" / "README.md").exists()
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {path.name for path in (run / "models" / "causal").iterdir()}
    assert ran(environment, "corpuscle", "generate", "runs/quickstart/models/causal", "The", "--tokens", "3", cwd=tmp_path / "new").strip()
