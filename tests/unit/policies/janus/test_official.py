"""The official config.json, and what it cannot be."""

from typing import Any

import pytest

from tessera.errors import CheckpointError
from tessera.policies.janus.official import official_sizes
from tessera.policies.janus.published import published_sizes


def _told(width: int, mlp_width: int, layers: int, heads: int) -> dict[str, Any]:
    """Returns what config.json of deepseek-ai/Janus-Pro-1B and -7B tells."""
    return {
        "model_type": "multi_modality",
        "language_config": {
            "hidden_size": width,
            "intermediate_size": mlp_width,
            "max_position_embeddings": 16384,
            "model_type": "llama",
            "num_attention_heads": heads,
            "num_hidden_layers": layers,
            "num_key_value_heads": heads,
            "torch_dtype": "bfloat16",
            "_attn_implementation": "flash_attention_2",
            "vocab_size": 102400,
        },
        "vision_config": {
            "cls": "CLIPVisionTower",
            "params": {"image_size": 384, "model_name": "siglip_large_patch16_384"},
        },
        "aligner_config": {"params": {"depth": 2, "input_dim": 1024, "n_embed": width}},
        "gen_vision_config": {"cls": "VQ-16", "params": {"image_token_size": 16384, "n_embed": 8}},
        "gen_aligner_config": {"params": {"depth": 2, "input_dim": 8, "n_embed": width}},
        "gen_head_config": {
            "params": {"image_token_embed": width, "image_token_size": 16384, "n_embed": width}
        },
    }


@pytest.mark.parametrize(
    ("size", "told"), [("1b", (2048, 5632, 24, 16)), ("7b", (4096, 11008, 30, 32))], ids=["1b", "7b"]
)
def test_the_official_configuration_tells_the_published_sizes(size: Any, told: tuple[int, ...]) -> None:
    ours, published = official_sizes(_told(*told), "here").to_dict(), published_sizes(size).to_dict()
    assert ours == published


def test_parts_that_are_not_janus_pros_are_refused() -> None:
    told = _told(2048, 5632, 24, 16)
    told["gen_vision_config"]["cls"] = "VQ-8"
    with pytest.raises(CheckpointError, match="VQ-8"):
        official_sizes(told, "here")


def test_another_model_of_the_same_kind_is_refused() -> None:
    """JanusFlow is multi_modality, too, and has no codebook."""
    told = _told(2048, 5632, 24, 16)
    del told["gen_head_config"]
    with pytest.raises(CheckpointError, match="gen_head_config"):
        official_sizes(told, "here")


def test_widths_that_do_not_meet_are_refused() -> None:
    told = _told(2048, 5632, 24, 16)
    told["gen_head_config"]["params"]["image_token_embed"] = 1024
    with pytest.raises(CheckpointError, match="different widths"):
        official_sizes(told, "here")
