"""Near-duplicate removal end to end, whole processes from file to result, two workers: ours beside daft, rensa, text-dedup and datatrove.

    python -m tests.bench.bench_near --data CORPUS/corpus.jsonl --peers DIR [--only daft rensa] [--repeats 3] [--larger CORPUS/times-10.jsonl]

CORPUS is made by `python -m tests.bench.corpus`, DIR (one virtual environment a peer) by `python -m tests.bench.peers`. Ours is
`corpuscle dedup`: 112 values over 5-word shingles, 22 bands of 5, candidates
verified at 0.7, by their shingles where signatures leave it open; a JSON Lines file in, kept ids out. The peers
have the same settings where they can be set. All runs of a repeat follow one another, so that a change of the machine's
pace meets them alike; the shortest of each counts. Memory is the peak of the sum over a command's processes.

Last: 1.7 s, 1.9 times daft (wanted 2), 3.9 times rensa (wanted 4), 17.9 times text-dedup (wanted 20, before the last step below). Where the
1.7 s go: 0.7 to start (Python and typer 0.1, numpy and pyarrow 0.2, numba and loading compiled kernels 0.4), 0.8 to read, parse and sign in two
threads, 0.2 to link and verify. What was tried: no pandas, scipy or awkward at the start (0.6 s saved), Unicode tables from a file
(0.4), a kernel that parses JSON lines (0.4), one pass for signatures and shingles, no garbage collection among the libraries' objects (0.4).
What stands in the way is the start, which is serial. Memory grows from 190 to 360 MiB at ten times the corpus: candidates' pairs and shingles
(bounded) and pages of the scratch files that are mapped while candidates are verified.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench.meter import Metered, metered

SCRIPTS = Path(__file__).parent / "peers"
OURS = [sys.executable, "-m", "pipelines.cli", "dedup"]


class Peer(NamedTuple):
    """environment: the virtual environment's folder; target: how many times its speed ours is to be; repeated: False where one run
    takes minutes."""

    environment: str
    target: float
    repeated: bool
    command: Callable[[str, Path, Path], list[str | Path]]  # (python, corpus, scratch folder)


def _text_dedup(python: str, corpus: Path, scratch: Path) -> list[str | Path]:
    """Its own command line, with its 64-bit hashes."""
    read = {"path": "json", "data_files": corpus, "split": "train", "column": "text", "cache_dir": scratch / "cache", "output": scratch / "text-dedup"}
    banding = {"batch_size": 10000, "ngram": 5, "num_perm": 112, "b": 14, "r": 8, "threshold": 0.7, "min_length": 5}
    chosen = read | banding | {"hash_func": "xxh3", "hash_bits": 64, "num_proc": 2}
    return [python, "-m", "text_dedup.minhash", *(str(part) for name, value in chosen.items() for part in (f"--{name}", value))]


PEERS = {
    "daft": Peer("misc", 2, True, lambda python, corpus, scratch: [python, SCRIPTS / "near_daft.py", corpus, scratch / "daft"]),
    "rensa": Peer("misc", 4, True, lambda python, corpus, scratch: [python, SCRIPTS / "near_rensa.py", corpus, scratch / "rensa.jsonl"]),
    "text-dedup": Peer("td", 20, False, _text_dedup),
    "datatrove": Peer(
        "dt", 80, False, lambda python, corpus, scratch: [python, SCRIPTS / "near_datatrove.py", corpus.parent / "shards", scratch / "datatrove"]
    ),
}


def ours(corpus: Path, scratch: Path) -> Metered:
    """One run of `corpuscle dedup`, ids into a file."""
    return metered(["sh", "-c", f'"$@" > {scratch}/ids', "sh", *OURS, str(corpus), "--workers", "2"])


def best(runs: list[Metered]) -> Metered:
    """The shortest run, with the largest memory of all."""
    return min(runs)._replace(peak_bytes=max(run.peak_bytes for run in runs), peak_anonymous_bytes=max(run.peak_anonymous_bytes for run in runs))


def line(name: str, run: Metered, megabytes: float, kept: str, beside: str = "") -> str:
    memory = f"{run.peak_bytes / 2**20:7.0f} MiB ({run.peak_anonymous_bytes / 2**20:.0f} anonymous)"
    return f"{name:12} {run.seconds:8.2f} s {megabytes / run.seconds:8.1f} MB/s  {memory:28} kept {kept:>8}  {beside}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--larger", type=Path)
    given = parser.parse_args()
    megabytes = given.data.stat().st_size / 1e6
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        ours(given.data, scratch)  # compiles the kernels, the first time
        mine: list[Metered] = []
        theirs: dict[str, list[Metered]] = {name: [] for name in given.only}
        for repeat in range(given.repeats):
            mine.append(ours(given.data, scratch))
            for name in given.only:
                peer = PEERS[name]
                if peer.repeated or not repeat:
                    python = str(given.peers.resolve() / peer.environment / "bin" / "python")
                    theirs[name].append(metered([str(part) for part in peer.command(python, given.data.resolve(), scratch)], cwd=scratch))
        kept = (scratch / "ids").read_bytes().count(b"\n")
        print(line("corpuscle", best(mine), megabytes, str(kept)))
        for name, runs in theirs.items():
            ratio = best(runs).seconds / best(mine).seconds
            beside = f"ours is {ratio:.1f} times as fast (wanted {PEERS[name].target:g})"
            print(line(name, best(runs), megabytes, runs[-1].output.split()[-1] if name != "text-dedup" else "see log", beside))
        if given.larger is not None:
            _larger(given, scratch, best(mine))


def _larger(given: argparse.Namespace, scratch: Path, small: Metered) -> None:
    """Time and memory at a larger corpus, beside daft."""
    megabytes = given.larger.stat().st_size / 1e6
    large = ours(given.larger, scratch)
    growth = large.peak_bytes / small.peak_bytes - 1
    kept = str((scratch / "ids").read_bytes().count(b"\n"))
    print(line("corpuscle", large, megabytes, kept, f"memory {growth:+.0%} (wanted below +10%)"))
    if "daft" in given.only:
        python = str(given.peers.resolve() / PEERS["daft"].environment / "bin" / "python")
        run = metered([str(part) for part in PEERS["daft"].command(python, given.larger.resolve(), scratch)], cwd=scratch)
        print(line("daft", run, megabytes, run.output, f"ours is {run.seconds / large.seconds:.1f} times as fast (wanted 3)"))


if __name__ == "__main__":
    main()
