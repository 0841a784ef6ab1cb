"""Emu3 as transformers draws with it: `generate`, told by a function which tokens may come next.

That is how the documentation of transformers has it, and the official script (baaivision/Emu3:
image_generation.py): logits of the whole vocabulary at every step, the null prompt in a pass of its own.
"""

import warnings
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import Parameter
from transformers import Emu3ForConditionalGeneration

from tessera.policies.base import PolicyModule
from tessera.policies.emu3.policy import Emu3Policy
from tessera.tensors import TextBatch
from tessera.types import View


def emu3_model(policy: PolicyModule) -> Any:
    """Returns the model of transformers that the policy was made of, with the policy's own layers."""
    assert isinstance(policy, Emu3Policy)
    with torch.device("meta"):
        model: Any = Emu3ForConditionalGeneration(policy.sizes)
    first = policy.prompts.first_code
    head = torch.cat([policy.words[:first], policy.codes.weight, policy.words[first:]])
    model.lm_head.weight = Parameter(head.detach(), requires_grad=False)
    model.model.text_model, model.model.vqmodel = policy.language, policy.vq
    return model.eval()


@torch.no_grad()
def emu3_generate(
    policy: PolicyModule, model: Any, text_B: TextBatch, view: View, *, greedy: bool
) -> Int[Tensor, "B T"]:
    """Returns the codes that transformers draws, the ends of rows taken out."""
    assert isinstance(policy, Emu3Policy)
    prompts, (rows, columns) = policy.prompts, policy.config.grid
    ids, mask = _given(policy, text_B)
    null, null_mask = _given(policy, policy.null_like(text_B).rows(torch.zeros(1, dtype=torch.long)))
    codes = list(range(prompts.first_code, prompts.first_code + policy.spec.codebook))

    def allowed(_: int, written: Tensor) -> list[int]:
        behind = len(written) - ids.shape[1] + 1
        return [prompts.end_of_row] if behind % (columns + 1) == 0 else codes

    drawn = {} if greedy else {"temperature": view.temperature, "top_k": view.top_k, "top_p": view.top_p}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers warns of its own settings
        written = model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=not greedy,
            max_new_tokens=rows * (columns + 1),
            prefix_allowed_tokens_fn=allowed,
            guidance_scale=view.guidance,
            negative_prompt_ids=null.expand(len(ids), -1),
            negative_prompt_attention_mask=null_mask.expand(len(ids), -1),
            **drawn,
        )
    grid_BRC = written[:, ids.shape[1] :].unflatten(1, (rows, columns + 1))
    return grid_BRC[..., :-1].flatten(1) - prompts.first_code


def _given(policy: Emu3Policy, text: TextBatch) -> tuple[Tensor, Tensor]:
    """Returns ids and mask with the preamble of the picture, without columns that are blank in all rows."""
    preamble = torch.tensor(policy.prompts.preamble, device=text.ids.device).expand(len(text), -1)
    ids = torch.cat([text.ids, preamble], dim=1)
    mask = torch.cat([text.mask, torch.ones_like(preamble, dtype=torch.bool)], dim=1)
    first = int(mask.any(0).int().argmax())
    return ids[:, first:], mask[:, first:].long()
