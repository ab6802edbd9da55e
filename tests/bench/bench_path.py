"""JSON Lines to ledger, whole processes from file to verdicts, two workers: `corpuscle run --until select` beside datatrove doing the same.

    python -m tests.bench.bench_path --data CORPUS/corpus.jsonl [--peers DIR] [--share 8] [--repeats 3] [--workers 2] [--larger CORPUS/times-10.jsonl]

CORPUS is made by `python -m tests.bench.corpus`, DIR by `python -m tests.bench.peers dt`. Ours: language, every rule of Gopher, C4 and
FineWeb on every document, exact and near-duplicates, held-out documents, a ledger with a reason for each. datatrove: language, the same four
filters one after another on what is left, its MinHash in four stages; it makes 0.4 MB/s, so it is given one of every `--share` documents and
judged by MB/s. Before the first run kernels are compiled. Seconds and CPU seconds are of the whole command, start included (CPU seconds leave out
datatrove's workers, which are a server's children); memory is the peak of the sum over its processes. The stages' own seconds are as the run reports them.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench.meter import Metered, metered

TARGET = 40
NUM_SHARDS = 2
PEER = Path(__file__).parent / "peers" / "curate_datatrove.py"
RECIPE = """
name: bench
sources: [{{name: texts, paths: [{path}], format: jsonl}}]
rules: {{gopher_repetition: {{}}, gopher_quality: {{}}, c4: {{}}, fineweb: {{}}}}
"""


class Measured(NamedTuple):
    """A command, what it was given, and its CPU seconds over all processes."""

    run: Metered
    megabytes: float
    cpu_seconds: float

    def line(self, name: str, told: str) -> str:
        memory = f"{self.run.peak_bytes / 2**20:.0f} MiB ({self.run.peak_anonymous_bytes / 2**20:.0f} anonymous)"
        pace = f"{self.run.seconds:8.2f} s {self.megabytes / self.run.seconds:8.2f} MB/s  {self.cpu_seconds:7.1f} CPU s"
        return f"{name:10} {self.megabytes:7.1f} MB {pace}  {memory:28} {told}"


def measured(command: Sequence[str | Path], megabytes: float, cwd: Path) -> Measured:
    """Run a command and account for it."""
    before = os.times()
    # 3: a gate failed; on such texts a rule may well drop everything
    run = metered(
        [str(part) for part in command], cwd=cwd, env={**os.environ, "PYTHONPATH": str(Path.cwd()), "HF_ASSETS_CACHE": str(cwd / "assets")}, allowed=(0, 3)
    )
    after = os.times()
    return Measured(run, megabytes, after.children_user + after.children_system - before.children_user - before.children_system)


def ours(data: Path, folder: Path, name: str, workers: int) -> Measured:
    """One run in a folder of its own."""
    recipe = folder / f"{name}.yaml"
    recipe.write_text(RECIPE.format(path=json.dumps(str(data.resolve()))))
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pipelines.cli",
        "run",
        recipe,
        "--run",
        folder / name,
        "--until",
        "select",
        "--json",
        "--workers",
        str(workers),
    ]
    return measured(command, data.stat().st_size / 1e6, folder)


def told(found: Measured) -> str:
    """Documents kept, and the seconds of the stages."""
    summary = json.loads(found.run.output)
    kept = sum(source["kept"] for source in summary["sources"].values())
    return f"kept {kept}; " + ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in summary["seconds"].items())


def theirs(data: Path, peers: Path, share: int, folder: Path) -> Measured:
    """One of every `share` documents through datatrove."""
    source = folder / "share"
    source.mkdir()
    with data.open("rb") as lines:
        chosen = [line for number, line in enumerate(lines) if number % share == 0]
    for number in range(NUM_SHARDS):
        (source / f"{number}.jsonl").write_bytes(b"".join(chosen[number::NUM_SHARDS]))
    python = peers.resolve() / "dt" / "bin" / "python"
    command: list[str | Path] = [python, PEER, source, folder / "datatrove"]
    return measured(command, sum(map(len, chosen)) / 1e6, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--share", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--larger", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with given.data.open("rb") as lines:
            (folder / "few.jsonl").write_bytes(b"".join(line for line, _ in zip(lines, range(50), strict=False)))
        print(ours(folder / "few.jsonl", folder, "first", given.workers).line("50 documents", "compiles kernels where they are not compiled yet"), flush=True)
        runs = [ours(given.data, folder, f"run-{number}", given.workers) for number in range(given.repeats)]
        best = min(runs, key=lambda found: found.run.seconds)
        print(best.line("corpuscle", told(best)), flush=True)
        if given.peers is not None:
            peer = theirs(given.data, given.peers, given.share, folder)
            ratio = best.megabytes / best.run.seconds / (peer.megabytes / peer.run.seconds)
            print(peer.line("datatrove", f"kept {peer.run.output}; ours is {ratio:.0f} times as fast (wanted {TARGET})"), flush=True)
        if given.larger is not None:
            large = ours(given.larger, folder, "larger", given.workers)
            growth = large.run.peak_bytes / max(found.run.peak_bytes for found in runs) - 1
            print(large.line("corpuscle", f"memory {growth:+.0%} (wanted below +10%); {told(large)}"), flush=True)


if __name__ == "__main__":
    main()
