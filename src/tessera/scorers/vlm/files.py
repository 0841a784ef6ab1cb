"""What the folder of such a scorer must hold. No model is loaded with it."""

from tessera.hub import SAVED

# What a folder must hold: a tokenizer in one file, or in the two of a byte-level BPE.
TOKENIZER_FILES = ("tokenizer_config.json", "tokenizer.json|vocab.json", "tokenizer.json|merges.txt")
MODEL_FILES = ("config.json", "|".join(SAVED), *TOKENIZER_FILES)
