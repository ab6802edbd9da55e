"""How a model is trained: every number of it, with its default."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from train.mixture import MixtureSettings
from train.models.dimensions import SIZES, Dimensions, Size


class TrainSettings(BaseModel):
    """Settings of one training run. `train.probe.resolve` makes `dtype` and `num_threads` concrete, once a run."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    size: Size = Field(default="1m", description="A named size of the model.")
    dimensions: Dimensions | None = Field(default=None, description="Dimensions given one by one; they take the place of `size`.")
    num_steps: int = Field(default=1000, ge=1, description="Optimizer steps.")
    batch_rows: int = Field(default=16, ge=1, description="Rows of a step, over all passes and ranks.")
    rows_per_pass: int | None = Field(default=None, ge=1, description="Rows that pass the model at once, gradients summed over passes; none: all of the batch.")
    learning_rate: float = Field(default=3e-3, gt=0, description="Highest learning rate.")
    final_learning_rate_fraction: float = Field(default=0.1, ge=0, le=1, description="Last learning rate, as a share of the highest.")
    warmup_fraction: float = Field(default=0.05, ge=0, le=1, description="Share of the steps in which the learning rate rises to its highest.")
    decay: Literal["cosine", "linear", "wsd"] = Field(
        default="cosine", description="How the learning rate falls after that; wsd stays at the highest until the cool-down."
    )
    cooldown_fraction: float = Field(default=0.2, gt=0, le=1, description="wsd only: share of the steps in which the learning rate falls.")
    weight_decay: float = Field(default=0.1, ge=0, description="AdamW's decay of matrices; vectors are not decayed.")
    beta_1: float = Field(default=0.9, ge=0, lt=1, description="AdamW's memory of gradients.")
    beta_2: float = Field(default=0.95, ge=0, lt=1, description="AdamW's memory of their squares.")
    clip_norm: float = Field(default=1.0, gt=0, description="Gradients longer than this are shortened to it.")
    seed: int = Field(default=0, ge=0, description="Seed of the first weights and of the order of rows.")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="Where to train. A missing device is an error, never replaced silently.")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="Type of matrix products; weights are float32 always. auto: what a probe finds faster."
    )
    num_threads: int | None = Field(default=None, ge=1, description="Threads of a CPU kernel; decides bits. None: the processors this process may use.")
    checkpoint_every: int = Field(default=200, ge=1, description="Steps between checkpoints; the last step has one always.")
    keep_checkpoints: int = Field(default=2, ge=1, description="Checkpoints kept, newest first.")
    evaluate_every: int | None = Field(default=None, ge=1, description="Steps between evaluations; none: before the first step and after the last only.")
    evaluate_rows: int | None = Field(default=None, ge=1, description="Held-out rows a source is evaluated on, chosen once by seed; none: all.")
    evaluate_rows_per_pass: int = Field(default=32, ge=1, description="Held-out rows that pass the model at once.")
    mixture: MixtureSettings = Field(default=MixtureSettings(), description="How sources are mixed.")

    @model_validator(mode="after")
    def _check(self) -> "TrainSettings":
        if self.decay == "wsd" and self.warmup_fraction + self.cooldown_fraction > 1:
            raise ValueError("warmup_fraction and cooldown_fraction sum to more than 1; a wsd schedule has to fit both into its steps")
        return self

    @property
    def model_dimensions(self) -> Dimensions:
        """Those given, or the named size's."""
        return self.dimensions or SIZES[self.size]
