"""What a user meets who names the wrong files, or weights that are not free to use."""

import json
from pathlib import Path

import numpy as np
import pytest

from tessera.errors import CheckpointError, UserError
from tessera.scorers.vlm.hpsv3 import load_hpsv3
from tessera.scorers.vlm.load import load_vlm
from tessera.scorers.vlm.orm import load_orm
from tessera.scorers.vlm.settings import HpsV3, OrmVlm, UnifiedReward, VqaScore
from tessera.scorers.vlm.vqascore import load_vqascore
from tessera.scorers.vlm.words import read_words
from tessera.types import Prompt
from tests.unit.scorers.vlm import published, tiny
from tests.unit.scorers.vlm.tiny import CPU

PROMPT = [Prompt(id="x", text="a red star")]


def test_missing_weights_are_told_with_home_licence_and_remedy(tmp_path: Path) -> None:
    tiny.qwen(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(
        CheckpointError, match=r"lacks model.safetensors.*UnifiedReward-qwen-7b.*MIT.*weights=FOLDER"
    ):
        load_vlm(UnifiedReward(weights=str(tmp_path), place=CPU))


def test_torn_weights_are_told(tmp_path: Path) -> None:
    tiny.qwen(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(CheckpointError, match="cannot be loaded as Qwen2_5_VLForConditionalGeneration"):
        load_vqascore(VqaScore(weights=str(tmp_path), place=CPU)).score(PROMPT, tiny.pictures(1))


@pytest.mark.parametrize("token", ["<|image_pad|>", "<|im_start|>"])
def test_a_tokenizer_without_a_control_token_is_refused(tmp_path: Path, token: str) -> None:
    tiny.qwen(tmp_path)
    tiny.tokenizer(without=token).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=f"no token of its own for {token!r}".replace("|", r"\|")):
        load_vqascore(VqaScore(weights=str(tmp_path), place=CPU))


@pytest.mark.parametrize("word", ["yes", "no"])
def test_a_tokenizer_that_cuts_the_answer_is_refused(tmp_path: Path, word: str) -> None:
    folder = tiny.llava_authors(tmp_path, published.llava_state())
    told = json.loads((folder / "tokenizer.json").read_text())
    told["model"]["merges"] = [pair for pair in told["model"]["merges"] if "".join(pair) != word]
    (folder / "tokenizer.json").write_text(json.dumps(told))
    with pytest.raises(CheckpointError, match=f"no token of its own for '{word}'"):
        load_orm(OrmVlm(weights=str(folder), place=CPU), published.TOWER)


def test_a_tokenizer_that_numbers_the_picture_otherwise_is_refused(tmp_path: Path) -> None:
    tiny.qwen(tmp_path)
    told = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**told, "image_token_id": 5}))
    scorer = load_vqascore(VqaScore(weights=str(tmp_path), place=CPU))
    with pytest.raises(CheckpointError, match=r"writes <\|image_pad\|> as \d+, the model as 5"):
        scorer.score(PROMPT, tiny.pictures(1))


def test_a_folder_without_a_readable_tokenizer_is_told(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "added')
    with pytest.raises(CheckpointError, match="holds no tokenizer that can be read"):
        read_words(tmp_path)


@pytest.mark.parametrize("weights", [None, "CaraJ/ORM-T2I-R1"])
def test_weights_for_noncommercial_use_are_off_by_default(weights: str | None) -> None:
    with pytest.raises(UserError, match=r"CC-BY-NC-4\.0.*accept_noncommercial=true.*weights=llava-hf/"):
        OrmVlm(weights=weights)
    assert OrmVlm(weights=weights, accept_noncommercial=True).temperature == 0.3


def test_other_weights_of_the_orm_ask_nothing() -> None:
    assert OrmVlm(weights="llava-hf/llava-onevision-qwen2-7b-ov-hf").accept_noncommercial is False


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(UserError, match="temperature must be above 0"):
        OrmVlm(weights="somebody/something", temperature=0.0)


def test_the_temperature_is_in_the_orm_s_digest(tmp_path: Path) -> None:
    folder = str(tiny.llava_authors(tmp_path, published.llava_state()))
    warm, cold = (load_orm(OrmVlm(weights=folder, temperature=each, place=CPU)) for each in (1.0, 0.3))
    assert warm.digest() != cold.digest()


def test_a_model_that_is_no_llava_is_refused(tmp_path: Path) -> None:
    folder = tiny.llava_authors(tmp_path, published.llava_state())
    (folder / "config.json").write_text(
        json.dumps({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]})
    )
    with pytest.raises(CheckpointError, match="holds a model of type 'qwen2'; a LLaVA-OneVision is needed"):
        load_orm(OrmVlm(weights=str(folder), place=CPU)).score(PROMPT, tiny.pictures(1))


def test_an_orm_that_lacks_a_weight_is_refused(tmp_path: Path) -> None:
    state = published.llava_state()
    del state["model.image_newline"]
    folder = tiny.llava_authors(tmp_path, state)
    with pytest.raises(CheckpointError, match=r"model\.image_newline has shape none"):
        load_orm(OrmVlm(weights=str(folder), place=CPU), published.TOWER).score(PROMPT, tiny.pictures(1))


def test_weights_without_the_reward_token_are_not_hpsv3(tmp_path: Path) -> None:
    state = published.hps_state()
    state["model.embed_tokens.weight"] = state["model.embed_tokens.weight"][:-1].clone()
    weights = published.hps_weights(tmp_path / "weights", state)
    base = published.hps_base(tmp_path / "base")
    scorer = load_hpsv3(HpsV3(weights=str(weights), base=str(base), place=CPU))
    with pytest.raises(CheckpointError, match="has no embedding of"):
        scorer.score(PROMPT, tiny.pictures(1))


def test_hpsv3_names_the_setting_that_lacks_files(tmp_path: Path) -> None:
    weights = published.hps_weights(tmp_path / "weights", {})
    (tmp_path / "base").mkdir()
    with pytest.raises(CheckpointError, match=r"Qwen2-VL-7B-Instruct.*base=FOLDER"):
        load_hpsv3(HpsV3(weights=str(weights), base=str(tmp_path / "base"), place=CPU))


def test_a_picture_like_a_thread_is_missing_with_a_reason(tmp_path: Path) -> None:
    scorer = load_vqascore(VqaScore(weights=str(tiny.qwen(tmp_path)), place=CPU))
    scores = scorer.score(PROMPT, np.zeros((1, 2, 402, 3), dtype=np.uint8))
    assert scores.value_B.isnan().all()
    assert "402 x 2 is more than 200 times the other" in scores.reasons[0]
