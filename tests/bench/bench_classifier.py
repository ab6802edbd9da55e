"""Quality classifiers on labelled messages: precision and recall on a held-out share, and how fast they are trained and score.

    python -m tests.bench.bench_classifier --data FOLDER

FOLDER holds quality/SMSSpamCollection.tsv (label, tab, message; UCI) and mail/spamassassin-part1.tar.gz (folders of ham and of
spam). Ham is positive. Without --data, plays are told from laws (bundled samples). Nothing of the messages is printed.
"""

import argparse
import tarfile
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from curate.documents import as_text
from curate.fit.classifier import ClassifierSettings, fit_classifier
from curate.fit.fasttext_model import read_model
from tests.curate.fit.test_classifier import of

Sides = tuple[list[str], list[str]]


def messages(path: Path) -> Sides:
    """Ham and spam of the SMS collection."""
    lines = [line.split("\t", 1) for line in path.read_text("utf-8").splitlines() if "\t" in line]
    ham, spam = ([text for label, text in lines if label == kind] for kind in ("ham", "spam"))
    return ham, spam


def mails(path: Path) -> Sides:
    """Ham and spam of the mail corpus, headers left out: they would give the answer away."""
    found: dict[bool, list[str]] = {True: [], False: []}
    with tarfile.open(path) as archive:
        for member in archive:
            kind = Path(member.name).parent.name
            file = archive.extractfile(member)
            if file is not None and ("ham" in kind or "spam" in kind):
                body = file.read().partition(b"\n\n")[2].decode("utf-8", "replace")
                if body.strip():
                    found["ham" in kind].append(body)
    return found[True], found[False]


def batches(texts: list[str]) -> Iterator[pa.LargeStringArray]:
    yield as_text(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    data = parser.parse_args().data
    sets: dict[str, Sides] = {"plays and laws": (list(of("plays")), list(of("law")))}
    if data:
        sets = {"SMS": messages(data / "quality" / "SMSSpamCollection.tsv"), "mail": mails(data / "mail" / "spamassassin-part1.tar.gz")}
    for name, (positives, negatives) in sets.items():
        for epochs, rate in ((5, 0.1), (None, 0.5)):
            settings = ClassifierSettings(
                name="bench", positives=["-"], negatives=["-"], held_out_fraction=0.25, epochs=epochs, learning_rate=rate, balance=False
            )
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder) / "model.bin"
                start = time.process_time()
                _, found = fit_classifier(settings, partial(batches, positives), partial(batches, negatives), target)
                seconds = time.process_time() - start
                model, texts = read_model(target), as_text(positives + negatives)
                start = time.process_time()
                model.predict(texts, settings.max_characters, "positive")
                scoring = len(texts) / (time.process_time() - start)
            training, held_out = (" + ".join(str(found[side][what]) for side in ("positives", "negatives")) for what in ("training", "held out"))
            precision = "–" if found["precision"] is None else f"{found['precision']:.3f}"
            figures = f"precision {precision}, recall {found['recall']:.3f}, ROC AUC {found['roc_auc']:.3f}"
            print(f"{name}, {training} texts, {held_out} held out, {epochs or 'as many'} epochs at {rate}: {figures};", end=" ")
            print(f"trained in {seconds:.1f} s, scores {scoring:,.0f} texts/s")


if __name__ == "__main__":
    main()
