"""A text encoder as its authors publish one: a folder with a random T5 and its tokenizer."""

import string
from pathlib import Path

from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer

LETTERS = string.ascii_lowercase + string.digits + ".,-'\""
PIECES = (
    *(("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)),
    *((letter, -3.0) for letter in LETTERS),
    *(("▁red", -1.0), ("▁a", -1.5), ("star", -2.0)),
)


def encoder_folder(folder: Path, width: int = 16) -> Path:
    """Returns a folder with a whole T5, decoder included, as flan-t5-xl has one."""
    sizes = T5Config(
        vocab_size=len(PIECES),
        d_model=width,
        d_kv=8,
        d_ff=24,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,  # pyright: ignore[reportCallIssue] - every configuration takes it
    )
    T5ForConditionalGeneration(sizes).save_pretrained(folder)
    T5Tokenizer(vocab=list(PIECES), extra_ids=0).save_pretrained(folder)
    return folder
