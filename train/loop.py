"""The training loop: rows in, weights and metrics out, the same bits whether or not it was interrupted."""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray

from curate.errors import CorpuscleError, InputError, RecipeError
from train.checkpoint import MODEL, OPTIMIZER, Checkpoint, canonical, newest_checkpoint, save_checkpoint
from train.evaluate import Score, evaluate
from train.loader import Batch, Loader, batches
from train.metrics import Metrics
from train.mixture import Seen
from train.models.dimensions import ModelConfig
from train.objectives import Model, build, objective_of, summed_loss
from train.optimizer import load_optimizer_tensors, make_optimizer, optimizer_tensors, set_learning_rate
from train.probe import check_device
from train.rows import NOT_A_TARGET, SourceRows, check_alike, open_sources
from train.schedule import learning_rate
from train.settings import TrainSettings

Report = Callable[[int, dict[str, Any]], None]
_NEUTRAL = {"checkpoint_every", "keep_checkpoints"}  # settings that may change between a kill and the resume


class DivergenceError(CorpuscleError):
    """The loss or a gradient stopped being a number."""


@dataclass(frozen=True)
class TrainResult:
    """What training did. before and after: held-out scores per source; seen: rows taken from each source, and repeated."""

    checkpoint: Path
    num_steps: int
    num_parameters: int
    num_tokens: int
    before: dict[str, Score]
    after: dict[str, Score]
    seen: dict[str, Seen]
    messages: list[str]


@dataclass
class _Run:
    """A run in progress: what stays, then what a step changes."""

    settings: TrainSettings
    task: str
    loader: Loader
    held_out: list[SourceRows]
    token_num_bytes: NDArray[np.int64]
    fingerprint: dict[str, Any]
    checkpoint_dir: Path
    report: Report
    model: Model
    optimizer: torch.optim.AdamW
    metrics: Metrics
    checkpoint: Checkpoint | None
    step: int = 0
    num_tokens: int = 0
    scores: dict[int, dict[str, Score]] = field(default_factory=dict)


def train(
    settings: TrainSettings,
    task: str,
    train_shards: Sequence[Path],
    held_out_shards: Sequence[Path],
    checkpoint_dir: Path,
    metrics_path: Path,
    token_num_bytes: NDArray[np.int64],
    report: Report = lambda step, metrics: None,
) -> TrainResult:
    """Train a model on rows of one task, or go on from the newest whole checkpoint in `checkpoint_dir`.

    `settings` must be resolved (`train.probe.resolve`). token_num_bytes (vocabulary): UTF-8 bytes each id stands for, 0 for
    special ones. Without held-out shards nothing is scored. `report` is called after each step with its line of metrics and
    `tokens_per_second`, which is not in the file because it is never twice the same. Damaged checkpoints that were passed over
    are named in `messages`.

    Raises RecipeError (settings open, shards that do not fit, a checkpoint of other settings), DamageError (a shard),
    EnvironmentProblem (device, disk) and DivergenceError; after each, checkpoints are as they were.
    """
    if settings.dtype == "auto" or settings.num_threads is None:
        raise RecipeError("dtype and num_threads are still open, and both decide the weights' bits; call train.probe.resolve once and keep what it returns")
    check_device(settings.device)
    sources = open_sources(train_shards, task)
    held_out = open_sources(held_out_shards, task) if held_out_shards else []
    check_alike([*sources, *held_out])
    if len(token_num_bytes) != sources[0].vocabulary.size:
        raise InputError(
            f"byte lengths of {len(token_num_bytes)} tokens were given, but rows were made with {sources[0].vocabulary.size}; use the rows' own tokenizer"
        )
    with _fixed_arithmetic(settings):
        run, messages = _begin(settings, task, sources, held_out, token_num_bytes, checkpoint_dir, metrics_path, report)
        try:
            _go_on(run)
        finally:
            run.metrics.close()
    assert run.checkpoint is not None
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    before, after, seen = run.scores[0], run.scores[settings.num_steps], run.loader.seen(settings.num_steps)
    return TrainResult(run.checkpoint.path, settings.num_steps, parameters, run.num_tokens, before, after, seen, messages)


