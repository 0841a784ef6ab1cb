"""A Janus policy at tiny size, of transformers' own class: for the contract and for tests of its parts."""

import warnings
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import JanusConfig as Sizes
from transformers import JanusForConditionalGeneration, JanusVisionConfig, JanusVQVAEConfig, LlamaConfig

from tessera.policies.janus.config import JanusConfig
from tessera.policies.janus.policy import JanusPolicy
from tessera.policies.lora import LoRAConfig, LoRAPolicy
from tessera.tensors import TextBatch
from tessera.types import CacheForm

SPECIAL = (
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜▁pad▁｜>",
    "<begin_of_image>",
    "<end_of_image>",
    "<image_placeholder>",
    "<|User|>",
    "<|Assistant|>",
)
SLOTS = 56  # the tokenizer below has a token per letter


def letters(special: tuple[str, ...] = SPECIAL) -> Tokenizer:
    """Returns a tokenizer of single bytes, with the special tokens of Janus-Pro."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(each, normalized=False) for each in special])
    tokenizer.add_tokens([AddedToken("ü", normalized=False)])  # DeepSeek's own has such letters, too
    return tokenizer


def tiny_sizes() -> Sizes:
    """Returns a Janus of 16 codes out of 64 and pictures of 8 x 8 pixels."""
    return Sizes(
        text_config=LlamaConfig(
            vocab_size=272,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=256,
            bos_token_id=256,
            eos_token_id=257,
            pad_token_id=258,
        ),
        vision_config=JanusVisionConfig(
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=8,
            patch_size=2,
            projection_dim=32,
            num_image_tokens=16,
        ),
        vq_config=JanusVQVAEConfig(
            embed_dim=4,
            num_embeddings=64,
            latent_channels=16,
            base_channels=32,
            channel_multiplier=[1, 1],
            num_res_blocks=1,
            projection_dim=32,
            image_token_embed_dim=32,
        ),
        image_token_id=261,
        tie_word_embeddings=False,
    )


def tiny_model(seed: int = 0) -> JanusForConditionalGeneration:
    """Returns a model with random weights large enough that every input matters."""
    with torch.random.fork_rng(devices=[]):
        model = JanusForConditionalGeneration(tiny_sizes()).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(generator=generator)
            if parameter.ndim < 2:
                parameter.mul_(0.1).add_(1 if "norm" in name and name.endswith("weight") else 0)
            elif "embed" not in name:
                parameter.mul_(parameter[0].numel() ** -0.5)
    return model


def tiny_janus(seed: int = 0, **settings: object) -> JanusPolicy:
    """Returns the policy of the tiny model, everything trainable where nothing else is said."""
    chosen: Any = {"train": "all", "dtype": "float32", "text_slots": SLOTS, "vq_batch": 2, **settings}
    return JanusPolicy(tiny_model(seed), letters(), JanusConfig(**chosen))


def tiny_janus_lora(cache: CacheForm = "full") -> LoRAPolicy:
    """Returns the tiny policy with an adapter that has been trained, as its B is not 0."""
    policy = LoRAPolicy(tiny_janus(cache=cache), LoRAConfig(rank=4), seed=3)
    generator = torch.Generator().manual_seed(12)
    with torch.no_grad():
        for name, parameter in policy.trainable():
            if ".lora_B." in name:
                parameter.normal_(std=0.05, generator=generator)
    return policy


def generated(policy: JanusPolicy, text: TextBatch, *, guidance: float, likeliest: bool) -> torch.Tensor:
    """Returns the tokens that transformers' own loop draws for a left-padded batch."""
    model: Any = policy.model  # whose types do not know of its own settings
    reader, settings = policy.prompts, model.generation_config
    settings.bos_token_id, settings.pad_token_id = reader.begin, reader.padding
    settings.generation_kwargs = {"boi_token_id": reader.begin_of_image}
    last = torch.full_like(text.ids[:, :1], reader.begin_of_image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those settings
        return model.generate(
            inputs=torch.cat([text.ids, last], dim=1),
            attention_mask=torch.cat([text.mask, torch.ones_like(last, dtype=torch.bool)], dim=1).long(),
            generation_mode="image",
            do_sample=not likeliest,
            guidance_scale=guidance,
        )
