from typing import Literal

import pytest
from pydantic import ValidationError

from tests.train.models_made import config
from train.models.dimensions import SIZES, Dimensions
from train.objectives import build


@pytest.mark.parametrize(("size", "low", "high"), [("1m", 1.0e6, 1.6e6), ("5m", 4.5e6, 5.5e6), ("15m", 14e6, 17e6)])
@pytest.mark.parametrize("architecture", ["decoder", "encoder"])
def test_a_size_is_about_what_its_name_says_at_4096_words(
    size: Literal["1m", "5m", "15m"], low: float, high: float, architecture: Literal["decoder", "encoder"]
) -> None:
    model = build(config(architecture, SIZES[size], vocabulary_size=4096, context=256), 0)
    assert low <= sum(parameter.numel() for parameter in model.parameters()) <= high


def test_dimensions_that_cannot_be_built_are_refused_with_the_reason() -> None:
    with pytest.raises(ValidationError, match="must be an even multiple of num_heads"):
        Dimensions(hidden_size=30, num_layers=1, num_heads=10)
    with pytest.raises(ValidationError, match="must be a multiple of num_key_value_heads"):
        Dimensions(hidden_size=32, num_layers=1, num_heads=4, num_key_value_heads=3)
    with pytest.raises(ValidationError, match="Extra inputs"):
        Dimensions.model_validate({"hidden_size": 32, "num_layers": 1, "num_heads": 4, "heads": 4})


def test_the_mlp_of_a_decoder_is_eight_thirds_wide_in_multiples_of_32_and_of_an_encoder_four_times() -> None:
    assert config("decoder", SIZES["1m"]).intermediate_size == 352
    assert config("decoder", SIZES["5m"]).intermediate_size == 704
    assert config("encoder", SIZES["1m"]).intermediate_size == 512
    assert config("decoder", Dimensions(hidden_size=32, num_layers=1, num_heads=4, intermediate_size=7)).intermediate_size == 7
