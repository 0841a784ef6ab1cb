"""The two towers of CLIP at work: pictures and prompts as unit vectors in one space.

The trunks compute in the dtype of the placement; projections, norms and whatever follows in float32.

Axes: B rows, L text window, W tower width, D shared space.
"""

from math import isqrt
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Module
from transformers import CLIPModel

from tessera.errors import CheckpointError
from tessera.hub import pretrained
from tessera.scorers.clip.tokens import TokenRows
from tessera.scorers.placed import Held, Placement, held


def towers_in(folder: Path, place: Placement) -> Held[CLIPModel]:
    """Returns the holder of the CLIP that transformers saved in a folder; one for all who name the folder."""

    def load() -> CLIPModel:
        return with_trunks_in(pretrained(CLIPModel, folder, dtype=torch.float32), place.torch_dtype())

    return held(("clip", folder.resolve()), load, place)


def with_trunks_in(clip: CLIPModel, dtype: torch.dtype) -> CLIPModel:
    """Returns the model with both trunks in a dtype; in bfloat16 a logit scale of 100 would become 98.9."""
    _cast(clip.vision_model, dtype)
    _cast(clip.text_model, dtype)
    return clip


def side(clip: CLIPModel) -> int:
    """Returns the width and height of the pictures that the model sees."""
    patches = clip.vision_model.embeddings
    return isqrt(patches.position_embedding.num_embeddings - 1) * patches.patch_embedding.kernel_size[0]


def window(clip: CLIPModel, codes: int) -> int:
    """Returns the text window; refuses a tokenizer of another number of codes than the model has."""
    known = clip.text_model.embeddings.token_embedding.num_embeddings
    if known != codes:
        raise CheckpointError(
            f"the tokenizer has {codes} codes and the model {known}: they belong to different models; "
            "name the tokenizer that was published with these weights"
        )
    return clip.text_model.embeddings.position_embedding.num_embeddings


def image_features(clip: CLIPModel, pixels_B3HW: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
    """Returns a unit vector per picture; NaN where the model's answer is zero or not finite."""
    seen = clip.vision_model(pixel_values=pixels_B3HW.to(clip.device))
    return unit(clip.visual_projection(seen.pooler_output.float()))


def text_features(clip: CLIPModel, rows: TokenRows) -> Float[Tensor, "B D"]:
    """Returns a unit vector per prompt, read at its first end token.

    The position is ours, not the configuration's: `eos_token_id` is wrong (2) in many published ones.
    """
    hidden_BLW = clip.text_model(input_ids=rows.ids_BL.to(clip.device)).last_hidden_state
    end_B = rows.end_B.to(clip.device)
    pooled_BW = hidden_BLW[torch.arange(len(end_B), device=clip.device), end_B]
    return unit(clip.text_projection(pooled_BW.float()))


def unit(features_BD: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    """Returns each row divided by its length."""
    return features_BD / features_BD.norm(dim=-1, keepdim=True)


def _cast(trunk: Module, dtype: torch.dtype) -> None:
    """Casts a trunk in place; its own `to` is declared too narrowly for type checkers."""
    trunk.to(dtype)
