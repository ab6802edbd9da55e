"""Cards in Hugging Face form, filled from a run: what a person did not state is said to be not stated."""
