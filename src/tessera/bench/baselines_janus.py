"""Janus as others draw with it: the loop with a growing cache, and transformers' own `generate`.

Both see the batch without the columns that are blank in all rows.
"""

import warnings
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import DynamicCache, GenerationConfig

from tessera.bench.baselines import Pick, mixed_logits
from tessera.policies.base import PolicyModule
from tessera.policies.janus.policy import JanusPolicy
from tessera.tensors import TextBatch
from tessera.types import View


@torch.no_grad()
def janus_loop(policy: PolicyModule, text_B: TextBatch, view: View, pick: Pick) -> Int[Tensor, "B T"]:
    """Returns the tokens that the loop of the field draws."""
    assert isinstance(policy, JanusPolicy)
    inner: Any = policy.model.model
    ids, mask = _given(policy, text_B.cat(policy.null_like(text_B)) if view.guided else text_B)
    place = (mask.cumsum(1) - 1).clamp(min=0)
    x, cache, tokens = inner.language_model.embed_tokens(ids), DynamicCache(), []
    for _ in range(policy.spec.tokens):
        states = inner.language_model(
            inputs_embeds=x, attention_mask=mask, position_ids=place, past_key_values=cache, use_cache=True
        ).last_hidden_state
        tokens.append(pick(mixed_logits(inner.generation_head(states[:, -1]), view)))
        fed = torch.cat([tokens[-1], tokens[-1]]) if view.guided else tokens[-1]
        x = policy.model.prepare_embeddings_for_image_generation(fed[:, None])
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        place = place[:, -1:] + 1
    return torch.stack(tokens, dim=1)


def janus_generate(
    policy: PolicyModule, text_B: TextBatch, view: View, *, greedy: bool
) -> Int[Tensor, "B T"]:
    """Returns the tokens that transformers draws; it cannot where guidance is 1 or less."""
    assert isinstance(policy, JanusPolicy)
    reader = policy.prompts
    ids, mask = _given(policy, text_B)
    drawn = {} if greedy else {"temperature": view.temperature, "top_k": view.top_k, "top_p": view.top_p}
    settings: Any = GenerationConfig(
        bos_token_id=reader.begin,
        pad_token_id=reader.padding,
        do_sample=not greedy,
        guidance_scale=view.guidance,
        max_new_tokens=policy.spec.tokens,
        generation_kwargs={"boi_token_id": reader.begin_of_image},
        **drawn,
    )
    model: Any = policy.model  # whose types do not know of its own settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those settings
        return model.generate(
            inputs=ids, attention_mask=mask, generation_mode="image", generation_config=settings
        )


def _given(policy: JanusPolicy, text: TextBatch) -> tuple[Tensor, Tensor]:
    """Returns ids and mask with the begin-of-image token, without columns that are blank in all rows."""
    last = torch.full_like(text.ids[:, :1], policy.prompts.begin_of_image)
    ids = torch.cat([text.ids, last], dim=1)
    mask = torch.cat([text.mask, torch.ones_like(last, dtype=torch.bool)], dim=1)
    first = int(mask.any(0).int().argmax())
    return ids[:, first:], mask[:, first:].long()
