"""Pretext tasks: pure functions from documents' tokens to examples.

A task is a module with `LABELLED` (rows carry labels), `CHOOSES_WORDS` (it wants `Tokens.word_starts`), a settings model with
`context_length` and `document_fraction`, and `examples(tokens, settings, vocabulary, seed) -> Examples`. Packing, provenance
and restoring are the same for all (`rows`); `tests/conformance.py` is what a new task must pass.
"""

import importlib
from types import ModuleType

TASKS = {"causal": "CausalSettings", "masked": "MaskedSettings"}  # the module and its settings model


def task(name: str) -> ModuleType:
    """The module of a task; loads its kernels."""
    if name not in TASKS:
        raise KeyError(f"no pretext task is called {name!r}; there are {', '.join(TASKS)}")
    return importlib.import_module(f"curate.pretext.{name}")
