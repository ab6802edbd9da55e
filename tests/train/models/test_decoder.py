import pytest
import torch

from tests.train.models_made import SMALL, batch, model
from tests.train.rows_made import documents
from train.export import stock_config
from train.models.dimensions import Dimensions
from train.objectives import logits


@pytest.mark.parametrize("changes", [{}, {"num_key_value_heads": 2, "tie_embeddings": False}])
def test_parameters_and_logits_are_the_stock_class_s(changes: dict[str, int]) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    made = model("decoder", dimensions=Dimensions(**(SMALL.model_dump() | changes)))
    stock = LlamaForCausalLM(LlamaConfig(**stock_config(made.config))).eval()
    ours, theirs = dict(made.named_parameters()), dict(stock.named_parameters())
    assert {name: parameter.shape for name, parameter in ours.items()} == {name: parameter.shape for name, parameter in theirs.items()}
    stock.load_state_dict(ours, strict=False)
    for text in documents(8, 5, longest=25):
        alone = batch([text], context=len(text) + 2)
        with torch.no_grad():
            torch.testing.assert_close(logits(made, alone), stock(input_ids=alone.input_ids).logits, rtol=1e-4, atol=1e-4)
