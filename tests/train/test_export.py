import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from curate.errors import AccountingError, InputError
from tests.train.models_made import SMALL, settings, write_tokenizer
from tests.train.rows_made import documents, token_bytes, write_shard
from train import export as exporting
from train.checkpoint import MODEL, read_checkpoint
from train.export import Exported, export, load_model
from train.loader import to_batch
from train.loop import train
from train.models.dimensions import Dimensions
from train.objectives import logits
from train.rows import fetch, open_sources

NASTY = ["the moth", " <|eos|> in text <|mask|>", "naïve café", "日本語", "\u0e20\u0e32\u0e29\u0e32", "👩‍🚀 a\u0301", "tab\tand\nline\r\n", "", " ", "<|bos|>"]


@pytest.fixture(scope="module", params=["causal", "masked"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return made(request.param, tmp_path_factory.mktemp(request.param))


def made(task: str, folder: Path, dimensions: Dimensions = SMALL) -> dict[str, Any]:
    """A few training steps on rows over the vocabulary of a real tokenizer."""
    size = write_tokenizer(folder / "tokenizer.json")
    shards = [
        write_shard(folder / f"{split}.arrow", documents(5, 30, size), source="a", task=task, split=split, vocabulary_size=size)
        for split in ("train", "held_out")
    ]
    made_with = settings(dimensions=dimensions, num_steps=4)
    result = train(made_with, task, shards[:1], shards[1:], folder / "checkpoints", folder / "metrics.jsonl", token_bytes(size))
    return {"task": task, "folder": folder, "checkpoint": result.checkpoint, "shards": shards[1:], "tokenizer": folder / "tokenizer.json"}


def exported(trained: dict[str, Any], name: str = "model") -> Exported:
    return export(trained["checkpoint"], trained["tokenizer"], trained["shards"], trained["folder"] / name)


def test_stock_classes_load_it_offline_with_our_logits_and_ids(
    trained: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = exported(trained)
    assert capfd.readouterr() == ("", "")
    assert 0 <= result.max_difference <= 1e-4
    kind = AutoModelForCausalLM if trained["task"] == "causal" else AutoModelForMaskedLM
    stock = kind.from_pretrained(result.path)
    assert type(stock).__name__ == ("LlamaForCausalLM" if trained["task"] == "causal" else "BertForMaskedLM")
    assert sum(parameter.numel() for parameter in stock.parameters()) == result.num_parameters
    output = stock.get_output_embeddings().weight
    assert output.data_ptr() == stock.get_input_embeddings().weight.data_ptr()  # tied there as here

    sources = open_sources(trained["shards"], trained["task"])
    rows = to_batch(fetch(sources, np.zeros(3, np.int32), np.arange(3)), torch.device("cpu"))
    first = rows.segment_ids[0] == 0
    ours = logits(load_model(read_checkpoint(trained["checkpoint"])), rows)[0][first]
    with torch.no_grad():
        theirs = stock.eval()(input_ids=rows.input_ids[:1, first]).logits[0]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)

    tokenizer, reference = AutoTokenizer.from_pretrained(result.path), Tokenizer.from_file(str(trained["tokenizer"]))
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.mask_token_id) == (0, 1, 2, 3)
    for text in NASTY:
        assert tokenizer(text)["input_ids"] == reference.encode(text).ids
    assert tokenizer.decode(tokenizer("naïve 日本語 👩‍🚀")["input_ids"]) == "naïve 日本語 👩‍🚀"


def test_grouped_heads_and_an_untied_head_are_handed_over_too(tmp_path: Path) -> None:
    dimensions = Dimensions(**(SMALL.model_dump() | {"num_key_value_heads": 2, "tie_embeddings": False}))
    assert exported(made("causal", tmp_path, dimensions)).max_difference <= 1e-4


def test_the_same_checkpoint_gives_the_same_bytes(trained: dict[str, Any]) -> None:
    one, other = exported(trained, "one").path, exported(trained, "other").path
    names = sorted(path.name for path in one.iterdir())
    expected = {"config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"}
    assert set(names) == expected | ({"generation_config.json"} if trained["task"] == "causal" else set())
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in names)
    assert (one / "tokenizer.json").read_bytes() == trained["tokenizer"].read_bytes()


def test_weights_that_do_not_give_our_logits_are_not_published(trained: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = exporting.tensor_bytes

    def changed(tensors: dict[str, torch.Tensor]) -> bytes:
        name = next(name for name in tensors if "norm" in name.lower())
        return plain(tensors | {name: tensors[name] * 1.1})

    monkeypatch.setattr(exporting, "tensor_bytes", changed)
    with pytest.raises(AccountingError, match="logits differ from the trained one's by"):
        exported(trained, "changed")
    assert not (trained["folder"] / "changed").exists()


def test_a_missing_weight_is_not_published(trained: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = exporting.tensor_bytes
    monkeypatch.setattr(exporting, "tensor_bytes", lambda tensors: plain(dict(list(tensors.items())[:-1])))
    with pytest.raises(AccountingError, match="do not fit the stock class"):
        exported(trained, "missing")
    assert not (trained["folder"] / "missing").exists()


def test_a_tokenizer_of_other_rows_is_refused(trained: dict[str, Any], tmp_path: Path) -> None:
    content = json.loads(trained["tokenizer"].read_text())
    content["added_tokens"] = content["added_tokens"][:3]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="no added token for mask_token"):
        export(trained["checkpoint"], tmp_path / "tokenizer.json", trained["shards"], trained["folder"] / "other-tokenizer")


def test_the_exported_weights_are_the_checkpoint_s(trained: dict[str, Any]) -> None:
    from safetensors.torch import load_file

    weights, kept = load_file(exported(trained).path / "model.safetensors"), load_file(trained["checkpoint"] / MODEL)
    assert weights.keys() == kept.keys()
    assert all(torch.equal(weights[name], kept[name]) for name in weights)