def _go_on(run: _Run) -> None:
    """The whole sequence: evaluate, then step after step, each followed by what is due."""
    settings = run.settings
    if run.step == 0:
        _evaluate(run)
    started = time.perf_counter()
    for batch in batches(run.loader, run.step, torch.device(settings.device)):
        line = _take_step(run, batch)
        now = time.perf_counter()
        num_new = int((batch.segment_ids >= 0).sum())
        run.report(run.step, {**line, "tokens_per_second": num_new / (now - started)})
        last = run.step == settings.num_steps
        if last or (settings.evaluate_every and run.step % settings.evaluate_every == 0):
            _evaluate(run)
        if last or run.step % settings.checkpoint_every == 0:
            _save(run)
        started = time.perf_counter()


def _take_step(run: _Run, batch: Batch) -> dict[str, Any]:
    """One optimizer step on a global batch, in as many passes as the settings say. Returns and writes its line of metrics."""
    settings, device = run.settings, batch.input_ids.device
    targets = objective_of(run.task).targets(batch)
    num_targets = max(1, int((targets != NOT_A_TARGET).sum()))
    rows_per_pass = settings.rows_per_pass or settings.batch_rows
    total = torch.zeros((), device=device)
    for start in range(0, settings.batch_rows, rows_per_pass):
        stop = min(start + rows_per_pass, settings.batch_rows)
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.dtype == "bfloat16"):
            loss = summed_loss(run.model, batch.slice(start, stop), targets[start:stop]) / num_targets
        loss.backward()
        total += loss.detach()
    norm = float(torch.nn.utils.clip_grad_norm_(run.model.parameters(), settings.clip_norm))
    mean_loss = float(total)
    if not (math.isfinite(mean_loss) and math.isfinite(norm)):
        raise _diverged(run, mean_loss, norm)
    rate = learning_rate(settings, run.step)
    set_learning_rate(run.optimizer, rate)
    run.optimizer.step()
    run.optimizer.zero_grad()
    run.step += 1
    run.num_tokens += int((batch.segment_ids >= 0).sum())
    line = {"step": run.step, "loss": mean_loss, "learning_rate": rate, "num_tokens": run.num_tokens, "grad_norm": norm}
    run.metrics.write(line)
    return line


def _diverged(run: _Run, loss: float, norm: float) -> DivergenceError:
    kept = f"the last good checkpoint is {run.checkpoint.path}" if run.checkpoint else "there is no checkpoint yet"
    return DivergenceError(
        f"step {run.step + 1}: the loss is {loss} and the gradient's norm {norm}, so the weights would be lost; they were not changed, and {kept}. "
        f"Lower learning_rate or raise warmup_fraction; the rows of this step are {run.loader.describe(run.step)}"
    )


def _evaluate(run: _Run) -> None:
    """Score the held-out rows after the step just taken, in float32 whatever the training's type: the ruler must not depend on it."""
    scores = evaluate(run.model, run.task, run.held_out, run.token_num_bytes, run.settings)
    run.scores[run.step] = scores
    figures = {name: {"bits_per_byte": score.bits_per_byte, "num_tokens": score.num_tokens, "num_bytes": score.num_bytes} for name, score in scores.items()}
    run.metrics.write({"step": run.step, "held_out": figures})
    run.report(run.step, {"held_out": figures})


