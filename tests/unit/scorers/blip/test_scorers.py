"""ImageReward and BLIP-VQA at work on tiny checkpoints: the contract of a scorer, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tessera.config import from_plain
from tessera.errors import CheckpointError
from tessera.protocols import Scorer
from tessera.scorers.blip.load import ENTRIES, BlipConfig, load_blip
from tessera.scorers.blip.settings import BlipVqaConfig, ImageRewardConfig
from tessera.scorers.blip.vqa import AUTHORS
from tessera.scorers.placed import Placement
from tessera.types import Prompt
from tests.unit.scorers.blip import contract, reference
from tests.unit.scorers.blip.contract import Case, Load
from tests.unit.scorers.blip.tiny import SIZES, VOCABULARY, pictures, saved, words_folder

MakeState = Callable[[reference.Sizes, int], reference.State]
FILES: dict[type, tuple[str, MakeState]] = {
    ImageRewardConfig: ("ImageReward.pt", reference.image_reward_state),
    BlipVqaConfig: (AUTHORS, reference.vqa_state),
}


def loader(folder: Path, settings: type[Any], seed: int = 0, words: list[str] = VOCABULARY) -> Load:
    """Returns what loads a tiny scorer of these weights and words."""
    name, make = FILES[settings]
    weights = folder / f"{name}-{seed}"
    if not weights.exists():
        saved(weights, name, make(SIZES, seed))
    tokenizer = words_folder(folder / f"words-{words[-1]}", words)
    return lambda place: load_blip(settings(weights=str(weights), tokenizer=str(tokenizer), place=place))


@pytest.fixture(params=[ImageRewardConfig, BlipVqaConfig], ids=["imagereward", "blip-vqa"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """Returns each scorer in turn."""
    texts = ["red car", "the big blue dog and a small star", "cat"]
    more = [["red car"], ["the big blue dog", "a small star", "star"], ["cat", "dogs"]]
    return Case(
        load=loader(tmp_path, request.param),
        prompts=[
            Prompt(id=text, text=text, metadata={"phrases": each})
            for text, each in zip(texts, more, strict=True)
        ],
        unscorable=Prompt(id="none", text=" "),
        others=[
            loader(tmp_path, request.param, seed=1),
            loader(tmp_path, request.param, words=[*VOCABULARY[:-1], "other"]),
        ],
    )


def test_rows_are_their_own(case: Case) -> None:
    contract.check_rows_are_their_own(case)


def test_what_is_missing_has_a_reason(case: Case) -> None:
    contract.check_what_is_missing_has_a_reason(case)


def test_numbers_of_prompts_and_pictures_agree(case: Case) -> None:
    contract.check_numbers_of_prompts_and_pictures_agree(case)


def test_the_digest_tells_instruments_apart(case: Case) -> None:
    contract.check_the_digest_tells_instruments_apart(case)


def test_weights_are_read_late_and_once(case: Case) -> None:
    contract.check_weights_are_read_late_and_once(case)


def test_half_precision_is_close(case: Case) -> None:
    contract.check_half_precision_is_close(case, atol=0.1)


def test_heads_stay_in_single_precision(tmp_path: Path) -> None:
    half = Placement(device="cpu", dtype="bfloat16")
    with loader(tmp_path, ImageRewardConfig)(half).held.at_work() as model:
        assert {value.dtype for value in model.mlp.parameters()} == {torch.float32}
        assert {value.dtype for value in model.vision_model.parameters()} == {torch.bfloat16}
    with loader(tmp_path, BlipVqaConfig)(half).held.at_work() as model:
        assert {model.weight.dtype, model.bias.dtype} == {torch.float32}
        assert {value.dtype for value in model.transform.parameters()} == {torch.float32}
        assert {value.dtype for value in model.decoder.parameters()} == {torch.bfloat16}
        state = reference.vqa_state(SIZES)  # the rows of the head are the file's, not rounded with the trunk
        rows = state["text_decoder.cls.predictions.decoder.weight"][
            [VOCABULARY.index("yes"), VOCABULARY.index("no")]
        ]
        assert torch.equal(model.weight, rows)


def test_only_the_first_eight_phrases_count(tmp_path: Path) -> None:
    scorer = loader(tmp_path, BlipVqaConfig)(Placement(device="cpu"))
    eight = ["car"] * 7 + ["dog"]
    values = [
        scorer.score([Prompt(id="", text="", metadata={"phrases": each})], pictures(1)).value_B.item()
        for each in (eight, [*eight, "cat"], eight[:7])
    ]
    assert values[0] == values[1] != values[2]


def test_a_picture_is_encoded_once_whatever_is_asked(tmp_path: Path) -> None:
    scorer = loader(tmp_path, BlipVqaConfig)(Placement(device="cpu", batch_size=2))
    seen: list[int] = []
    with scorer.held.at_work() as model:
        model.vision.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    scorer.probability_yes(pictures(4), [["car?", "red car?", "dog?"], [], ["dog?"], ["a cat?", "star?"]])
    assert sum(seen) == 3


def test_what_overflows_is_nan_with_a_reason(tmp_path: Path) -> None:
    state = reference.image_reward_state(SIZES)
    state["mlp.layers.7.bias"] = torch.tensor([float("inf")])
    weights = saved(tmp_path / "weights", "ImageReward.pt", state)
    settings = ImageRewardConfig(weights=str(weights), tokenizer=str(words_folder(tmp_path)))
    scores = load_blip(settings).score([Prompt(id="", text="a car")], pictures(1))
    assert scores.value_B.isnan().all()
    assert "no finite number" in scores.reasons[0]


@pytest.mark.parametrize("settings", FILES, ids=["imagereward", "blip-vqa"])
def test_weights_of_another_model_are_refused(tmp_path: Path, settings: type[Any]) -> None:
    name, make = FILES[settings]
    prompt = Prompt(id="", text="a car", metadata={"phrases": ["a car"]})
    words = str(words_folder(tmp_path))
    whole = make(SIZES, 0)
    spoilt = {
        "no-vision": {key: value for key, value in whole.items() if "visual_encoder" not in key},
        "no-cross": {key: value for key, value in whole.items() if "layer.1.crossattention" not in key},
        "surplus": {**whole, "another.weight": torch.zeros(1)},
        "no-square": {
            key: torch.cat([value, value[:, :1]], dim=1) if key.endswith("pos_embed") else value
            for key, value in whole.items()
        },
    }
    for reason, state in spoilt.items():
        weights = saved(tmp_path / reason, name, state)
        scorer = load_blip(settings(weights=str(weights), tokenizer=words))
        with pytest.raises(CheckpointError, match=name):
            scorer.score([prompt], pictures(1))


def test_a_vocabulary_of_another_model_is_refused(tmp_path: Path) -> None:
    for settings in FILES:
        scorer = loader(tmp_path, settings, words=[*VOCABULARY, "surplus"])(Placement(device="cpu"))
        with pytest.raises(CheckpointError, match="do not belong together"):
            scorer.score([Prompt(id="", text="a car", metadata={"phrases": ["a car"]})], pictures(1))


def test_missing_and_torn_files_are_told_with_the_remedy(tmp_path: Path) -> None:
    words = str(words_folder(tmp_path))
    with pytest.raises(CheckpointError, match=r"lacks ImageReward.pt.*THUDM/ImageReward.*weights=FOLDER"):
        load_blip(ImageRewardConfig(weights=str(tmp_path), tokenizer=words))
    with pytest.raises(CheckpointError, match=r"blip-vqa-capfilt-large.*BSD-3-Clause"):
        load_blip(BlipVqaConfig(weights=str(tmp_path), tokenizer=words))
    (tmp_path / "ImageReward.pt").write_bytes(b"torn")
    torn = load_blip(ImageRewardConfig(weights=str(tmp_path), tokenizer=words))
    with pytest.raises(CheckpointError, match="cannot be read"):
        torn.score([Prompt(id="", text="a car")], pictures(1))
    with pytest.raises(CheckpointError, match=r"lacks vocab.txt.*tokenizer=FOLDER"):
        load_blip(ImageRewardConfig(weights=str(tmp_path), tokenizer=str(saved(tmp_path / "x", "a", {}))))


def test_a_med_config_without_heads_is_refused(tmp_path: Path) -> None:
    weights = saved(tmp_path / "weights", "ImageReward.pt", reference.image_reward_state(SIZES))
    (weights / "med_config.json").write_text("[]")
    scorer = load_blip(ImageRewardConfig(weights=str(weights), tokenizer=str(words_folder(tmp_path))))
    with pytest.raises(CheckpointError, match="num_attention_heads"):
        scorer.score([Prompt(id="", text="a car")], pictures(1))


def test_a_configuration_names_its_scorer(tmp_path: Path) -> None:
    kinds: dict[str, type[BlipConfig]] = {"imagereward": ImageRewardConfig, "blip-vqa": BlipVqaConfig}
    assert [entry.name for entry in ENTRIES] == list(kinds)
    for name, settings in kinds.items():
        scorer = loader(tmp_path, settings)(Placement(device="cpu"))
        assert isinstance(scorer, Scorer)
        assert scorer.name == name
        assert from_plain(settings, {"kind": name}, where="here") == settings()
