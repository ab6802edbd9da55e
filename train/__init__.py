"""From rows to a model: order and mixture, objectives, the loop, evaluation, and the hand-over."""
