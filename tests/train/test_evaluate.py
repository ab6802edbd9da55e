import math
from pathlib import Path

import numpy as np
import pytest
import torch

from curate.errors import AccountingError
from tests.train.models_made import batch, model, settings
from tests.train.rows_made import EOS, SPECIAL, documents, pack, token_bytes, write_shard
from train.evaluate import evaluate
from train.objectives import logits
from train.rows import open_sources


def naive_causal_bits(texts: list[list[int]], context: int) -> dict[int, float]:
    """Bits of each document, token by token: each piece of it alone behind a BOS, softmax in float64."""
    made, bits = model("decoder"), dict.fromkeys(range(len(texts)), 0.0)
    for row in pack(texts, context)[1]:
        for document, start, length in row:
            piece = [*texts[document], EOS][start : start + length]
            scores = logits(made, batch([piece], context=len(piece) + 2))[0].double().log_softmax(-1)
            for place, token in enumerate(piece):
                if token != EOS:
                    bits[document] -= float(scores[place, token]) / math.log(2)
    return bits


def test_causal_bits_per_byte_equal_those_of_each_token_alone(tmp_path: Path) -> None:
    texts = {"a": documents(1, 25, longest=60), "b": documents(2, 9)}
    paths = [write_shard(tmp_path / f"{name}.arrow", text, source=name, split="held_out", part=f"0000000{i}") for i, (name, text) in enumerate(texts.items())]
    for rows_per_pass in (1, 7, 100):
        scores = evaluate(model("decoder"), "causal", open_sources(paths, "causal"), token_bytes(), settings(evaluate_rows_per_pass=rows_per_pass))
        assert list(scores) == ["a", "b"]
        for name, text in texts.items():
            score = scores[name]
            assert score.num_tokens == sum(map(len, text))
            assert score.num_bytes == sum(int(token_bytes()[document].sum()) for document in text)
            assert score.num_bits == pytest.approx(sum(naive_causal_bits(text, 32).values()), rel=1e-5)
            assert score.bits_per_byte == score.num_bits / score.num_bytes


def test_causal_bytes_are_those_of_the_documents_as_frozen_not_of_the_tokens(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.arrow", documents(1, 10), source="a", split="held_out", num_bytes=12345)
    assert evaluate(model("decoder"), "causal", open_sources([path], "causal"), token_bytes(), settings())["a"].num_bytes == 12345


def test_masked_bits_are_those_of_the_masked_tokens_over_their_bytes(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.arrow", documents(1, 25), source="a", task="masked", split="held_out")
    sources = open_sources([path], "masked")
    score = evaluate(model("encoder"), "masked", sources, token_bytes(), settings())["a"]
    made, bits, num_bytes, num_tokens = model("encoder"), 0.0, 0, 0
    table = sources[0].shards[0].batches[0]
    assert table.labels is not None
    for row in range(len(table.input_ids)):
        place = 0
        for length in table.segments.length[table.bounds[row] : table.bounds[row + 1]]:
            part = slice(place, place + int(length) + 1)
            ids = torch.from_numpy(table.input_ids[row : row + 1, part].astype(np.int64))
            hidden = made(ids, torch.zeros_like(ids), torch.arange(ids.shape[1])[None])
            scores = (made.features(hidden) @ made.output_weight.T + made.output_bias)[0].double().log_softmax(-1)
            for offset, label in enumerate(table.labels[row, part]):
                if label >= 0:
                    bits -= scores[offset, label].item() / math.log(2)
                    num_bytes += int(token_bytes()[label])
                    num_tokens += 1
            place = part.stop
    assert (score.num_tokens, score.num_bytes) == (num_tokens, num_bytes)
    assert num_tokens > 50
    assert score.num_bits == pytest.approx(bits, rel=1e-5)


def test_fewer_rows_are_the_same_ones_each_time_and_their_own_bytes_count(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.arrow", documents(1, 60), source="a", split="held_out")
    sources = open_sources([path], "causal")
    some = evaluate(model("decoder"), "causal", sources, token_bytes(), settings(evaluate_rows=5))["a"]
    again = evaluate(model("decoder"), "causal", sources, token_bytes(), settings(evaluate_rows=5, evaluate_rows_per_pass=2))["a"]
    whole = evaluate(model("decoder"), "causal", sources, token_bytes(), settings())["a"]
    assert (some.num_tokens, some.num_bytes) == (again.num_tokens, again.num_bytes)
    assert some.num_bits == pytest.approx(again.num_bits)
    assert some.num_tokens < whole.num_tokens
    assert 1 < some.num_bytes / some.num_tokens < 3
    assert some.bits_per_byte == pytest.approx(whole.bits_per_byte, rel=0.3)


def test_tokens_that_the_metadata_counts_otherwise_are_a_bug_and_no_figure(tmp_path: Path) -> None:
    for task, architecture in (("causal", "decoder"), ("masked", "encoder")):
        path = write_shard(tmp_path / f"{task}.arrow", documents(1, 10), source="a", task=task, split="held_out", num_tokens=7)
        with pytest.raises(AccountingError, match="but 7 are stated"):
            evaluate(model(architecture), task, open_sources([path], task), token_bytes(), settings())  # type: ignore[arg-type]


def test_a_source_with_nothing_to_score_has_no_figure(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.arrow", [[]], source="a", split="held_out")
    score = evaluate(model("decoder"), "causal", open_sources([path], "causal"), token_bytes(), settings())["a"]
    assert (score.num_tokens, score.bits_per_byte) == (0, None)


def test_a_model_that_knows_nothing_needs_the_logarithm_of_the_vocabulary(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.arrow", documents(1, 10), source="a", split="held_out")
    made = model("decoder")
    with torch.no_grad():
        made.output_weight.zero_()
    score = evaluate(made, "causal", open_sources([path], "causal"), token_bytes(), settings())["a"]
    assert score.num_bits == pytest.approx(score.num_tokens * math.log2(64))
    assert SPECIAL < 64
