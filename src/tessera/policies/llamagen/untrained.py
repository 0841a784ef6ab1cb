"""A text encoder that nobody trained: a small random T5 that reads letters. It needs no download.

A policy that has one names it, as `random:0`; so a saved one finds it again.
"""

import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from transformers import T5Config, T5EncoderModel

from tessera.policies.llamagen.config import Captions
from tessera.policies.llamagen.text import DTYPES, END, TextEncoder
from tessera.rng import derive_seed

PAD = "<pad>"
RANDOM = "random:"  # before its seed, where a hub id or a folder would stand


def random_name(seed: int) -> str:
    """Returns what `Captions.encoder` says of the encoder with this seed."""
    return f"{RANDOM}{seed}"


def random_seed(encoder: str) -> int | None:
    """Returns the seed of a random encoder by its name; None if it is another one."""
    told = encoder.removeprefix(RANDOM)
    return int(told) if told != encoder and told.isdecimal() else None


def random_encoder(captions: Captions, seed: int) -> TextEncoder:
    """Returns an encoder of one layer whose weights depend on the seed alone."""
    letters = letter_tokenizer()
    sizes = T5Config(
        vocab_size=letters.get_vocab_size(),
        d_model=captions.width,
        d_kv=64,
        d_ff=captions.width,
        num_layers=1,
        num_heads=4,
        dropout_rate=0.0,
    )

    def load() -> T5EncoderModel:
        torch.manual_seed(derive_seed("random T5", seed))  # whoever loads keeps the generator's state
        return T5EncoderModel(sizes).to(DTYPES[captions.dtype])  # pyright: ignore[reportArgumentType] - as in text.py

    return TextEncoder(captions, letters, load, lambda: f"random T5 {seed}")


def letter_tokenizer() -> Tokenizer:
    """Returns a tokenizer of single bytes that ends a text as T5's does."""
    pieces = [PAD, END, *sorted(ByteLevel.alphabet())]
    tokenizer = Tokenizer(BPE(vocab={piece: place for place, piece in enumerate(pieces)}, merges=[]))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, pieces.index(END))]
    )
    return tokenizer
