"""Using a model that was handed over: going on with a text, and naming hidden words."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from curate.errors import InputError
from curate.seeds import fractions
from train.stock import load_stock

_CHECKED = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def generate(model_dir: Path, prompt: str, max_new_tokens: int = 64, temperature: float = 0.8, seed: int = 0) -> str:
    """The text that follows `prompt`, without it, by a handed-over decoder; ends at EOS, at `max_new_tokens` or where the model's context does.

    temperature 0 takes the likeliest token; above, tokens are drawn by inverting the cumulated probabilities at a value that
    depends on seed and place alone. Special strings in the prompt are text. Raises InputError for a folder that is no
    decoder or a prompt that leaves no room.
    """
    if not 0 <= temperature < float("inf"):
        raise InputError(f"temperature is {temperature}; it must be 0 (always the likeliest token) or a positive number")
    config, tokenizer = _open(model_dir, "llama")
    ids = [config["bos_token_id"], *tokenizer.encode(prompt, add_special_tokens=False).ids]
    room = config["max_position_embeddings"] - len(ids)
    if room < 1:
        raise InputError(f"the prompt has {len(ids) - 1} tokens but the model's context is {config['max_position_embeddings']}; shorten it")
    model, _ = load_stock(model_dir, "llama")
    never = [number for number in _special_ids(tokenizer) if number != config["eos_token_id"]]
    new: list[int] = []
    inputs, past = torch.tensor([ids]), None
    with torch.no_grad():
        for chance in fractions(seed, "generate", np.arange(min(max_new_tokens, room), dtype=np.uint64)):
            output = model(input_ids=inputs, past_key_values=past, use_cache=True)
            scores = output.logits[0, -1].double().numpy()
            scores[never] = -np.inf
            chosen = _draw(scores, temperature, float(chance))
            if chosen == config["eos_token_id"]:
                break
            new.append(chosen)
            inputs, past = torch.tensor([[chosen]]), output.past_key_values
    text: str = tokenizer.decode(new, skip_special_tokens=True)
    return text


def fill_mask(model_dir: Path, text: str, num_best: int = 5) -> list[list[tuple[str, float]]]:
    """For each mask string in `text`, the likeliest tokens by a handed-over encoder with their probabilities, best first.

    Raises InputError for a folder that is no encoder, a text without a mask or one longer than the context.
    """
    config, tokenizer = _open(model_dir, "bert")
    mask = json.loads((model_dir / "special_tokens_map.json").read_text())["mask_token"]
    pieces = [tokenizer.encode(piece, add_special_tokens=False).ids for piece in text.split(mask)]
    mask_id = tokenizer.token_to_id(mask)
    ids = [config["bos_token_id"], *pieces[0]]
    for piece in pieces[1:]:
        ids += [mask_id, *piece]
    ids.append(config["eos_token_id"])
    if len(pieces) == 1:
        raise InputError(f"the text has no {mask}; put it where a word is to be named")
    if len(ids) > config["max_position_embeddings"]:
        raise InputError(f"the text has {len(ids)} tokens but the model's context is {config['max_position_embeddings']}; shorten it")
    model, _ = load_stock(model_dir, "bert")
    with torch.no_grad():
        scores = model(input_ids=torch.tensor([ids])).logits[0].double()
    scores[:, _special_ids(tokenizer)] = float("-inf")
    best = scores.softmax(1).topk(min(num_best, scores.shape[1]), 1)
    places = [place for place, number in enumerate(ids) if number == mask_id]
    return [[(tokenizer.decode([int(number)]), float(p)) for number, p in zip(best.indices[place], best.values[place], strict=True)] for place in places]


def _open(model_dir: Path, model_type: str) -> tuple[dict[str, Any], Any]:
    from tokenizers import Tokenizer

    if absent := [name for name in _CHECKED if not (model_dir / name).is_file()]:
        raise InputError(f"{model_dir} is not a model that was handed over: {', '.join(absent)} missing")
    config = json.loads((model_dir / "config.json").read_text())
    if config["model_type"] != model_type:
        use = "fill_mask" if config["model_type"] == "bert" else "generate"
        raise InputError(f"{model_dir} holds a {config['model_type']} model, not a {model_type} one; what it can do is {use}")
    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    tokenizer.encode_special_tokens = True  # a special string in a text is text
    return config, tokenizer


def _special_ids(tokenizer: Any) -> list[int]:
    return [number for number, entry in tokenizer.get_added_tokens_decoder().items() if entry.special]


def _draw(scores: NDArray[np.float64], temperature: float, chance: float) -> int:
    if temperature == 0:
        return int(scores.argmax())
    weights = np.exp((scores - scores.max()) / temperature)
    cumulated = np.cumsum(weights)
    return int(np.searchsorted(cumulated, chance * cumulated[-1], "right"))
