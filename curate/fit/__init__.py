"""What is learned from the corpus: the tokenizer with its exceptions, and a byte bigram model to compare with."""
