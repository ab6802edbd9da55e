"""The bundled archives go the whole way, and what comes out is what it should be."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from curate.documents import as_text
from curate.fit.encoder import encode, load_encoder
from curate.fit.tokenizer import load_tokenizer
from curate.storage import read_table
from pipelines.cards.shipped import CARD, shipped_card
from pipelines.explain import explain_document, explain_row
from pipelines.parts import parts
from pipelines.report.page import render
from pipelines.runs import open_run
from pipelines.stages.decide import CERTIFICATE_FILE
from pipelines.table import as_json
from pipelines.verify import verify
from tests.conftest import Finished

ENGLISH = ("web", "guides", "bills", "law", "plays", "speeches", "worksheets")
# The items that the samples' README says were planted, in four spellings.
PLANTED = {"gsm8k": {str(number) for number in range(40)}, "humaneval": {f"HumanEval/{number}" for number in (4, 10, 17, 26, 32, 51, 64, 92, 105, 139)}}


def test_every_record_is_kept_held_out_dropped_or_quarantined(quickstart: Finished) -> None:
    for source in quickstart.whole.sources:
        assert source.num_records == source.num_kept + source.num_held_out + source.num_dropped + source.num_quarantined
        assert source.num_kept > 0
        assert source.num_held_out > 0


def test_the_damage_in_the_archives_is_found_and_named(quickstart: Finished) -> None:
    found = {source.name: dict(source.quarantined) for source in quickstart.whole.sources}
    assert found["web"] == {"length_mismatch": 1, "truncated": 1}
    assert found["bills"] == {"bad_json": 2, "no_text_field": 2, "undecodable": 1}
    assert found["law"] == {"no_text_field": 1}
    assert found["speeches"] == {"undecodable": 1}
    assert not quickstart.whole.gates


def test_exactly_the_planted_benchmark_items_are_found_and_no_document_with_one_is_kept(quickstart: Finished) -> None:
    certificate = read_table(quickstart.folder / CERTIFICATE_FILE).to_pylist()
    found = {name: {row["item_id"] for row in certificate if row["benchmark"] == name and row["status"] == "contaminated"} for name in PLANTED}
    assert found == PLANTED
    report = (quickstart.folder / "report.html").read_text()
    assert all(f"HumanEval/{number}" in report for number in (4, 139))


def test_documents_found_by_duplicates_name_a_kept_representative(quickstart: Finished) -> None:
    context = open_run(quickstart.folder)
    ledgers = {part.id: read_table(quickstart.folder / part.ledger_file).to_pylist() for part in parts(context)}
    duplicates = [row for rows in ledgers.values() for row in rows if row["reason"] in ("exact_duplicate", "near_duplicate")]
    assert len(duplicates) > 50
    for row in duplicates:
        assert ledgers[row["representative_part"]][row["representative_row"]]["keep"]


def test_datasets_loads_both_splits_of_every_task(quickstart: Finished, tmp_path: Path) -> None:
    from datasets import load_dataset

    for rows in quickstart.whole.rows:
        loaded = load_dataset(str(quickstart.folder / rows.path), cache_dir=str(tmp_path))
        assert {name: len(split) for name, split in loaded.items()} == {"train": rows.num_train, "held_out": rows.num_held_out}


def test_the_ids_of_every_bundled_document_are_those_of_tokenizers(quickstart: Finished) -> None:
    fitted = quickstart.folder / "fitted"
    encoder, reference = load_encoder(fitted / "tokenizer.json", fitted / "tokenizer_exceptions.json"), load_tokenizer(fitted / "tokenizer.json")
    for part in parts(open_run(quickstart.folder)):
        texts = as_text(read_table(part.documents(quickstart.folder), ["text"])["text"])
        ids, offsets = encode(encoder, texts)
        expected = [encoding.ids for encoding in reference.encode_batch(texts.to_pylist(), add_special_tokens=False)]
        assert np.diff(offsets).tolist() == [len(one) for one in expected]
        assert ids.tolist() == [number for one in expected for number in one]
        assert not encoder.vocabulary.is_special[ids].any()


def test_the_decoder_is_better_than_byte_bigrams_on_every_english_source_even_after_few_steps(quickstart: Finished) -> None:
    causal = next(model for model in quickstart.whole.models if model.task == "causal")
    for source in ENGLISH:
        assert causal.bits_per_byte[source].after < causal.bits_per_byte[source].before
        assert causal.bits_per_byte[source].after < causal.bigram[source]


def test_transformers_loads_what_is_handed_over(quickstart: Finished) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    for task, kind in (("causal", AutoModelForCausalLM), ("masked", AutoModelForMaskedLM)):
        folder = quickstart.folder / "models" / task
        model, tokenizer = kind.from_pretrained(folder, local_files_only=True), AutoTokenizer.from_pretrained(folder, local_files_only=True)
        logits = model(input_ids=torch.tensor([tokenizer.encode("The Senate shall", add_special_tokens=False)])).logits
        assert torch.isfinite(logits).all()
        assert next(one for one in quickstart.whole.models if one.task == task).max_logits_difference <= 1e-4


def test_explain_traces_a_row_to_its_documents_and_a_document_to_its_verdict(quickstart: Finished) -> None:
    context = open_run(quickstart.folder)
    shard = sorted((quickstart.folder / "shards" / "causal" / "data").glob("train-*.arrow"))[0]
    row = explain_row(context, f"shards/causal/data/{shard.name}:0")
    assert row["documents"]
    document = explain_document(context, row["documents"][0]["document"])
    assert document["keep"]
    assert document["source"] == row["source"]
    assert all(rule["verdict"] != "fail" for rule in document["rules"])


def test_the_card_is_accepted_and_the_checked_in_one_is_what_the_run_writes(quickstart: Finished) -> None:
    from huggingface_hub import DatasetCard

    written = shipped_card(quickstart.rows, quickstart.folder)
    assert DatasetCard(written).data.to_dict()["configs"]
    assert written == CARD.read_text(encoding="utf8"), "make cards writes it anew"
    for rows in quickstart.whole.rows:
        assert DatasetCard.load(quickstart.folder / rows.path / "README.md").data.to_dict()["configs"]


def test_the_report_is_one_offline_page_without_the_text_of_documents(quickstart: Finished) -> None:
    page = (quickstart.folder / "report.html").read_text()
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert not re.search(r"<script|<link|<img|src=|href=\"http", page)
    first = next(iter(parts(open_run(quickstart.folder))))
    text = read_table(first.documents(quickstart.folder), ["text"])["text"][0].as_py()
    assert text[:200] not in page
    assert render(quickstart.whole) == page


def test_the_journal_vouches_for_every_file(quickstart: Finished) -> None:
    assert verify(open_run(quickstart.folder))["problems"] == []


def test_the_json_object_has_the_promised_shape(quickstart: Finished) -> None:
    told = json.loads(json.dumps(as_json(quickstart.whole)))
    assert set(told) == {"run", "recipe", "sources", "rows", "models", "seconds"}
    assert set(told["sources"]["web"]) == {"records", "kept", "held_out", "dropped", "quarantined"}
    assert set(told["rows"]["causal"]) == {"train", "held_out", "tokens"}
    assert all(math.isfinite(bits["after"]) for model in told["models"].values() for bits in model["bits_per_byte"].values())


@pytest.mark.parametrize("task", ["causal", "masked"])
def test_a_trainer_of_transformers_takes_five_steps_on_the_shards_as_they_are(quickstart: Finished, task: str, tmp_path: Path) -> None:
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer, DataCollatorForLanguageModeling, Trainer, TrainingArguments

    folder = quickstart.folder / "models" / task
    rows = load_dataset(str(quickstart.folder / "shards" / task), cache_dir=str(tmp_path / "cache"))["train"]
    settings = TrainingArguments(
        str(tmp_path / "out"), max_steps=5, per_device_train_batch_size=4, report_to=[], save_strategy="no", use_cpu=True, disable_tqdm=True
    )
    if task == "causal":
        collator = DataCollatorForLanguageModeling(AutoTokenizer.from_pretrained(folder, local_files_only=True), mlm=False)
        trainer = Trainer(AutoModelForCausalLM.from_pretrained(folder, local_files_only=True), settings, train_dataset=rows, data_collator=collator)
    else:
        trainer = Trainer(AutoModelForMaskedLM.from_pretrained(folder, local_files_only=True), settings, train_dataset=rows)
    outcome = trainer.train()
    assert outcome.global_step == 5
    assert math.isfinite(outcome.training_loss)
