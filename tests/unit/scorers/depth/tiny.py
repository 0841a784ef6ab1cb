"""DPT in a folder as transformers saves it: the real class, hybrid as the published one, tiny and random."""

from pathlib import Path
from typing import Any

import torch
from transformers import DPTConfig, DPTForDepthEstimation

PUBLISHED_SIDE = 64  # of the position embeddings; the pictures are larger, as with the published weights
STAGES = [16, 32, 64, 128]  # channels of the convolutional stem


def model(seed: int = 0, *, hybrid: bool = True, side: int = PUBLISHED_SIDE) -> DPTForDepthEstimation:
    """Returns the model; weights are large enough that every part shows, the position embeddings too."""
    sizes: dict[str, Any] = {
        **{"image_size": side, "patch_size": 16, "hidden_size": 32, "intermediate_size": 48},
        **{"num_hidden_layers": 4, "num_attention_heads": 2, "backbone_out_indices": [0, 1, 2, 3]},
        **{"neck_hidden_sizes": [16, 32, 24, 24], "fusion_hidden_size": 16, "is_hybrid": hybrid},
    }
    if hybrid:
        stem = {
            **{"model_type": "bit", "global_padding": "same", "layer_type": "bottleneck", "num_groups": 2},
            **{"depths": [1, 1, 1], "hidden_sizes": STAGES, "embedding_size": 8},
            **{"out_features": ["stage1", "stage2", "stage3"], "embedding_dynamic_padding": True},
        }
        sizes |= {"backbone_config": stem, "backbone_featmap_shape": [1, STAGES[2], side // 16, side // 16]}
        sizes |= {"reassemble_factors": [1, 1, 1, 0.5]}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = DPTForDepthEstimation(DPTConfig(**sizes))
        with torch.no_grad():
            for weight in made.parameters():
                if weight.ndim > 1:
                    weight.normal_(std=1.4 / weight[0].numel() ** 0.5)
            torch.nn.init.normal_(made.dpt.embeddings.position_embeddings)
            # Before the last ReLU: else much of a map is cut to 0.
            torch.nn.init.constant_(made.head.head[-2].bias, 100.0)  # pyright: ignore[reportArgumentType] - a parameter
    return made.eval()


def save(folder: Path, seed: int = 0, **kind: Any) -> Path:
    """Returns the folder, with a checkpoint in it as the hub has it."""
    model(seed, **kind).save_pretrained(folder)
    return folder
