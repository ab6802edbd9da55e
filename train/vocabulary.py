"""How many bytes of text each token stands for: what bits are divided by."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.errors import InputError


def token_num_bytes(tokenizer: Path, vocabulary_size: int) -> NDArray[np.int64]:
    """UTF-8 bytes of text per token id, from a tokenizer.json; 0 for added special tokens and for ids that no token has.

    A byte-level vocabulary writes one character for each byte, so its tokens are counted without decoding them: half of a
    UTF-8 character is counted right too. Elsewhere a `##` prefix is no text, `▁` is a space and `<0x41>` one byte.
    """
    try:
        content = json.loads(tokenizer.read_text(encoding="utf8"))
        model = content["model"]
        vocabulary = dict(_pairs(model["vocab"]))
    except FileNotFoundError as error:
        raise InputError(f"{tokenizer} is missing; bits per byte need the tokenizer that made the rows") from error
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(f"{tokenizer} is not a tokenizer.json of the tokenizers library ({error!r})") from error
    byte_level = any(_has_type(content.get(step), "ByteLevel") for step in ("pre_tokenizer", "decoder"))
    sizes = np.zeros(vocabulary_size, np.int64)
    for token, number in vocabulary.items():
        sizes[_checked(number, vocabulary_size, tokenizer)] = len(token) if byte_level else _text_bytes(token, model)
    for added in content.get("added_tokens", []):
        sizes[_checked(added["id"], vocabulary_size, tokenizer)] = 0 if added["special"] else len(added["content"].encode())
    return sizes


def _pairs(vocabulary: Any) -> list[tuple[str, int]]:
    """Token and id; a Unigram model lists (token, score) in the order of the ids."""
    return list(vocabulary.items()) if isinstance(vocabulary, dict) else [(entry[0], number) for number, entry in enumerate(vocabulary)]


def _checked(number: int, vocabulary_size: int, tokenizer: Path) -> int:
    if not 0 <= number < vocabulary_size:
        raise InputError(f"{tokenizer} has a token with id {number}, but the rows were made with {vocabulary_size} ids; this is not the tokenizer that made them")
    return number


def _has_type(step: Any, name: str) -> bool:
    """Whether a step of the tokenizer, or one of the steps in its sequence, is of a type."""
    if not isinstance(step, dict):
        return False
    inner = step.get("pretokenizers") or step.get("decoders") or []
    return step.get("type") == name or any(_has_type(part, name) for part in inner)


def _text_bytes(token: str, model: dict[str, Any]) -> int:
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        return 1
    prefix = model.get("continuing_subword_prefix")
    if prefix and token.startswith(prefix):
        token = token[len(prefix) :]
    return len(token.replace("▁", " ").encode())
