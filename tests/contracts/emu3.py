"""An Emu3 policy at tiny size, of transformers' own class: for the contract and for tests of its parts."""

import torch
from transformers import Emu3Config as Sizes
from transformers import Emu3ForConditionalGeneration, Emu3TextConfig, Emu3VQVAEConfig

from tessera.policies.emu3.config import Emu3Config
from tessera.policies.emu3.policy import Emu3Policy
from tessera.policies.emu3.published import byte_tokenizer
from tessera.policies.lora import LoRAConfig, LoRAPolicy

CODEBOOK = 64
SLOTS = 40  # the tokenizer has a token per letter
SUFFIX, NEGATIVE = " fine.", "blurry."
LATER = 4  # words of the vocabulary behind the codes


def tiny_sizes() -> Sizes:
    """Returns an Emu3 of 64 codes, 2 x 2 pixels each, with two heads of queries for one of keys."""
    vocabulary = byte_tokenizer(CODEBOOK).get_vocab(with_added_tokens=True)
    text = Emu3TextConfig(
        vocab_size=len(vocabulary) + LATER,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=vocabulary["<|extra_203|>"],
        eos_token_id=None,
        pad_token_id=vocabulary["<|endoftext|>"],
    )
    vq = Emu3VQVAEConfig(
        codebook_size=CODEBOOK,
        base_channels=32,
        channel_multiplier=[1, 1],
        num_res_blocks=1,
        attn_resolutions=[1],
        hidden_size=32,
    )
    return Sizes(text_config=text.to_dict(), vq_config=vq.to_dict(), vocabulary_map=vocabulary)


def tiny_model(seed: int = 0) -> Emu3ForConditionalGeneration:
    """Returns a model with random weights large enough that every input matters."""
    with torch.random.fork_rng(devices=[]):
        model = Emu3ForConditionalGeneration(tiny_sizes()).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(generator=generator)
            if parameter.ndim < 2:
                parameter.mul_(0.1).add_(1 if "norm" in name and name.endswith("weight") else 0)
            elif "embed" not in name:
                parameter.mul_(parameter[0].numel() ** -0.5)
        model.model.vqmodel.quant_conv.conv.weight.mul_(30)  # else all pictures are near one entry
    return model


def tiny_settings(**settings: object) -> Emu3Config:
    """Returns the settings of the tiny policy: 3 rows of 5 codes, everything trainable."""
    chosen = {
        "train": "all",
        "dtype": "float32",
        "grid": (3, 5),
        "text_slots": SLOTS,
        "suffix": SUFFIX,
        "negative_prompt": NEGATIVE,
        "vq_batch": 2,
        **settings,
    }
    return Emu3Config(**chosen)  # pyright: ignore[reportArgumentType] - from a mapping


def tiny_emu3(seed: int = 0, **settings: object) -> Emu3Policy:
    """Returns the policy of the tiny model."""
    return Emu3Policy(tiny_model(seed), byte_tokenizer(CODEBOOK), tiny_settings(**settings))


def tiny_emu3_lora() -> LoRAPolicy:
    """Returns the tiny policy with an adapter that has been trained, as its B is not 0."""
    policy = LoRAPolicy(tiny_emu3(), LoRAConfig(rank=4), seed=3)
    generator = torch.Generator().manual_seed(12)
    with torch.no_grad():
        for name, parameter in policy.trainable():
            if ".lora_B." in name:
                parameter.normal_(std=0.05, generator=generator)
    return policy
