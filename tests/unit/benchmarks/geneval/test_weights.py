"""GenEval with both real classes behind it, tiny and random: from files to verdicts and to a reward."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from numpy import ndarray
from transformers import Mask2FormerConfig, SwinConfig

from tessera.benchmarks.geneval.load import load_geneval
from tessera.benchmarks.geneval.settings import GenEvalSettings
from tessera.scorers.detection import geneval_load
from tessera.scorers.detection.geneval import COLOURS
from tessera.scorers.detection.geneval_settings import ColourSettings, GenEvalReward
from tessera.scorers.detection.mask2former.model import Mask2FormerNetwork
from tessera.scorers.detection.mask2former.names import OBJECT_NAMES
from tessera.scorers.detection.mask2former.settings import Mask2FormerSettings
from tessera.scorers.placed import Placement
from tessera.types import Prompt
from tests.unit.scorers.detection import tiny_clip

CPU = Placement(device="cpu")
PROMPTS = [
    Prompt(id=f"geneval/{place:05}", text=line["prompt"], category=line["tag"], metadata=line)
    for place, line in enumerate(
        [
            {
                "tag": "colors",
                "include": [{"class": "cat", "count": 1, "color": "red"}],
                "prompt": "a red cat",
            },
            {"tag": "single_object", "include": [{"class": "cat", "count": 1}], "prompt": "a cat"},
            {"tag": "single_object", "include": [{"class": "dog", "count": 1}], "prompt": "a dog"},
        ]
    )
]


def save_detector(folder: Path) -> Path:
    """Returns the folder, with a detector in it that is sure of many cats and of nothing else."""
    swin = SwinConfig(embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4)
    swin.out_features = ["stage1", "stage2", "stage3", "stage4"]
    tiny: dict[str, Any] = {
        **{"feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32, "num_attention_heads": 2},
        **{"encoder_layers": 1, "encoder_feedforward_dim": 32, "dim_feedforward": 32, "decoder_layers": 2},
        **{"num_queries": 6, "num_labels": len(OBJECT_NAMES)},
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Mask2FormerNetwork(Mask2FormerConfig(backbone_config=swin, **tiny))
        network.class_predictor.bias.data[OBJECT_NAMES.index("cat")] = 9.0
        network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> GenEvalSettings:
    detector = save_detector(tmp_path_factory.mktemp("detector"))
    clip = tiny_clip.save(tmp_path_factory.mktemp("clip"))
    return GenEvalSettings(
        detector=Mask2FormerSettings(weights=str(detector), short=64, longest=128, place=CPU),
        colours=ColourSettings(weights=str(clip), place=CPU),
    )


def pictures() -> UInt8[ndarray, "3 48 80 3"]:
    return np.random.default_rng(0).integers(0, 256, (3, 48, 80, 3), dtype=np.uint8)


def test_pictures_are_seen_and_judged(settings: GenEvalSettings, tmp_path: Path) -> None:
    benchmark = load_geneval(settings, tmp_path)
    seen = benchmark.observe(PROMPTS, pictures())
    assert [list(each["detected"]) for each in seen] == [["cat"]] * 3
    for each in (cat for row in seen for cat in row["detected"]["cat"]):
        left, top, right, bottom, score = each["box"]
        assert 0 <= left < right <= 80
        assert 0 <= top < bottom <= 48
        assert 0.3 < score <= 1
    assert all(each["color"] in COLOURS for each in seen[0]["detected"]["cat"])
    assert not any("color" in each for each in seen[1]["detected"]["cat"])
    assert json.loads(json.dumps(seen)) == seen
    verdicts = [benchmark.verdict(prompt, each) for prompt, each in zip(PROMPTS, seen, strict=True)]
    assert [each.strict for each in verdicts[1:]] == [1, 0]
    alone = [
        benchmark.observe(PROMPTS[place : place + 1], pictures()[place : place + 1]) for place in (0, 1, 2)
    ]
    assert [each for [each] in alone] == seen


def test_the_reward_is_made_of_the_same_eyes(settings: GenEvalSettings, tmp_path: Path) -> None:
    reward = geneval_load.load_geneval(GenEvalReward(detector=settings.detector, colours=settings.colours))
    scores = reward.score(PROMPTS, pictures())
    assert scores.reasons == ("", "", "")
    assert scores.value_B[2] == 0
    assert scores.digest.startswith(load_geneval(settings, tmp_path).digest())
