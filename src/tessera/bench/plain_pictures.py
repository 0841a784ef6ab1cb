"""Codes to pictures as published code makes them: by the decoder that transformers has, used as it is.

Janus decodes the batch in one go (deepseek-ai/Janus: generation_inference.py, which has 16), Emu3 picture by
picture (baaivision/Emu3: image_generation.py), each of them as a video of four frames. For the mosaic policy
and LlamaGen there is no other decoder here, and the policy's own is used.

Pixels are rounded as ours are; published scripts cut off, which costs the same.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int, UInt8
from numpy import ndarray
from torch import Tensor

from tessera.policies.base import PolicyModule

# Levels that pictures of both may differ by on average: a rare one in float32, where rounding decides;
# a 16-bit decoder of another batch size rounds all along its way.
LEVELS_APART = {torch.float32: 1e-2, torch.bfloat16: 2.0, torch.float16: 0.5}


@torch.no_grad()
def plain_pictures(policy: PolicyModule, tokens_BT: Int[Tensor, "B T"]) -> UInt8[ndarray, "B H W 3"]:
    """Returns the pictures of the codes."""
    match policy.spec.name:
        case "janus":
            from tessera.policies.janus.policy import JanusPolicy  # noqa: PLC0415 - transformers takes seconds

            assert isinstance(policy, JanusPolicy)
            return _rounded([policy.model.decode_image_tokens(tokens_BT)])
        case "emu3":
            from tessera.policies.emu3.policy import Emu3Policy  # noqa: PLC0415 - likewise

            assert isinstance(policy, Emu3Policy)
            codes_BRC = tokens_BT.unflatten(1, policy.spec.grid)
            return _rounded([policy.vq.decode(each).permute(0, 2, 3, 1) for each in codes_BRC.split(1)])
        case _:
            return policy.decode(tokens_BT)


def check_pictures(policy: PolicyModule, tokens_BT: Int[Tensor, "B T"]) -> None:
    """Refuses a policy whose pictures are not those of the published decoder."""
    ours, theirs = policy.decode(tokens_BT).astype(int), plain_pictures(policy, tokens_BT).astype(int)
    apart = float(np.abs(ours - theirs).mean())
    if apart > LEVELS_APART[next(policy.parameters()).dtype]:
        raise ValueError(
            f"a pixel is {apart:.3g} of 255 levels away from that of the published decoder, on average: the "
            "two do not compute the same, and their times do not compare"
        )


def _rounded(pieces: Sequence[Tensor]) -> UInt8[ndarray, "B H W 3"]:
    """Returns pixels of (-1, 1) as bytes."""
    pixels = torch.cat([((x.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8) for x in pieces])
    return pixels.cpu().numpy()
