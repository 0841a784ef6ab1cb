"""Emu3 at its published sizes with random weights: for timings and memory plans, without a download.

Sizes: config.json of BAAI/Emu3-Gen and BAAI/Emu3-VisionTokenizer (in code, baaivision/Emu3:
emu3/mllm/configuration_emu3.py, emu3/tokenizer/configuration_emu3visionvq.py), which transformers' classes
have by default. They are written out here, so that a table can be read and a changed default be noticed.
"""

import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import Emu3Config as Sizes
from transformers import Emu3ForConditionalGeneration, Emu3TextConfig, Emu3VQVAEConfig

from tessera.policies.emu3.config import Emu3Config
from tessera.policies.emu3.policy import DTYPES, Emu3Policy
from tessera.policies.emu3.prompts import NEEDED, code_token
from tessera.rng import derive_seed

CODEBOOK = 32768
# Stands for a picture that is read, in a prompt of the chat model; transformers' class asks for it.
PICTURE = "<image>"


def published_sizes(vocabulary: dict[str, int]) -> Sizes:
    """Returns the sizes of the 8B model, with this vocabulary."""
    text = Emu3TextConfig(
        vocab_size=184622,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=9216,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    )
    vq = Emu3VQVAEConfig(
        codebook_size=CODEBOOK,
        base_channels=256,
        channel_multiplier=[1, 2, 2, 4],
        num_res_blocks=2,
        attn_resolutions=[3],
        hidden_size=1024,
        temporal_downsample_factor=4,
    )
    return Sizes(text_config=text.to_dict(), vq_config=vq.to_dict(), vocabulary_map=vocabulary)


def random_emu3(
    *, seed: int, settings: Emu3Config | None = None, device: torch.device | None = None
) -> Emu3Policy:
    """Returns a policy of the published size that draws noise; its tokenizer has a token per byte.

    So the official prompts are longer than in the official tokenizer: 256 slots hold them.
    """
    settings = settings or Emu3Config(text_slots=256)
    place = device or torch.device("cpu")
    tokenizer = byte_tokenizer(CODEBOOK)
    sizes = published_sizes(tokenizer.get_vocab(with_added_tokens=True))
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []), place:
        torch.manual_seed(derive_seed("emu3", seed))
        model = Emu3ForConditionalGeneration._from_config(
            sizes, dtype=DTYPES[settings.dtype], attn_implementation="sdpa"
        )
        return Emu3Policy(model, tokenizer, settings)


def byte_tokenizer(codebook: int, special: tuple[str, ...] = (*NEEDED, PICTURE)) -> Tokenizer:
    """Returns a tokenizer that knows single bytes, the tokens of the template and those of codes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(
        models.BPE(vocab={letter: place for place, letter in enumerate(alphabet)}, merges=[])
    )
    every = (*special, *(code_token(number) for number in range(codebook)))
    tokenizer.add_special_tokens([AddedToken(each, normalized=False) for each in every])
    return tokenizer