def _save(run: _Run) -> None:
    state = {
        "task": run.task,
        "config": run.model.config.model_dump(mode="json"),
        "fingerprint": run.fingerprint,
        "num_tokens": run.num_tokens,
        "loader": {"seed": run.settings.seed, "next_row": run.step * run.settings.batch_rows},
        "seen": {name: [seen.num_rows, seen.num_repeated] for name, seen in run.loader.seen(run.step).items()},
        "scores": {str(step): {name: [s.num_bits, s.num_tokens, s.num_bytes] for name, s in scores.items()} for step, scores in run.scores.items()},
        "metrics": run.metrics.position(),
    }
    model, optimizer = dict(run.model.named_parameters()), optimizer_tensors(run.optimizer, run.model)
    run.checkpoint = save_checkpoint(run.checkpoint_dir, run.step, model, optimizer, state, run.settings.keep_checkpoints)


def _begin(
    settings: TrainSettings,
    task: str,
    sources: list[SourceRows],
    held_out: list[SourceRows],
    token_num_bytes: NDArray[np.int64],
    checkpoint_dir: Path,
    metrics_path: Path,
    report: Report,
) -> tuple[_Run, list[str]]:
    """A run at its start, or where its newest whole checkpoint left it."""
    words = sources[0].vocabulary
    config = ModelConfig(
        architecture="decoder" if task == "causal" else "encoder", dimensions=settings.model_dimensions, context_length=sources[0].context_length,
        vocabulary_size=words.size, pad=words.pad, bos=words.bos, eos=words.eos, mask=words.mask,
    )  # fmt: skip
    fingerprint = _fingerprint(settings, task, config, [*sources, *held_out])
    loader = Loader(sources, settings.mixture, settings.seed, settings.num_steps, settings.batch_rows)
    checkpoint, messages = newest_checkpoint(checkpoint_dir)
    if checkpoint:
        _check_same(checkpoint, fingerprint)
    model = build(config, settings.seed)
    if checkpoint:
        model.load_state_dict(checkpoint.tensors(MODEL))
    model.to(settings.device)
    optimizer = make_optimizer(model, settings)
    metrics = Metrics(metrics_path, checkpoint.state["metrics"] if checkpoint else None)
    run = _Run(settings, task, loader, held_out, token_num_bytes, fingerprint, checkpoint_dir, report, model, optimizer, metrics, checkpoint)
    if checkpoint:
        load_optimizer_tensors(optimizer, model, checkpoint.tensors(OPTIMIZER))
        run.step, run.num_tokens = checkpoint.step, checkpoint.state["num_tokens"]
        run.scores = {int(step): {name: Score(*score) for name, score in scores.items()} for step, scores in checkpoint.state["scores"].items()}
    return run, messages


def _fingerprint(settings: TrainSettings, task: str, config: ModelConfig, sources: Sequence[SourceRows]) -> dict[str, Any]:
    """What a checkpoint may only be continued under: settings, model, and the shards' own account of themselves."""
    rows = [shard.metadata for source in sources for shard in source.shards]
    return {
        **settings.model_dump(mode="json", exclude=_NEUTRAL),
        "task": task,
        "model": config.model_dump(mode="json"),
        "shards": xxhash.xxh3_128_hexdigest(canonical(rows).encode()),
    }


def _check_same(checkpoint: Checkpoint, fingerprint: dict[str, Any]) -> None:
    before = checkpoint.state["fingerprint"]
    if different := sorted(key for key in before.keys() | fingerprint.keys() if before.get(key) != fingerprint.get(key)):
        changes = "; ".join(f"{key}: {before.get(key)} then, {fingerprint.get(key)} now" for key in different)
        remedy = "Going on would mix two recipes: restore the settings, or give another folder for checkpoints"
        raise RecipeError(f"{checkpoint.path} was made under other settings ({changes}). {remedy}")


@contextmanager
def _fixed_arithmetic(settings: TrainSettings) -> Iterator[None]:
    """A fixed number of threads and deterministic kernels inside, the caller's choices again afterwards."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    if settings.device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses to be deterministic
    assert settings.num_threads is not None
    torch.set_num_threads(settings.num_threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a debugging aid that writes every new tensor twice
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
