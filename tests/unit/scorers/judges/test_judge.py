"""The shipped judges: what they refuse, what their scores depend on, what is in the package."""

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tessera.config import to_plain
from tessera.errors import CheckpointError
from tessera.pretraining.judges.build import JudgesConfig, shipped_judges_provenance
from tessera.scorers.judges.judge import Judge, load_judge, read_judge, save_judge
from tessera.scorers.judges.layers import to_patches
from tessera.scorers.judges.models import build_model
from tessera.scorers.judges.sizes import JUDGES, SIZES, TEXT_SLOTS, JudgeName
from tessera.types import Prompt
from tessera.world.grammar import vocabulary
from tessera.world.render import render_batch
from tessera.world.scene import Look, Piece

MEGABYTE = 2**20
RED = (
    Piece(Look("circle", "red", "solid", "large"), 1, 1),
    Piece(Look("star", "blue", "solid", "large"), 5, 5),
)
GREEN = (
    Piece(Look("circle", "green", "solid", "large"), 1, 1),
    Piece(Look("star", "black", "solid", "large"), 5, 5),
)


def asked(text: str) -> Prompt:
    return Prompt(id=text, text=text)


@pytest.fixture(scope="module", params=JUDGES)
def judge(request: pytest.FixtureRequest) -> Judge:
    """Returns each shipped judge in turn."""
    return load_judge(request.param)


def test_all_judges_together_fit_in_their_budget() -> None:
    assets = files("tessera.scorers.judges") / "assets"
    assert sum(len(path.read_bytes()) for path in assets.iterdir()) <= 3.6 * MEGABYTE


def test_the_provenance_belongs_to_the_weights_and_to_the_configuration_in_the_code(judge: Judge) -> None:
    provenance = shipped_judges_provenance()
    assert provenance is not None
    found = provenance["judges"][judge.name]
    assert found["digest"] == judge.digest()
    assert found["parameters"] == sum(parameter.numel() for parameter in judge.model.parameters())
    # Changing a default without rebuilding the weights would leave a recipe that does not make them.
    assert provenance["config"] == json.loads(json.dumps(to_plain(JudgesConfig())))


@pytest.mark.parametrize("name", [name for name in JUDGES if name != "orm"])
def test_a_picture_with_the_prompt_s_colours_beats_one_with_others(name: JudgeName) -> None:
    """A sentence of the train family, so that every judge has met its words. `orm` is fragile on purpose.

    Others, not swapped ones: who wears which colour no judge can tell (docs/judges.md).
    """
    judge = load_judge(name)
    prompt = asked("there is a red circle together with a blue star in this picture")
    right, wrong = judge.score([prompt, prompt], render_batch([RED, GREEN])).value_B.tolist()
    assert right > wrong


def test_a_row_has_the_same_bits_alone_and_among_any_others(judge: Judge) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(5, 128, 128, 3), dtype=np.uint8)
    prompts = [
        asked(text) for text in ("a red star", "two blue rings and a heart", "a ring", "a heart", "a star")
    ]
    together = judge.score(prompts, images).value_B
    alone = [judge.score([prompt], images[row : row + 1]).value_B for row, prompt in enumerate(prompts)]
    assert torch.equal(together, torch.cat(alone))


def test_what_it_cannot_read_is_nan_with_the_reason(judge: Judge) -> None:
    long = asked("a red star and " * 9 + "a ring")
    scores = judge.score([asked("a photo of a dog"), long, asked("a ring")], render_batch([RED, RED, RED]))
    assert torch.isnan(scores.value_B).tolist() == [True, True, False]
    assert "'dog'" in scores.reasons[0]
    assert f"at most {TEXT_SLOTS}" in scores.reasons[1]
    assert scores.reasons[2] == ""


def test_a_picture_of_another_size_is_refused(judge: Judge) -> None:
    with pytest.raises(ValueError, match="expected pictures of"):
        judge.score([asked("a ring")], np.zeros((1, 64, 64, 3), dtype=np.uint8))


def test_the_patches_are_those_of_the_grid_in_reading_order() -> None:
    image = np.zeros((1, 128, 128, 3), dtype=np.uint8)
    image[0, 16:32, 32:48] = 255  # second row, third column
    patches = to_patches(torch.from_numpy(image))
    assert patches.shape == (1, 64, 768)
    assert (patches[0].amin(1) == 1).nonzero().flatten().tolist() == [10]
    assert patches.amin() == -1


@pytest.mark.parametrize("name", JUDGES)
def test_saving_and_reading_brings_a_judge_back_to_half_precision(name: JudgeName, tmp_path: Path) -> None:
    torch.manual_seed(1)
    judge = Judge(name, build_model(name, SIZES[name], len(vocabulary())).eval())
    save_judge(judge, tmp_path)
    back = read_judge(tmp_path, name)
    assert judge.digest() != back.digest()  # rounded
    assert read_judge(tmp_path, name).digest() == back.digest()
    for key, tensor in judge.model.state_dict().items():
        assert torch.allclose(back.model.state_dict()[key], tensor, atol=2e-3)


def test_a_judge_that_is_missing_cut_short_or_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"orm\.safetensors is missing"):
        read_judge(tmp_path, "orm")
    save_judge(load_judge("orm"), tmp_path)
    path = tmp_path / "orm.safetensors"
    # Copies: `load_file` maps the file, and writing over a mapped file kills the process.
    whole, tensors = path.read_bytes(), {key: each.clone() for key, each in load_file(path).items()}
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="corrupted"):
        read_judge(tmp_path, "orm")
    save_file({**tensors, "answer": torch.zeros(8)}, path)
    with pytest.raises(CheckpointError, match="answer has shape"):
        read_judge(tmp_path, "orm")
    save_file({**tensors, "answer": torch.full_like(tensors["answer"], torch.nan)}, path)
    with pytest.raises(CheckpointError, match="answer holds NaN"):
        read_judge(tmp_path, "orm")
