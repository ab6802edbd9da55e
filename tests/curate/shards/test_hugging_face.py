"""Shards as users of `datasets` and `transformers` meet them: no conversion, no code of ours."""

import json

import numpy as np
import pyarrow as pa
import pytest
import yaml

from curate.documents import content_ids
from curate.shards.manufacture import manufacture, selection
from curate.shards.reader import all_rows, open_shard
from curate.shards.writer import dataset_configs
from curate.storage import write_table
from tests.conformance import encoder, settings_of, texts


@pytest.fixture(params=["causal", "masked"])
def task_folder(request, tmp_path, monkeypatch):
    task, every = request.param, texts()
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    folder = tmp_path / task
    half = len(every) // 2
    for part, some in enumerate((every[:half], every[half:])):
        write_table(tmp_path / "documents.arrow", pa.table({"text": some}))
        held = np.arange(len(some)) % 10 == 0
        for split, keep in (("train", ~held), ("held_out", held)):
            out = folder / "data" / f"{split}-{part:08x}.arrow"
            common = {"task": task, "settings": settings_of(task, context_length=32), "seed": 1, "part": part, "source": "s", "split": split}
            manufacture(tmp_path / "documents.arrow", selection(keep, content_ids(some), part), encoder(), out=out, **common)
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(dataset_configs(folder))}---\n")
    return folder


def load(folder, tmp_path):
    import datasets

    return datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))


def test_load_dataset_gives_both_splits_row_for_row(task_folder, tmp_path):
    loaded = load(task_folder, tmp_path)
    assert sorted(loaded) == ["held_out", "train"]
    for split in loaded:
        shards = [open_shard(path) for path in sorted((task_folder / "data").glob(f"{split}-*.arrow"))]
        wanted = np.concatenate([all_rows(shard).input_ids for shard in shards])
        np.testing.assert_array_equal(np.array(loaded[split]["input_ids"][:]), wanted)
        first = {name: column[0] for name, column in all_rows(shards[0]).segments._asdict().items()}
        assert loaded[split][0]["segments"][0] == first


def test_the_trainer_takes_five_steps(task_folder, tmp_path):
    import transformers

    loaded = load(task_folder, tmp_path)
    small = {"vocab_size": 600, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32}
    if task_folder.name == "causal":
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(pad_token_id=0, bos_token_id=1, eos_token_id=2, **small))
        names = {"pad_token": "<|pad|>", "bos_token": "<|bos|>", "eos_token": "<|eos|>", "mask_token": "<|mask|>"}
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=encoder().reference, **names)
        collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm=False)
    else:
        model = transformers.BertForMaskedLM(transformers.BertConfig(pad_token_id=0, **small))
        collator = transformers.default_data_collator
    arguments = transformers.TrainingArguments(
        str(tmp_path / "out"), max_steps=5, per_device_train_batch_size=4, logging_steps=1, report_to=[], save_strategy="no", use_cpu=True, disable_tqdm=True
    )
    trainer = transformers.Trainer(model, arguments, data_collator=collator, train_dataset=loaded["train"], eval_dataset=loaded["held_out"])
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert trainer.state.global_step == len(losses) == 5
    assert np.isfinite(losses).all()
    assert 0 < np.mean(losses) < 2 * np.log(600)
    assert json.loads(json.dumps(trainer.evaluate()))["eval_loss"] > 0
