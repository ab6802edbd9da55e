from pathlib import Path

import numpy as np
import pytest
import torch

from curate.errors import InputError
from tests.train.test_export import exported, made
from train.generate import _draw, fill_mask, generate


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(made("causal", tmp_path_factory.mktemp("causal"))).path


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(made("masked", tmp_path_factory.mktemp("masked"))).path


def test_a_seed_gives_one_text_and_another_seed_another(decoder: Path) -> None:
    texts = [generate(decoder, "the moth", max_new_tokens=12, temperature=1.0, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0]


def test_temperature_zero_takes_the_likeliest_token_as_the_stock_class_does(decoder: Path) -> None:
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    tokenizer = Tokenizer.from_file(str(decoder / "tokenizer.json"))
    prompt = [1, *tokenizer.encode("the moth").ids]
    stock = AutoModelForCausalLM.from_pretrained(decoder)
    new = stock.generate(torch.tensor([prompt]), max_new_tokens=6, do_sample=False, suppress_tokens=[0, 1, 3])[0][len(prompt) :].tolist()
    assert generate(decoder, "the moth", max_new_tokens=6, temperature=0) == tokenizer.decode([token for token in new if token != 2])


def test_special_strings_in_a_prompt_are_text_and_none_is_ever_produced(decoder: Path) -> None:
    text = generate(decoder, "<|eos|>", max_new_tokens=10, temperature=3.0, seed=4)
    assert "<|" not in text
    assert generate(decoder, "a", max_new_tokens=10_000, temperature=2.0) is not None  # ends where the context does


def test_a_draw_follows_the_probabilities() -> None:
    scores = np.log(np.array([0.2, 0.5, 0.3]))
    assert [_draw(scores, 1.0, chance) for chance in (0.0, 0.19, 0.21, 0.69, 0.71, 0.999)] == [0, 0, 1, 1, 2, 2]
    scores[1] = -np.inf
    assert {_draw(scores, 1.0, chance) for chance in np.linspace(0, 0.999, 50)} == {0, 2}
    assert _draw(scores, 0, 0.0) == 2


def test_masks_are_named_best_first(encoder: Path) -> None:
    best = fill_mask(encoder, "the <|mask|> met another <|mask|>", num_best=3)
    assert [len(entries) for entries in best] == [3, 3]
    for entries in best:
        chances = [chance for _, chance in entries]
        assert chances == sorted(chances, reverse=True)
        assert 0 < sum(chances) <= 1
        assert not any("<|" in token for token, _ in entries)


def test_what_cannot_be_done_says_why(decoder: Path, encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds a bert model, not a llama one; what it can do is fill_mask"):
        generate(encoder, "the")
    with pytest.raises(InputError, match="not a model that was handed over"):
        generate(tmp_path, "the")
    with pytest.raises(InputError, match="the model's context is 32; shorten it"):
        generate(decoder, "the moth " * 40)
    with pytest.raises(InputError, match="temperature is -1"):
        generate(decoder, "the", temperature=-1)
    with pytest.raises(InputError, match=r"has no <\|mask\|>"):
        fill_mask(encoder, "the moth")
