"""The models, parameter-compatible with stock `transformers` classes: what is trained is what is handed over.

A model maps rows to hidden states; objectives ask for `features` of chosen positions and score them against
`output_weight` and `output_bias`, so that logits of a whole batch never exist.
"""
