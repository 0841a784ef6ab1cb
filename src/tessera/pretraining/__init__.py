"""How the shipped mosaic weights are made from nothing: corpus, tokenizer, policy, and the build."""
