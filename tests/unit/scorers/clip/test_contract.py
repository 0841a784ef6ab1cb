"""What every CLIP scorer promises, on tiny weights: rows of their own, NaN with a reason, loaded once."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tessera.protocols import Scorer
from tessera.scorers.clip.aesthetic import AestheticPredictor
from tessera.scorers.clip.load import load_clip
from tessera.scorers.clip.similarity import Similarity
from tessera.scorers.placed import Placement
from tests.unit.scorers.clip.tiny import TEXTS, Library, pictures, prompts

NAMES = ("hps-2.1", "hps-2.0", "pickscore", "clipscore-b32", "aesthetic")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("library"))


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def same(first_B: Tensor, second_B: Tensor, name: str) -> None:
    """Asserts that values are one, to the rounding of float32 features: 1e-6 of what a cosine is worth."""
    worth = 100 if name == "pickscore" else 1
    torch.testing.assert_close(first_B, second_B, rtol=0, atol=1e-6 * worth)


def load(library: Library, name: str, place: Placement | None = None) -> Similarity | AestheticPredictor:
    scorer = load_clip(library.settings(name, place or Placement()))
    assert isinstance(scorer, Similarity | AestheticPredictor)
    return scorer


def test_it_is_a_scorer_of_its_name(library: Library, name: str) -> None:
    scorer = load(library, name)
    assert isinstance(scorer, Scorer)
    assert scorer.name == name


def test_a_row_depends_on_no_other(library: Library, name: str) -> None:
    images, asked = pictures(5), prompts(*TEXTS)
    scorer = load(library, name)
    together = scorer.score(asked, images).value_B
    assert together.isfinite().all()
    alone = [scorer.score(asked[i : i + 1], images[i : i + 1]).value_B[0] for i in range(5)]
    same(together, torch.stack(alone), name)
    order = [3, 1, 4, 0, 2]
    mixed = scorer.score([asked[i] for i in order], images[order]).value_B
    same(mixed, together[order], name)
    for size in (1, 2, 5):
        sized = load(library, name, Placement(batch_size=size))
        same(sized.score(asked, images).value_B, together, name)
        assert sized.digest() == scorer.digest()


def test_pictures_make_a_difference(library: Library, name: str) -> None:
    values = load(library, name).score(prompts(*["a red cat"] * 5), pictures(5)).value_B
    assert len(set(values.tolist())) == 5


def test_prompts_make_a_difference_to_all_but_the_aesthetic_mark(library: Library, name: str) -> None:
    images = pictures(1).repeat(3, axis=0)
    values = load(library, name).score(prompts("red", "a cat", "on"), images).value_B.tolist()
    assert len(set(values)) == (1 if name == "aesthetic" else 3)


def test_nothing_to_score_is_an_empty_answer_and_loads_nothing(library: Library, name: str) -> None:
    scorer = load(library, name)
    scores = scorer.score([], np.empty((0, 40, 40, 3), dtype=np.uint8))
    assert (len(scores), scores.value_B.shape) == (0, (0,))
    assert not scorer.towers.loaded


def test_more_prompts_than_pictures_is_an_error(library: Library, name: str) -> None:
    with pytest.raises(ValueError, match="zip"):
        load(library, name).score(prompts("red", "a cat"), pictures(1))


def test_a_prompt_without_words_is_nan_with_a_reason(library: Library, name: str) -> None:
    images = pictures(3)
    scorer = load(library, name)
    scores = scorer.score(prompts("red", " \n", "red"), images)
    if name == "aesthetic":  # it reads no prompt
        assert scores.reasons == ("", "", "")
        return
    assert math.isnan(scores.value_B[1].item())
    assert scores.reasons == ("", "the prompt has no words", "")
    apart = scorer.score(prompts("red", "red"), images[[0, 2]])
    same(scores.value_B[[0, 2]], apart.value_B, name)
    nothing = scorer.score(prompts("", ""), images[:2])
    assert nothing.value_B.isnan().all()
    assert all(nothing.reasons)


def test_a_model_that_breaks_gives_nan_with_a_reason(library: Library, name: str) -> None:
    scorer = load(library, name, Placement(rest="host"))  # a model of its own, for it is broken here
    scorer.score(prompts("red"), pictures(1))
    with scorer.towers.at_work() as clip:
        clip.visual_projection.weight.zero_()
    scores = scorer.score(prompts("red", "a cat"), pictures(2))
    assert scores.value_B.isnan().all()
    assert all("not finite" in reason for reason in scores.reasons)


def test_it_loads_once_when_first_used_and_reads_the_same_again(library: Library, name: str) -> None:
    images, asked = pictures(2), prompts("red", "a cat")
    scorer, other = load(library, name), load(library, name)
    assert not scorer.towers.loaded
    first = scorer.score(asked, images)
    assert scorer.towers.loaded
    assert other.towers is scorer.towers
    scorer.towers.release()
    assert not scorer.towers.loaded
    assert torch.equal(scorer.score(asked, images).value_B, first.value_B)


def test_weights_that_rest_on_disk_score_the_same(library: Library, name: str) -> None:
    images, asked = pictures(2), prompts("red", "a cat")
    resting = load(library, name, Placement(rest="disk"))
    value_B = resting.score(asked, images).value_B
    assert not resting.towers.loaded
    assert torch.equal(value_B, load(library, name).score(asked, images).value_B)


def test_the_digest_names_the_weights_and_what_changes_numbers(
    library: Library, name: str, tmp_path: Path
) -> None:
    here = load(library, name).digest()
    assert load(library, name).digest() == here
    assert load(library, name, Placement(batch_size=3, rest="host")).digest() == here
    assert load(library, name, Placement(dtype="bfloat16")).digest() != here
    assert load(Library(tmp_path / "other", seed=7), name).digest() != here


def test_all_digests_differ(library: Library) -> None:
    assert len({load(library, name).digest() for name in NAMES}) == len(NAMES)


def test_half_precision_is_near_and_keeps_the_heads_in_float32(library: Library, name: str) -> None:
    images, asked = pictures(5), prompts(*TEXTS)
    half = load(library, name, Placement(dtype="bfloat16"))
    full = load(library, name).score(asked, images).value_B
    scale = 100 if name == "pickscore" else 1
    torch.testing.assert_close(half.score(asked, images).value_B, full, rtol=0.1, atol=0.1 * scale)
    assert (half.score(asked, images).value_B != full).all()
    with half.towers.at_work() as clip:
        kinds = {key.split(".")[0]: value.dtype for key, value in clip.state_dict().items()}
    assert kinds == {
        "logit_scale": torch.float32,
        "visual_projection": torch.float32,
        "text_projection": torch.float32,
        "vision_model": torch.bfloat16,
        "text_model": torch.bfloat16,
    }
